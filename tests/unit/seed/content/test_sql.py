from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.seed.content import source

if TYPE_CHECKING:
    from fix_content import SeedFile

    from initkit.db.sqlfiles.lexer import Dialect

CONTENT = """\ufeff-- rows; of the shop
insert into t values (1, 'a;b
c');;
create function f() returns int language sql as $$ select 1; select 2 $$;
/* one; /* two */ */ insert into t
  values (2, "x;y");
create trigger t after insert on t begin select 1; end;
update t set a = E'\\';' where b = 'ü'
"""


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 17])
def test_statements_are_told_apart_across_blocks(
    seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(source, "BLOCK", size)
    content = CONTENT.replace("create trigger t after insert on t begin select 1; end;\n", "")
    found = [(one.line, one.text) for one in seed_file.content(content, "sql").statements("postgres")]
    assert found == [
        (2, "insert into t values (1, 'a;b\nc')"),
        (4, "create function f() returns int language sql as $$ select 1; select 2 $$"),
        (5, 'insert into t\n  values (2, "x;y")'),
        (7, "update t set a = E'\\';' where b = 'ü'"),
    ]


@pytest.mark.parametrize("size", [1, 5, 1 << 17])
def test_a_trigger_of_sqlite_is_one_statement(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(source, "BLOCK", size)
    content = "create trigger t after insert on t begin select 1; end;\nselect `;`, [;] -- x"
    found = [(one.line, one.text) for one in seed_file.content(content, "sql").statements("sqlite")]
    assert found == [
        (1, "create trigger t after insert on t begin select 1; end"),
        (2, "select `;`, [;]"),
    ]


@pytest.mark.parametrize(
    ("content", "dialect", "expected"),
    [
        ("select 1;\ncommit;", "postgres", "line 2: commit is no business of a dataset; remove it: all datasets of"),
        ("select 1;\n\nBEGIN;", "sqlite", "line 3: BEGIN is no business of a dataset"),
        ("rollback", "postgres", "line 1: rollback is no business of a dataset"),
        ("start transaction;", "postgres", "line 1: start transaction is no business of a dataset"),
        ("select 1;\n\\copy t from x.csv\n", "postgres", "line 2: a command of psql, which is no SQL"),
        ("copy t from stdin;\n1\n\\.\n", "postgres", "line 1: COPY from or to the client"),
        (".import x t\n", "sqlite", "line 1: a command of the sqlite3 shell, which is no SQL"),
        ("select 1;\nselect 'x;\n", "postgres", "line 2: what begins with ' does not end; close the quote or comment"),
        ("select 1;\n/* x", "postgres", "line 2: what begins with /* does not end; close the quote or comment"),
        ("select 1;\nselect '\0';\n", "postgres", "line 2: a NUL character"),
        ("set standard_conforming_strings = off;", "postgres", "line 1: strings in which a backslash escapes"),
        (b"select 1;\nselect '\xff'", "postgres", "line 2: it is not UTF-8 (byte 0xff); save it as UTF-8"),
    ],
)
def test_what_no_dataset_may_hold_is_told_with_its_line(
    seed_file: SeedFile,
    monkeypatch: pytest.MonkeyPatch,
    content: str | bytes,
    dialect: Dialect,
    expected: str,
) -> None:
    for size in (3, 1 << 17):
        monkeypatch.setattr(source, "BLOCK", size)
        with pytest.raises(PermanentError) as caught:
            list(seed_file.content(content, "sql").statements(dialect))
        assert str(caught.value).removeprefix(f"cannot load {seed_file.folder}/t.sql: ").startswith(expected)


def test_references_outside_quotes_are_refused(seed_file: SeedFile) -> None:
    with pytest.raises(PermanentError, match=r"line 3: a reference that is not in quotes; write '\$\{NAME\}'"):
        list(seed_file.content("select 1;\nselect\n${ID}", "sql", expand=True).statements("postgres"))
    with pytest.raises(PermanentError, match="line 3: the environment variable NONE is not set; set it"):
        list(seed_file.content("select 1;\nselect\n'${NONE}'", "sql", expand=True).statements("postgres"))


def test_back_to_a_savepoint_is_within_the_transaction(seed_file: SeedFile) -> None:
    content = "savepoint a; rollback to a; release a"
    dialects: tuple[Literal["postgres"], Literal["sqlite"]] = ("postgres", "sqlite")
    for dialect in dialects:
        assert len(list(seed_file.content(content, "sql").statements(dialect))) == 3
