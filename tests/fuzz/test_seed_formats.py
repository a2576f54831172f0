"""Rows are read back as they were written, whatever is in them; what COPY is given means what we read."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fix_content import TABLE, SeedFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from initkit.core.errors import PermanentError
from initkit.steps.seed.content import columns, source
from initkit.steps.seed.content.reading import UnplainError
from initkit.steps.seed.content.records import Dialect, Records

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
SIGNS = st.sampled_from(["a", "b", "1", ",", ";", '"', '"', '""', "\n", "\n", "\r\n", "\r", "\\", "\\.", "'", "ü", " "])
PIECES = st.one_of(SIGNS, st.sampled_from(['","', '\n"', '"\n', "\n\\.\n", '"",', "\n\n", '1,"x"\n', "1,2\n", "1,2\n"]))
AWKWARD = st.lists(PIECES, max_size=30).map("".join)
# no format can hold NUL and halves of characters; YAML folds some others unless they are escaped, which PyYAML does
TEXT = st.one_of(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12), AWKWARD)
VALUE = st.one_of(st.none(), st.just(""), st.sampled_from(["null", "~", "NULL", "true", "0640", "1.10", "\\N"]), TEXT)
ROWS = st.lists(st.tuples(VALUE, VALUE), min_size=1, max_size=8)
SIZES = st.sampled_from([1, 2, 3, 5, 11, 1 << 17])


def written(rows: list[tuple[str | None, str | None]], suffix: str) -> str:
    if suffix in {"csv", "tsv"}:
        sign = "\t" if suffix == "tsv" else ","
        fields = [["" if value is None else '"' + value.replace('"', '""') + '"' for value in row] for row in rows]
        return f"a{sign}b\n" + "".join(sign.join(row) + "\n" for row in fields)
    objects = [{"a": a, "b": b} for a, b in rows]
    if suffix == "ndjson":
        return "".join(json.dumps(one, ensure_ascii=number % 2 == 0) + "\n" for number, one in enumerate(objects))
    if suffix == "json":
        return json.dumps(objects, indent=1)
    return str(yaml.safe_dump(objects, allow_unicode=False))


def settle(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(source, "BLOCK", size)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "ndjson", "json", "yaml"])
@FOLDER
@given(rows=ROWS, size=SIZES)
def test_rows_are_read_back_as_they_were_written(
    suffix: str, tmp_path: Path, rows: list[tuple[str | None, str | None]], size: int
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle(monkeypatch, size)
        content = written(rows, suffix.removesuffix(".gz"))
        assert SeedFile(tmp_path).values(content, suffix) == [list(row) for row in rows]


@FOLDER
@given(content=AWKWARD, size=SIZES)
def test_blocks_are_read_as_single_records_are(tmp_path: Path, content: str, size: int) -> None:
    def read() -> tuple[list[list[str | None]], list[int]] | str:
        file = SeedFile(tmp_path)
        try:
            return file.values(text, header=("a", "b"), delimiter=","), file.lines(
                text, header=("a", "b"), delimiter=","
            )
        except PermanentError as error:
            return str(error)

    text = content + "\n1,2\n"
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle(monkeypatch, size)
        quickly = read()
        monkeypatch.setattr("initkit.steps.seed.content.separated.rows_of", lambda *_: None)
        assert read() == quickly


@FOLDER
@given(
    records=st.lists(
        st.sampled_from(['1,"x"', '"",""""', "1,2", ",", '"a\nb",2', '"\r\n",', '1,"",', "", "x\r", '"']), max_size=9
    )
)
def test_whole_columns_are_what_single_fields_are(tmp_path: Path, records: list[str]) -> None:
    text = "".join(record + "\n" for record in records)
    dialect = Dialect(",", '"', {""})
    found = columns.rows_of(text, 5, dialect, 2, [1, 0])
    if found is not None:
        exact = list(Records(SeedFile(tmp_path).dataset(""), text, 5, dialect))
        assert list(found.lines) == [line for line, _ in exact]
        assert list(found.rows) == [(fields[1], fields[0]) for _, fields in exact]


@pytest.mark.parametrize("header", ["a\n", "a,b\n"])
@FOLDER
@given(content=AWKWARD, size=SIZES)
def test_what_copy_is_given_means_what_we_read(header: str, tmp_path: Path, content: str, size: int) -> None:
    file = SeedFile(tmp_path)
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle(monkeypatch, size)
        try:
            found = file.content(header + content, delimiter=",").read(TABLE, complete=False).plain()
            assert found is not None
            blocks = list(found.blocks)
        except (UnplainError, PermanentError):
            return
        rows = copied(b"".join(block for block, _ in blocks).decode())
        if any(len(row) != len(header.split(",")) for row in rows):
            return  # the server refuses it
        assert sum(count for _, count in blocks) == len(rows)
        assert file.values(header + content, delimiter=",") == rows


def copied(text: str) -> list[list[str | None]]:
    """As COPY reads CSV: CopyReadLineText and CopyReadAttributesCSV in src/backend/commands/copyfromparse.c."""
    rows: list[list[str | None]] = []
    for line in _copied_lines(text):
        assert line != "\\.", "the server would end there"
        row: list[str | None] = []
        value, is_quoted, was_quoted, at = "", False, False, 0
        while at < len(line):
            sign = line[at]
            at += 1
            if is_quoted:
                if sign == '"' and line[at : at + 1] == '"':
                    value += '"'
                    at += 1
                elif sign == '"':
                    is_quoted = False
                else:
                    value += sign
            elif sign == '"':
                is_quoted = was_quoted = True
            elif sign == ",":
                row.append(value if value or was_quoted else None)
                value, was_quoted = "", False
            else:
                value += sign
        assert not is_quoted
        rows.append([*row, value if value or was_quoted else None])
    return rows


def _copied_lines(text: str) -> list[str]:
    found, line, is_quoted = list[str](), "", False
    for sign in text:
        is_quoted ^= sign == '"'
        if sign == "\n" and not is_quoted:
            found.append(line)
            line = ""
            continue
        assert sign != "\r" or is_quoted, "the server would refuse it"
        line += sign
    assert not line
    return found


def test_the_reader_that_stands_for_copy_reads_what_is_usual() -> None:
    text = 'a,"b ""c""",,""\n"x\ny",\\,z,\n'
    assert copied(text) == [["a", 'b "c"', None, ""], ["x\ny", "\\", "z", None]]
    plain: list[list[Any]] = [
        [value or None if value != "" else None for value in row] for row in csv.reader(io.StringIO("1,,x\n"))
    ]
    assert copied("1,,x\n") == plain
