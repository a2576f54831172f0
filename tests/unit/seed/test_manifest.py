from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError
from initkit.steps.seed import datasets
from initkit.steps.seed.dataset import Dataset, Form
from initkit.steps.seed.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("users.csv", "notes.tsv", "orders.ndjson", "roles.sql"):
        (tmp_path / name).touch()
    return tmp_path


def found(folder: Path, manifest: str, **options: object) -> dict[str, Dataset]:
    (folder / "seed.yaml").write_text(manifest)
    settings = assemble(Settings, {name.replace("_", "-"): value for name, value in options.items()})
    return {one.path.rpartition("/")[2]: one for one in datasets.find([str(folder)], settings)}


def refused(folder: Path, manifest: str, **options: object) -> str:
    with pytest.raises(PermanentError) as caught:
        found(folder, manifest, **options)
    return str(caught.value).replace(str(folder), "")


def test_a_manifest_sets_everything_of_a_file(folder: Path) -> None:
    one = found(
        folder,
        """
files:
  users.csv:
    table: shop.people
    mode: upsert
    key: [country, id]
    prune: yes
    order: 007
    nulls: ["", "NULL", 1.10]
    delimiter: ";"
    quote: "'"
    columns: {Id: id, Ignored: ~, Land: country}
    expand: true
""",
    )["users.csv"]
    assert one == Dataset(
        path=f"{folder}/users.csv",
        table="shop.people",
        format="csv",
        mode="upsert",
        key=("country", "id"),
        prune=True,
        order=7,
        form=Form(
            ";", "'", ("", "NULL", "1.10"), (), (("Id", "id"), ("Ignored", ""), ("Land", "country")), expand=True
        ),
    )


def test_patterns_count_less_than_names_and_defaults_least(folder: Path) -> None:
    manifest = """
defaults: {mode: upsert, nulls: [a]}
files:
  users.csv: {mode: replace}
  "*s.*": {mode: insert-missing, order: 3}
  roles.sql: {mode: once, order: 1}
"""
    datasets = found(folder, manifest)
    assert {name: (one.mode, one.order) for name, one in datasets.items()} == {
        "users.csv": ("replace", 3),
        "notes.tsv": ("insert-missing", 3),
        "orders.ndjson": ("insert-missing", 3),
        "roles.sql": ("once", 1),
    }
    assert datasets["users.csv"].form.nulls == ("a",)
    assert datasets["orders.ndjson"].options == "{}", "what is for CSV alone says nothing of others"


def test_what_is_typed_for_all_beats_defaults_but_not_what_is_said_of_a_file(folder: Path) -> None:
    manifest = "defaults: {mode: replace}\nfiles: {users.csv: {mode: once}, roles.sql: {mode: once}}"
    modes = {name: one.mode for name, one in found(folder, manifest, mode="upsert", prune="yes", key="id").items()}
    assert modes == {"users.csv": "once", "notes.tsv": "upsert", "orders.ndjson": "upsert", "roles.sql": "once"}
    users = found(folder, manifest, mode="upsert", prune="yes", key="id")["users.csv"]
    assert (users.prune, users.key) == (False, ())


def test_a_manifest_counts_for_a_file_that_is_given_by_itself(folder: Path) -> None:
    (folder / "seed.yml").write_text("files: {users.csv: {mode: upsert}}")
    (one,) = datasets.find([str(folder / "users.csv")], Settings())
    assert one.mode == "upsert"


def test_a_file_without_a_known_format_may_be_named(folder: Path) -> None:
    (folder / "people.txt").touch()
    assert found(folder, "files: {people.txt: {format: tsv, table: p}}")["people.txt"].table == "p"
    assert "people.txt" not in found(folder, "files: {'*.txt': {format: tsv, table: p}}")


def test_every_mistake_is_told_with_its_line(folder: Path) -> None:
    said = refused(
        folder,
        """defaults:
  mode: zzz
files:
  users.csv:
    colums: [a]
    order: first
    key: [a, a]
  notes.tsv: [x]
  orders.ndjson: {columns: {a: b, c: b}}
file: {}
""",
    )
    assert said.splitlines() == [
        "cannot read /seed.yaml: 7 mistakes",
        "  line 10: file: unknown key 'file'; did you mean 'files'?",
        "  line 2: defaults.mode: expected one of once, upsert, insert-missing, replace, if-empty, got 'zzz'",
        "  line 5: files.users.csv.colums: unknown option 'colums'; did you mean 'columns'?",
        "  line 7: files.users.csv.key: expected each column once, got 'a' twice",
        "  line 6: files.users.csv.order: expected a whole number from 0 up, got 'first'",
        "  line 8: files.notes.tsv: expected a mapping, got a list of 1",
        "  line 9: files.orders.ndjson.columns: expected each column once, got 'b' twice; mend it",
    ]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ("files: {user.csv: {}}", "line 1: there is no file 'user.csv' beside it; did you mean 'users.csv'?; mend it"),
        ("a: [", "cannot read /seed.yaml: line 1: cannot be read as YAML"),
        ("files:\n  users.csv: {}\n  users.csv: {}", "line 3: 'users.csv' stands twice, first in line 2; mend it"),
        ("- users.csv", "line 1: expected a mapping, got a list of 1; mend it"),
        ("defaults: {table: t}", "line 1: defaults.table: expected the table of one file, got one for all; mend it"),
        (
            "files: {users.csv: {prune: true}}",
            "/users.csv: expected mode upsert with prune, got once; mend /seed.yaml, ",
        ),
        (
            "defaults: {mode: upsert}\nfiles: {roles.sql: {mode: once}, users.csv: {mode: replace, prune: 1}}",
            "/users.csv: expected mode upsert with prune, got replace; mend /seed.yaml, line 2",
        ),
        ("files: {users.csv: {key: id}}", "expected mode upsert, insert-missing, replace or on-change upsert with key"),
        ("files: {users.csv: {key: id, mode: if-empty}}", "or on-change upsert with key, got if-empty"),
        (
            "files: {users.csv: {on-change: ignore, mode: upsert}}",
            "expected mode once with on-change ignore, got upsert",
        ),
        ("files: {roles.sql: {mode: upsert}}", "/roles.sql: expected mode once for SQL, got upsert"),
        ("defaults: {mode: upsert}", "/roles.sql: expected mode once for SQL, got upsert; mend /seed.yaml, or say"),
        ("files: {roles.sql: {on-change: upsert}}", "expected on-change fail or ignore for SQL, got upsert"),
        ("files: {roles.sql: {table: t}}", "/roles.sql: table is not for SQL"),
        ("files: {roles.sql: {columns: {a: b}}}", "/roles.sql: columns is not for SQL"),
        (
            "files: {orders.ndjson: {delimiter: ';'}}",
            "/orders.ndjson: delimiter is not for ndjson; mend /seed.yaml, line 1",
        ),
        ("files: {orders.ndjson: {columns: [a]}}", "/orders.ndjson: columns is not for ndjson"),
        ('files: {users.csv: {delimiter: "\'", quote: "\'"}}', "delimiter and quote are the same sign"),
        (
            "files: {users.csv: {delimiter: ab}}",
            "expected a sign, or one of tab, comma, semicolon, pipe, space, got 'ab'",
        ),
        ("files: {users.csv: {delimiter: x}}", "expected a sign, or one of tab"),
        ("files: {users.csv: {quote: ab}}", "expected a sign such as ', or none, got 'ab'"),
        ("files: {users.csv: {columns: {a: [b]}}}", "columns.a: expected a column's name, got a list of 1"),
        ("files: {users.csv: {table: a.b.c}}", "expected TABLE or SCHEMA.TABLE, got 'a.b.c'"),
        ("defaults: {nulls: [NULL]}", 'defaults.nulls.0: expected text, got nothing; quote the word: "NULL"; mend it'),
        ("files: {users.csv: {key: ','}}", "expected names of columns such as id,name, got ','"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder: Path, manifest: str, expected: str) -> None:
    assert expected in refused(folder, manifest)


def test_two_manifests_are_refused(folder: Path) -> None:
    (folder / "seed.yml").touch()
    assert "it has seed.yaml and seed.yml; keep one of them" in refused(folder, "")


def test_a_key_is_for_once_where_a_change_is_upserted(folder: Path) -> None:
    one = found(folder, "files: {users.csv: {key: id, on-change: upsert}}")["users.csv"]
    assert (one.mode, one.key, one.on_change) == ("once", ("id",), "upsert")


def test_nothing_need_be_null_and_nothing_quoted(folder: Path) -> None:
    one = found(folder, "files: {users.csv: {nulls: [], quote: none, delimiter: tab}}")["users.csv"]
    assert one.form == Form(delimiter="\t", quote="", nulls=())
