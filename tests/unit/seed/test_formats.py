from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.errors import PermanentError
from initkit.steps.seed import lines
from initkit.steps.seed.datasets import Dataset
from initkit.steps.seed.ndjson import as_array, as_json
from initkit.steps.seed.rows import Row, batches, cut, open_rows
from initkit.steps.seed.tables import Column, Table

if TYPE_CHECKING:
    from pathlib import Path

TABLE = Table(
    "t",
    "t",
    {
        "a": Column("a", "text"),
        "b": Column("b", "text"),
        "n": Column("n", "integer", has_default=True),
        "j": Column("j", "json", shape="json"),
        "l": Column("l", "text[]", shape="array"),
        "g": Column("g", "text", generated=True),
    },
)


class File:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def dataset(self, content: str | bytes, suffix: str) -> Dataset:
        path = self.folder / f"t.{suffix}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Dataset(str(path), "t", suffix)

    def rows(self, content: str | bytes, suffix: str = "csv") -> list[Row]:
        return list(open_rows(self.dataset(content, suffix), TABLE, make_context()).stream)

    def values(self, content: str | bytes, suffix: str = "csv") -> list[list[str | None]]:
        return [list(row.values) for row in self.rows(content, suffix)]

    def refusal(self, content: str | bytes, suffix: str = "csv") -> str:
        with pytest.raises(PermanentError) as caught:
            self.rows(content, suffix)
        return str(caught.value).removeprefix(f"cannot load {self.folder}/t.{suffix} into t: ")


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", [["1", "2"]]),
        ("a,b\n1,2", [["1", "2"]]),
        ("a,b\r\n1,2\r\n", [["1", "2"]]),
        ("a,b\r\n1,2\n3,4\r\n", [["1", "2"], ["3", "4"]]),
        ("\ufeffa,b\n1,2\n", [["1", "2"]]),
        ('\ufeff"a","b"\n1,2\n', [["1", "2"]]),
        ("a,b\n,\n", [[None, None]]),
        ('a,b\n"",\n', [["", None]]),
        ('a,b\n,""\n', [[None, ""]]),
        ('a,b\n"",""\r\n', [["", ""]]),
        ('a,b\n1,"x\ny"\n', [["1", "x\ny"]]),
        ('a,b\r\n1,"x\r\ny"\r\n', [["1", "x\r\ny"]]),
        ('a,b\n1,"x\ry"\n', [["1", "x\ry"]]),
        ('a,b\n"say ""hi""",","\n', [['say "hi"', ","]]),
        ('a,b\n"""","\n\n"\n', [['"', "\n\n"]]),
        ('a,b\n"1",\r\n', [["1", None]]),
        ("a,b\n\n1,2\n\r\n\n", [["1", "2"]]),
        ("a,b\n", []),
        ("a,b", []),
        ('a\n""\nx\n', [[""], ["x"]]),
        ("a,b\n 1 , 2 \n", [[" 1 ", " 2 "]]),
        ("a,b\n\\N,NULL\n", [["\\N", "NULL"]]),
        ("a,b\n李小龍,ü\u2028\n", [["李小龍", "ü\u2028"]]),
    ],
)
def test_csv_is_read_as_rfc_4180_has_it(file: File, content: str, expected: list[list[str | None]]) -> None:
    assert file.values(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "it is empty; write a header line, or remove the file"),
        ("\ufeff", "it is empty; write a header line, or remove the file"),
        ("\n\n", "it is empty; write a header line, or remove the file"),
        ("a,b\n1\n", "line 2: expected 2 fields as in the header, got 1; quote values that hold commas"),
        ("a,b\n1,2,3\n", "line 2: expected 2 fields as in the header, got 3; quote values that hold commas"),
        ('a,b\n"1\n2",3\n4\n', "line 4: expected 2 fields as in the header, got 1; quote values that hold commas"),
        ('a,b\n1,2\n3,"4\n5,6\n', "line 3: the quote that opens here is never closed; quote the whole value, and"),
        ('a,b\n1,"2\n3,"4"\n', "line 2: text follows the quote that closes a value; quote the whole value, and"),
        ('a,b\n1,"2"x\n', "line 2: text follows the quote that closes a value; quote the whole value"),
        ('a,b\n1,5" disk\n', "line 2: a quote stands inside a value that is not quoted; quote the whole value"),
        ("a,b\r1,2\r", "line 1: a carriage return stands inside a line; end the lines with LF or CRLF"),
        ('a,b\n"1",2\r3\n', "line 2: a carriage return stands inside a line; end the lines with LF or CRLF"),
        ("a,,b\n", "line 1: column 2 of the header has no name; mend the file"),
        ("a,b,a\n", "line 1: the header names a twice; mend the file"),
        ("a;b\n1;2\n", "line 1: its fields seem to be separated by semicolons; separate them by commas"),
        ("a\tb\n1\t2\n", "line 1: its fields seem to be separated by tabs; separate them by commas"),
        ("a,bb\n", "line 1: table t has no column 'bb'; did you mean 'b'?"),
        ("a,g\n", "line 1: the database computes g itself; leave it out of the file"),
        (b"a,b\n1,2\n3,\xff4\n", "line 3: it is not UTF-8 (byte 0xff); save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: it is UTF-16, not UTF-8; save it as UTF-8"),
        ("a,b\n1,\0\n", "line 2: it holds a NUL byte; save it as UTF-8 text"),
    ],
)
def test_what_is_wrong_in_csv_is_told_with_its_line(file: File, content: str | bytes, expected: str) -> None:
    assert file.refusal(content).startswith(expected)


def test_a_row_is_told_by_the_line_where_it_begins(file: File) -> None:
    assert [row.line for row in file.rows('a,b\n\n1,"x\n\ny"\n2,3\n')] == [3, 6]


def test_lines_are_numbered_across_blocks(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 7)
    content = "a,b\n" + "".join(f"{number},ü{'x' * (number % 20)}\n" for number in range(200))
    rows = file.rows(content)
    assert [row.line for row in rows] == list(range(2, 202))
    assert rows[199].values == ["199", "ü" + "x" * 19]
    assert file.refusal(content.encode() + b"\xff,1\n").startswith("line 202: it is not UTF-8")


def test_a_line_or_a_value_without_an_end_is_given_up(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 100)
    monkeypatch.setattr(lines, "LONGEST", 1 << 20)
    monkeypatch.setattr("initkit.steps.seed.separated.LONGEST", 1 << 20)
    assert file.refusal("a,b\n" + "x" * (2 << 20)) == "a line is longer than 1 MiB; end its lines with LF or CRLF"
    assert file.refusal('a,b\n1,"' + "xxx\n" * (1 << 19)).startswith("line 2: the quote that opens here is never")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": "x"}', ["x", None, None, None, None]),
        ('{"a": null, "n": 1}', [None, None, "1", None, None]),
        ('{"a": 1.10, "b": 1e400}', ["1.10", "1e400", None, None, None]),
        ('{"a": true, "b": false}', ["true", "false", None, None, None]),
        ('{"a": {"k": [1.0, "ü"]}}', ['{"k": [1.0, "ü"]}', None, None, None, None]),
        ('{"j": "x", "l": ["y"]}', [None, None, None, '"x"', '{"y"}']),
        ('{"j": null, "l": "{y}"}', [None, None, None, None, "{y}"]),
        ('  {"a": "\\ud83d\\ude00"}  \r', ["😀", None, None, None, None]),
        (f'{{"n": {"9" * 5000}}}', [None, None, "9" * 5000, None, None]),
    ],
)
def test_json_values_become_text(file: File, content: str, expected: list[str | None]) -> None:
    assert file.values(content + "\n", "ndjson") == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": 1}\n{"a": \n', "line 2: it is not JSON: Expecting value at character 7; mend the file"),
        ('[\n{"a": 1}]', "line 1: it is not JSON: Expecting value at character 2; write one object a line, not an"),
        ("[1]", "line 1: expected an object, got an array; write one object a line"),
        ("\n5", "line 2: expected an object, got a single value; write one object a line"),
        ("null", "line 1: expected an object, got null; write one object a line"),
        ("{}", "line 1: expected an object, got an empty one; write one object a line"),
        ('{"a": 1, "a": 2}', "line 1: the key 'a' stands there twice; mend the file"),
        ('{"a": NaN}', "line 1: NaN is not JSON; mend the file"),
        ('{"a": "\\ud83d"}', "line 1: half of a surrogate pair stands alone in a text; mend the file"),
        ('{"aa": 1, "zz": 2}', "line 1: table t has no columns 'aa', 'zz'; did you mean 'a'?"),
        ("[" * 100_000, "line 1: "),
    ],
)
def test_what_is_wrong_in_ndjson_is_told_with_its_line(file: File, content: str, expected: str) -> None:
    assert file.refusal(content, "ndjson").startswith(expected)


def test_an_empty_ndjson_file_has_no_rows(file: File) -> None:
    assert file.values("", "ndjson") == []
    assert file.values("\n \n", "ndjson") == []


def test_batches_leave_out_what_shall_take_its_default(file: File) -> None:
    content = '{"a": "1"}\n{"b": "2"}\n{"a": "3", "n": 3}\n{"n": null}\n{"a": "5"}\n'
    rows = open_rows(file.dataset(content, "ndjson"), TABLE, make_context())
    found = [(columns, [list(row.values) for row in batch]) for columns, batch in batches(rows, TABLE)]
    assert found == [
        (("a", "b", "j", "l"), [["1", None, None, None], [None, "2", None, None]]),
        (("a", "b", "n", "j", "l"), [["3", None, "3", None, None], [None, None, None, None, None]]),
        (("a", "b", "j", "l"), [["5", None, None, None]]),
    ]


def test_arrays_and_json_are_quoted() -> None:
    assert as_array(["a", None, 'b"\\', "", True, ["x"]]) == '{"a",NULL,"b\\"\\\\","","true",{"x"}}'
    assert as_json({"ü": ['"', None, False]}) == '{"ü": ["\\"", null, false]}'


def test_a_long_text_is_cut_and_keeps_its_end() -> None:
    assert cut("a\nb") == "a b"
    assert cut("x" * 100 + '"', 20) == "x" * 18 + "…" + "x"
    assert len(cut("x" * 1_000_000)) == 200
