"""What names and marks of files say, and what is then run of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError, UsageError
from initkit.db.sqlfiles.files import read_folder
from initkit.db.sqlfiles.naming import key_of, read_name
from initkit.db.sqlfiles.sections import section_of
from initkit.db.sqlfiles.splitter import SplitError
from initkit.db.sqlfiles.standing import version_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("file", "version", "key", "title"),
    [
        ("0001_add_orders.sql", "0001", (1,), "add orders"),
        ("1_add.sql", "1", (1,), "add"),
        ("0001-add orders.sql", "0001", (1,), "add orders"),
        ("0001.sql", "0001", (1,), ""),
        ("20240101120000_add.sql", "20240101120000", (20240101120000,), "add"),
        ("000001_add.up.sql", "000001", (1,), "add"),
        ("V1__add_orders.sql", "1", (1,), "add orders"),
        ("V1.2__add.sql", "1.2", (1, 2), "add"),
        ("V1_2__add.sql", "1_2", (1, 2), "add"),
        ("V1.2.0__add.SQL", "1.2.0", (1, 2), "add"),
        ("V2013.01.15.11.35.56__add.sql", "2013.01.15.11.35.56", (2013, 1, 15, 11, 35, 56), "add"),
        ("0_begin.sql", "0", (0,), "begin"),
        ("R__All_views.sql", "R__All_views", (), "All views"),
    ],
)
def test_a_name_says_its_version(file: str, version: str, key: tuple[int, ...], title: str) -> None:
    name = read_name(file)
    assert name is not None
    assert (name.id, name.key, name.title, name.is_ignored) == (version, key, title, False)


@pytest.mark.parametrize("file", ["0001_add.down.sql", "U1.2__add.sql"])
def test_what_takes_a_migration_back_is_not_for_us(file: str) -> None:
    name = read_name(file)
    assert name is not None
    assert name.is_ignored


@pytest.mark.parametrize(
    "file", ["schema.sql", "V1_add.sql", "v1__add.sql", "R__.sql", "B1__base.sql", "1x.sql", "__.sql"]
)
def test_a_name_that_says_nothing_is_none(file: str) -> None:
    assert read_name(file) is None


@pytest.mark.parametrize(
    ("text", "key"), [("0002", (2,)), ("V1.2", (1, 2)), ("2_add", (2,)), ("1.0", (1,)), ("0", (0,))]
)
def test_a_version_may_be_written_in_any_way(text: str, key: tuple[int, ...]) -> None:
    assert key_of(text) == key
    assert version_of(text, "--to") == key


@pytest.mark.parametrize("text", ["abc", "", "2x", "9" * 300])
def test_what_is_no_version_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--to: expected a version like 0002"):
        version_of(text, "--to")


DBMATE = "-- a comment\n-- migrate:up{}\nselect 1;\n-- migrate:down\nselect 2;\n"
GOOSE = "-- +goose Up\nselect 1;\n-- +goose StatementBegin\nselect 2; select 3;\n-- +goose StatementEnd\nselect 4;\n"


@pytest.mark.parametrize(
    ("text", "statements", "in_transaction"),
    [
        ("select 1; select 2", ["select 1", "select 2"], True),
        ("-- initkit: no-transaction\nselect 1", ["select 1"], False),
        ("/* why */\n\n--initkit:  No-Transaction \r\nselect 1", ["select 1"], False),
        (DBMATE.format(""), ["select 1"], True),
        (DBMATE.format(" transaction:true"), ["select 1"], True),
        (DBMATE.format(" transaction:false"), ["select 1"], False),
        (DBMATE.format("").replace("\n", "\r\n"), ["select 1"], True),
        ("--migrate:up\nselect 1", ["select 1"], True),
        (GOOSE, ["select 1", "select 2; select 3;", "select 4"], True),
        (GOOSE + "-- +goose Down\n-- +goose StatementBegin\nx;\n-- +goose StatementEnd", [], True),
        ("-- +goose NO TRANSACTION\n-- +goose up\nselect 1", ["select 1"], False),
        ("-- initkit: no-transaction\n" + DBMATE.format(""), ["select 1"], False),
        (
            "select '\n-- migrate:down\n', $$\n-- +goose Down\n$$",
            ["select '\n-- migrate:down\n', $$\n-- +goose Down\n$$"],
            True,
        ),
    ],
)
def test_marks_say_what_is_run(text: str, statements: list[str], *, in_transaction: bool) -> None:
    section = section_of(text, "postgres")
    found = [statement.text for statement in section.statements("postgres")]
    assert found == (statements or ["select 1", "select 2; select 3;", "select 4"])
    assert section.in_transaction is in_transaction


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("select 1;\n-- initkit: no-transaction", 2, "initkit: no-transaction after a statement"),
        ("-- initkit: fast", 1, "initkit: fast, which means nothing"),
        ("-- migrate:down\nselect 1", 1, "not one migrate:up"),
        ("-- migrate:down\n-- migrate:up\n", 2, "not one migrate:up"),
        ("-- migrate:up\n-- migrate:up\n", 2, "not one migrate:up"),
        ("select 1;\n-- migrate:up\n", 1, "a statement before migrate:up"),
        ("-- migrate:up\nselect 1;\n  -- migrate:down\nselect 2;", 3, "-- migrate:down is not at the beginning"),
        ("select 1; -- +goose Down\nselect 2;", 1, "-- +goose Down is not at the beginning"),
        ("-- +goose Down\nselect 1", 1, "not one +goose Up"),
        ("-- +goose Up\n-- +goose Sideways", 2, "goose has no annotation 'sideways'"),
        ("-- +goose Up\n-- +goose ENVSUB ON", 2, "goose's annotation ENVSUB"),
        ("-- +goose Up\n-- +goose StatementBegin\nselect 1", 2, "StatementBegin and StatementEnd"),
        ("-- +goose Up\n-- +goose StatementEnd\nselect 1", 1, "StatementBegin and StatementEnd"),
        ("-- migrate:up\n-- +goose Up", 2, "marks of dbmate and of goose"),
    ],
)
def test_marks_that_cannot_be_meant_are_refused_with_their_line(text: str, line: int, cause: str) -> None:
    with pytest.raises(SplitError) as caught:
        section_of(text, "postgres")
    assert caught.value.line == line
    assert caught.value.cause.startswith(cause)


def test_lines_are_counted_from_the_files_beginning(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").write_text(DBMATE.format(""))
    (script,) = read_folder(str(tmp_path), "postgres").versioned
    assert [statement.line for statement in script.statements()] == [3]


def test_a_change_of_what_takes_it_back_is_no_drift(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").write_text(DBMATE.format(""))
    (script,) = read_folder(str(tmp_path), "postgres").versioned
    (tmp_path / "1_a.sql").write_text(DBMATE.format("").replace("select 2", "select 3"))
    (again,) = read_folder(str(tmp_path), "postgres").versioned
    assert again.agrees(script.checksum)


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no such file or directory; mount the folder"):
        read_folder(f"{tmp_path}/none", "postgres")


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("")
    with pytest.raises(PermanentError, match="not a directory"):
        read_folder(f"{tmp_path}/a.sql", "postgres")
