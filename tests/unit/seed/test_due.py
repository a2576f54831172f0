from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, Stopped
from initkit.core.options import Invalid, options_of
from initkit.core.stop import Stop
from initkit.steps.seed import datasets, ledger
from initkit.steps.seed.datasets import Dataset
from initkit.steps.seed.sqlite_values import converters
from initkit.steps.seed.step import STEP, Seed
from initkit.steps.seed.tables import Column, Reference, Table, in_order, quoted

if TYPE_CHECKING:
    from pathlib import Path


def found(*paths: object, voice: RecordingVoice | None = None) -> list[tuple[str, str, str]]:
    return [
        (os.path.basename(one.path), one.table, one.format)
        for one in datasets.find([str(path) for path in paths], voice)
    ]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("id\n")


def test_a_folder_gives_its_datasets_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.csv", "a.jsonl", "public.c.ndjson", "README.md", ".hidden.csv", "folder.csv/x", "..data/d.csv")
    assert found(tmp_path) == [
        ("a.jsonl", "a", "ndjson"),
        ("b.csv", "b", "csv"),
        ("public.c.ndjson", "public.c", "ndjson"),
    ]


def test_files_keep_the_order_given_and_come_once(tmp_path: Path) -> None:
    touch(tmp_path, "b.csv", "a.csv")
    assert [one[0] for one in found(tmp_path / "b.csv", tmp_path)] == ["b.csv", "a.csv"]


def test_what_looks_like_a_dataset_but_is_not_loaded_is_warned_of(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv.gz", "seed.yaml", "notes.txt")
    voice = RecordingVoice()
    found(tmp_path, voice=voice)
    assert voice.warnings == [
        f"{tmp_path}/b.csv.gz is not loaded: only *.csv, *.ndjson or *.jsonl are",
        f"{tmp_path}/seed.yaml is not loaded: only *.csv, *.ndjson or *.jsonl are",
    ]


@pytest.mark.parametrize("name", ["users.txt", "users", ".csv", "a.b.c.csv", "a..csv"])
def test_a_name_that_says_no_table_or_format_is_permanent(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    with pytest.raises(PermanentError, match="rename the file"):
        found(tmp_path / name)


def test_missing_paths_and_empty_folders_are_permanent(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="there is no such file or folder; mount the volume that holds it"):
        found(tmp_path / "gone")
    with pytest.raises(PermanentError, match=r"there is no \*.csv, \*.ndjson or \*.jsonl in it"):
        found(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(PermanentError, match="it is neither a file nor a folder"):
        found(tmp_path / "pipe.csv")


def test_a_file_that_cannot_be_read_is_permanent(tmp_path: Path) -> None:
    gone = Dataset(str(tmp_path / "users.csv"), "users", "csv")
    with pytest.raises(PermanentError, match=r"cannot read .*users.csv: No such file or directory; make it readable"):
        datasets.digest(gone, make_context())


def test_a_signal_ends_hashing(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    stop = Stop()
    stop.request(15)
    with pytest.raises(Stopped):
        datasets.digest(Dataset(str(tmp_path / "a.csv"), "a", "csv"), make_context(stop=stop))


USERS = Dataset("/seed/common/users.csv", "users", "csv")
OTHERS = Dataset("/seed/prod/users.csv", "users", "csv")


def test_a_dataset_is_called_by_its_folder_and_name() -> None:
    assert (USERS.name, OTHERS.name) == ("common/users.csv", "prod/users.csv")
    assert Dataset("/users.csv", "users", "csv").name == "users.csv"


def test_what_is_not_in_the_ledger_is_due() -> None:
    entries = [ledger.Entry("common/users.csv", "users", "1")]
    assert ledger.due({USERS: "1", OTHERS: "2"}, entries, "once", "fail") == [ledger.Due(OTHERS, "2", "insert")]
    assert ledger.due({USERS: "1", OTHERS: "2"}, entries, "upsert", "fail") == [ledger.Due(OTHERS, "2", "upsert")]


def test_the_same_content_for_another_table_is_due() -> None:
    entries = [ledger.Entry("common/people.csv", "people", "1")]
    assert ledger.due({USERS: "1"}, entries, "once", "fail") == [ledger.Due(USERS, "1", "insert")]


def test_changed_content_is_due_as_was_asked_for() -> None:
    entries = [ledger.Entry("common/users.csv", "users", "1", seeded_at="2026-01-31 12:00 UTC")]
    with pytest.raises(PermanentError, match="has changed since it was loaded once, at 2026-01-31 12:00 UTC"):
        ledger.due({USERS: "2"}, entries, "once", "fail")
    assert ledger.due({USERS: "2"}, entries, "once", "ignore") == []
    assert ledger.due({USERS: "2"}, entries, "once", "upsert") == [ledger.Due(USERS, "2", "upsert")]
    assert ledger.due({USERS: "2"}, entries, "upsert", "fail") == [ledger.Due(USERS, "2", "upsert")]


def table(name: str, *parents: str, deferrable: bool = False) -> Table:
    return Table(name, name, {}, references=tuple(Reference(parent, deferrable) for parent in parents))


def test_parents_come_before_children_and_otherwise_the_order_stays() -> None:
    tables = [table("c", "b"), table("z"), table("b", "a", "b", "elsewhere"), table("a"), table("z")]
    assert in_order(tables) == ["z", "a", "b", "c"]


def test_a_cycle_is_broken_where_a_check_can_wait() -> None:
    assert in_order([table("a", "b"), table("b", "a", deferrable=True)]) == ["b", "a"]
    with pytest.raises(PermanentError, match=r"foreign keys form a cycle: .*make one of these constraints DEFERRABLE"):
        in_order([table("a", "b"), table("b", "a")])


def test_identifiers_are_quoted() -> None:
    assert quoted('a"b') == '"a""b"'
    assert Table("public.users", "1", {}).sql == '"public"."users"'


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("INTEGER", "5", 5),
        ("bigint", " -7 ", -7),
        ("INT", "9223372036854775807", 9223372036854775807),
        ("INT", "9223372036854775808", None),
        ("INT", "9" * 6000, None),
        ("INT", "1_0", None),
        ("INT", "5.0", None),
        ("INT", "", None),
        ("INT", "true", 1),
        ("REAL", "1e5", "1e5"),
        ("NUMERIC(10,2)", ".5", ".5"),
        ("double precision", "nan", None),
        ("decimal", "1,5", None),
        ("BOOLEAN", "Yes", 1),
        ("bool", "f", 0),
        ("boolean", "2", None),
    ],
)
def test_text_becomes_what_sqlites_column_is_for(type_: str, text: str, expected: object) -> None:
    typed = Table("users", "users", {"x": Column("x", type_)})
    ((place, convert),) = converters(USERS, typed, ["x"])
    assert place == 0
    if expected is None:
        with pytest.raises(PermanentError, match=r"line 7, column x: expected .*, got "):
            convert(text, 7)
    else:
        assert convert(text, 7) == expected


@pytest.mark.parametrize("type_", ["TEXT", "VARCHAR(10)", "BLOB", "", "DATE", "JSON", "CHARINT"[:4]])
def test_text_stays_text_elsewhere(type_: str) -> None:
    assert converters(USERS, Table("users", "users", {"x": Column("x", type_)}), ["x"]) == []


def test_options_come_from_text() -> None:
    step = assemble(Seed, {"paths": ["/seed", "/more"], "mode": "upsert", "url": "sqlite:////x.db"})
    assert (step.paths, step.mode, step.on_change, step.retry.timeout) == (("/seed", "/more"), "upsert", "fail", 600)
    assert STEP is Seed
    assert {"paths", "mode", "on-change", "url", "url-env", "url-file"} <= {o.key for o in options_of(Seed)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "PATH is missing"),
        ({"paths": []}, "expected at least one PATH, got none"),
        ({"paths": "/x", "mode": "onec"}, "expected one of once, upsert, got 'onec'; did you mean 'once'"),
        (
            {"paths": "/x", "mode": "upsert", "on-change": "ignore"},
            "expected mode once where on-change is ignore, got upsert",
        ),
    ],
)
def test_options_that_cannot_be_meant_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        assemble(Seed, given)
