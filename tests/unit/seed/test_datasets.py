from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError
from initkit.steps.seed import datasets
from initkit.steps.seed.dataset import STDIN, Dataset, Form
from initkit.steps.seed.manifest import Rule
from initkit.steps.seed.settings import FileRule, Settings

if TYPE_CHECKING:
    from pathlib import Path


def find(
    *paths: object,
    voice: RecordingVoice | None = None,
    env: str = "",
    rules: list[dict[str, object]] | None = None,
    **options: object,
) -> list[Dataset]:
    settings = assemble(Settings, {name.replace("_", "-"): value for name, value in options.items()})
    made = [assemble(FileRule, rule) for rule in rules or []]
    said = [Rule(rule.file, rule, f"{rule.file!r} in files") for rule in made]
    return datasets.find([str(path) for path in paths], settings, said, env=env, voice=voice)


def named(found: list[Dataset]) -> list[tuple[str, str, str]]:
    return [(os.path.basename(one.path), one.table, one.format) for one in found]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("id\n")


def test_a_dataset_that_is_a_link_to_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "gone")
    assert len(find(tmp_path)) == 1
    (tmp_path / "b.csv").symlink_to(tmp_path / "gone")
    with pytest.raises(PermanentError, match=r"read .*/b.csv: it is a link that leads nowhere; mount the volume"):
        find(tmp_path)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.csv", "w", encoding="ascii"):
        pass
    with pytest.raises(PermanentError, match=r"its name, or its folder's, is not UTF-8; rename it"):
        find(tmp_path)


def test_a_folder_gives_its_datasets_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.csv", "a.jsonl", "public.c.ndjson", "README.md", ".hidden.csv", "folder.csv/x", "..data/d.csv")
    touch(tmp_path, "d.tsv", "e.json.gz", "f.yml", "public.g.yaml", "h.sql", "I.CSV.GZ")
    found = find(tmp_path)
    assert named(found) == [
        ("I.CSV.GZ", "I", "csv"),
        ("a.jsonl", "a", "ndjson"),
        ("b.csv", "b", "csv"),
        ("d.tsv", "d", "csv"),
        ("e.json.gz", "e", "json"),
        ("f.yml", "f", "yaml"),
        ("h.sql", "", "sql"),
        ("public.c.ndjson", "public.c", "ndjson"),
        ("public.g.yaml", "public.g", "yaml"),
    ]
    assert [one.path for one in found if one.compressed] == [f"{tmp_path}/I.CSV.GZ", f"{tmp_path}/e.json.gz"]
    assert [one.form.delimiter for one in found if one.form != Form()] == ["\t"]


def test_files_keep_the_order_given_and_come_once(tmp_path: Path) -> None:
    touch(tmp_path, "b.csv", "a.csv")
    assert [one.table for one in find(tmp_path / "b.csv", tmp_path, f"{tmp_path}/./a.csv")] == ["b", "a"]


def test_what_looks_like_a_dataset_but_is_not_loaded_is_warned_of(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv.zip", "c.xlsx", "d.Parquet", "seed.sh", "notes.txt")
    voice = RecordingVoice()
    find(tmp_path, voice=voice)
    assert voice.warnings == [
        f"{tmp_path}/{name} is not loaded: its name ends in no format that is known"
        for name in ("b.csv.zip", "c.xlsx", "d.Parquet")
    ]


@pytest.mark.parametrize("name", ["users.txt", "users", ".csv", "a.b.c.csv", "a..csv", "users.gz"])
def test_a_name_that_says_no_table_or_format_is_permanent(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    with pytest.raises(PermanentError, match="rename the file"):
        find(tmp_path / name)


def test_missing_paths_and_empty_folders_are_permanent(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="there is no such file or folder; mount the volume that holds it"):
        find(tmp_path / "gone")
    with pytest.raises(PermanentError, match=r"there is no dataset in it .*; mount the volume that holds them"):
        find(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(PermanentError, match="it is neither a file nor a folder; pipe it into initkit seed -"):
        find(tmp_path / "pipe.csv")


def test_a_set_is_read_after_what_is_common(tmp_path: Path) -> None:
    touch(tmp_path, "common/users.csv", "common/a.csv", "prod/users.csv", "test/users.csv")
    assert [one.name for one in find(tmp_path, env="prod")] == ["common/a.csv", "common/users.csv", "prod/users.csv"]
    assert [one.name for one in find(tmp_path, env="common")] == ["common/a.csv", "common/users.csv"]


def test_common_may_be_missing_and_a_set_may_be_empty(tmp_path: Path) -> None:
    touch(tmp_path, "prod/users.csv")
    (tmp_path / "test").mkdir()
    assert [one.name for one in find(tmp_path, env="prod")] == ["prod/users.csv"]
    assert find(tmp_path, env="test") == []


def test_a_set_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    touch(tmp_path, "common/a.csv", "production/users.csv")
    with pytest.raises(
        PermanentError, match=r"there is no folder 'prodution' in it; did you mean 'production'\?; mend"
    ):
        find(tmp_path, env="prodution")
    with pytest.raises(PermanentError, match="there is no folder 'xy' in it; there are common, production; mend --env"):
        find(tmp_path, env="xy")


def test_a_folder_of_sets_alone_tells_of_env(tmp_path: Path) -> None:
    touch(tmp_path, "common/a.csv", "prod/users.csv", "test/users.csv")
    with pytest.raises(PermanentError, match="choose one of the folders in it by --env prod or --env test, or name"):
        find(tmp_path)


def test_files_beside_sets_are_warned_of(tmp_path: Path) -> None:
    touch(tmp_path, "prod/users.csv", "stray.csv")
    (tmp_path / "seed.yaml").write_text("")
    voice = RecordingVoice()
    find(tmp_path, env="prod", voice=voice)
    assert voice.warnings == [
        f"{tmp_path}/{name} is not loaded: with --env only those in common/ and prod/ are"
        for name in ("stray.csv", "seed.yaml")
    ]


def test_standard_input_is_what_the_options_say() -> None:
    (found,) = find(STDIN, table="users", format="tsv", mode="upsert", key="id")
    assert (found.name, found.shown, found.table, found.format) == ("stdin", "standard input", "users", "csv")
    assert (found.mode, found.key, found.form.delimiter) == ("upsert", ("id",), "\t")


def test_one_table_for_several_datasets_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv")
    with pytest.raises(PermanentError, match="2 datasets were found for one table, users; name the table of each"):
        find(tmp_path, table="users")
    assert [one.table for one in find(tmp_path / "a.csv", table="users")] == ["users"]


def test_what_a_plan_says_of_one_file_counts_most(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv", "notes.txt")
    (tmp_path / "seed.yaml").write_text("files: {a.csv: {mode: replace, nulls: [x]}}")
    rules: list[dict[str, object]] = [
        {"file": "a.csv", "mode": "if-empty"},
        {"file": "*.csv", "mode": "upsert", "key": ["id", "b"]},
        {"file": "notes.txt", "format": "csv", "table": "notes", "columns": ["a"]},
    ]
    found = {one.table: one for one in find(tmp_path, rules=rules, mode="insert-missing")}
    assert {table: one.mode for table, one in found.items()} == {
        "a": "if-empty",
        "b": "upsert",
        "notes": "insert-missing",
    }
    assert (found["a"].form.nulls, found["b"].key, found["notes"].form.header) == (("x",), ("id", "b"), ("a",))


def test_a_rule_of_a_plan_that_means_nothing_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "users.csv")
    with pytest.raises(PermanentError, match=r"no dataset is called 'user.csv', .*did you mean 'users.csv'"):
        find(tmp_path, rules=[{"file": "user.csv", "mode": "upsert"}])


def test_a_dataset_is_called_by_its_folder_and_name() -> None:
    assert Dataset("/seed/prod/users.csv", "users", "csv").name == "prod/users.csv"
    assert Dataset("/users.csv", "users", "csv").name == "users.csv"


def test_what_is_as_usual_is_not_among_a_dataset_s_options() -> None:
    assert Dataset("a.csv", "a", "csv").options == "{}"
    form = Form(delimiter=";", renamed=(("a", "b"),))
    assert Dataset("a.csv", "a", "csv", form=form).options == '{"delimiter": ";", "renamed": [["a", "b"]]}'
