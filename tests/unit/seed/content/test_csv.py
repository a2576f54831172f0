from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from initkit.steps.seed.content import lines, source

if TYPE_CHECKING:
    from fix_content import SeedFile


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", [["1", "2"]]),
        ("a,b\n1,2", [["1", "2"]]),
        ("a,b\r\n1,2\r\n", [["1", "2"]]),
        ("a,b\r\n1,2\r", [["1", "2"]]),
        ("a,b\r\n1,2\n3,4\r\n", [["1", "2"], ["3", "4"]]),
        ("\ufeffa,b\n1,2\n", [["1", "2"]]),
        ('\ufeff"a","b"\n1,2\n', [["1", "2"]]),
        ('\n\r\n"a",\r\n1\n'.replace(",\r\n1", ",b\r\n1,2"), [["1", "2"]]),
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
        ('a\n""\nx\n\ny\n', [[""], ["x"], ["y"]]),
        ("a,b\n 1 , 2 \n", [[" 1 ", " 2 "]]),
        ("a,b\n\\N,NULL\n", [["\\N", "NULL"]]),
        ("a,b\n\\.,x\n", [["\\.", "x"]]),
        ("a,b\n李小龍,ü\u2028\n", [["李小龍", "ü\u2028"]]),
        ("a,b\n" + "x" * (1 << 20) + ',"' + "y\n" * (1 << 19) + '"\n', [["x" * (1 << 20), "y\n" * (1 << 19)]]),
    ],
)
def test_csv_is_read_as_rfc_4180_has_it(seed_file: SeedFile, content: str, expected: list[list[str | None]]) -> None:
    assert seed_file.values(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "it is empty; write a header line, or remove the file"),
        ("\ufeff", "it is empty; write a header line, or remove the file"),
        ("\n\n", "it is empty; write a header line, or remove the file"),
        ("a,b\n1\n", "line 2: expected 2 fields as in the header, got 1; quote values that hold commas"),
        ("a,b\n1,2,3\n", "line 2: expected 2 fields as in the header, got 3; quote values that hold commas"),
        ("a;b\n1;2\n1;2;3\n", "line 3: expected 2 fields as in the header, got 3; quote values that hold semicolons"),
        ("a,b\n1,2,3\n4\n", "line 2: expected 2 fields as in the header, got 3; quote values that hold commas"),
        ('a,b\n"1\n2",3\n4\n', "line 4: expected 2 fields as in the header, got 1; quote values that hold commas"),
        ('a,b\n1,2\n3,"4\n5,6\n', "line 3: the quote that opens here is never closed; quote the whole value, and"),
        ('a,b\n1,"2\n3,"4"\n', "line 2: text follows the quote that closes a value; quote the whole value, and"),
        ('a,b\n1,"2"x\n', "line 2: text follows the quote that closes a value; quote the whole value"),
        ('a,b\n1,5" disk\n', "line 2: a quote stands inside a value that is not quoted; quote the whole value"),
        ('a,b\n1,5" disk\n2,"x"\n', "line 2: a quote stands inside a value that is not quoted; quote the whole value"),
        ("a,b\r1,2\r", "line 1: a carriage return stands inside a line; end the lines with LF or CRLF"),
        ('a,b\n"1",2\r3\n', "line 2: a carriage return stands inside a line; end the lines with LF or CRLF"),
        ("a,,b\n", "line 1: column 2 of the header has no name; mend the file"),
        ("a,b,a\n", "line 1: the header names a twice; mend the file"),
        ("a,bb\n", "line 1: table t has no column 'bb'; did you mean 'b'?"),
        ("a, b\n1,2\n", "line 1: table t has no column ' b'; did you mean 'b'?"),
        ("A,Password\n1,2\n", "line 1: table t has no columns 'A', 'Password'; did you mean 'a'? did you mean 'pass"),
        ("\n\na,bb\n", "line 3: table t has no column 'bb'; did you mean 'b'?"),
        ("a,g\n", "line 1: the database computes g itself; leave it out of the file"),
        (b"a,b\n1,2\n3,\xff4\n", "line 3: it is not UTF-8 (byte 0xff); save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: it is UTF-16, not UTF-8; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "line 1: it is UTF-16, not UTF-8; save it as UTF-8"),
        (b"\x1f\x8b\x08\x00 gzip", "line 1: it is gzip, and its name does not say so; name it .gz"),
        ("a,b\n1,\0\n", "line 2: it holds a NUL character; remove it"),
    ],
)
def test_what_is_wrong_in_csv_is_told_with_its_line(seed_file: SeedFile, content: str | bytes, expected: str) -> None:
    assert seed_file.refusal(content).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a;b\n1,5;2\n", [["1,5", "2"]]),
        ("a\tb\n1,5\t2\n", [["1,5", "2"]]),
        ("a|b\n1;5|2\n", [["1;5", "2"]]),
        ('"a";"b"\n1;"2;3"\n', [["1", "2;3"]]),
        ("a\n1;5\n", [["1;5"]]),
    ],
)
def test_the_header_shows_what_separates_the_fields(
    seed_file: SeedFile, content: str, expected: list[list[str | None]]
) -> None:
    assert seed_file.values(content) == expected


def test_a_header_that_is_separated_by_this_and_that_is_refused(seed_file: SeedFile) -> None:
    assert "table t has no column" in seed_file.refusal("a,b\tc\n")


def test_where_nothing_is_quoted_nobody_is_told_to_quote(seed_file: SeedFile) -> None:
    told = seed_file.refusal("a,b\n1,2,3\n", quote="")
    assert told == "line 2: expected 2 fields as in the header, got 3; use another delimiter than commas"


def test_the_form_that_is_given_is_taken(seed_file: SeedFile) -> None:
    assert seed_file.values("a^b\n1,2^'x^y'\n", delimiter="^", quote="'") == [["1,2", "x^y"]]
    assert seed_file.values("a\n1,2\n", delimiter="\t") == [["1,2"]]
    assert seed_file.values('a,b\n5" disk,"\n', quote="") == [['5" disk', '"']]
    assert seed_file.values('a,b\nNULL,"NULL"\n-,\n', nulls=("NULL", "-")) == [[None, "NULL"], [None, ""]]
    assert seed_file.values("a,b\n,x\n", nulls=()) == [["", "x"]]


def test_columns_can_be_given_renamed_and_left_out(seed_file: SeedFile) -> None:
    assert seed_file.rows("1,2\n3,4\n", header=("b", "a")) == [{"b": "1", "a": "2"}, {"b": "3", "a": "4"}]
    assert seed_file.rows("1;2,5,6\n", header=("b", "a")) == [{"b": "1", "a": "2,5,6"}]
    assert seed_file.rows("", header=("b", "a")) == []
    renamed = (("Name", "a"), ("Rest", ""))
    assert seed_file.rows("Rest,Name,b\n1,2,3\n\n4,5,6\n", renamed=renamed) == [
        {"a": "2", "b": "3"},
        {"a": "5", "b": "6"},
    ]
    assert "line 1: the header has no Nmae; did you mean 'Name'?" in seed_file.refusal(
        "Name,b\n", renamed=(("Nmae", "a"),)
    )
    assert "names a twice" in seed_file.refusal("Name,a\n", renamed=(("Name", "a"),))
    assert "expected 2 fields, got 3" in seed_file.refusal("1,2,3\n", header=("a", "b"), delimiter=",")


def test_a_row_is_told_by_the_line_where_it_begins(seed_file: SeedFile) -> None:
    assert seed_file.lines('a,b\n\n1,"x\n\ny"\n2,3\n') == [3, 6]
    assert seed_file.lines('a,b\n1,"x\n\ny"\n2,3\n"\n",4\n5,6\n') == [2, 5, 6, 8]
    assert seed_file.lines('"a","b"\n1,2\n3,4\n') == [2, 3]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_lines_are_numbered_across_blocks(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(source, "BLOCK", size)
    content = 'a,"b"\r\n' + "".join(f'"{number}\n""{number}",ü{"x" * (number % 20)}\n' for number in range(50))
    rows = seed_file.values(content)
    assert seed_file.lines(content) == list(range(2, 102, 2))
    assert rows[49] == ['49\n"49', "ü" + "x" * 9]
    assert seed_file.refusal(content.encode() + b"\xff,1\n").startswith("line 102: it is not UTF-8")
    assert seed_file.refusal(content + 'x,"1\n').startswith("line 102: the quote that opens here is never closed")
    assert seed_file.refusal(content + 'x,1"\n' + content).startswith("line 102: a quote stands inside")


def test_a_line_or_a_value_without_an_end_is_given_up(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST", 1 << 20)
    endless = "a line is longer than 1 MiB; end its lines with LF or CRLF"
    assert seed_file.refusal("a,b\n" + "x" * (2 << 20)) == endless
    assert seed_file.refusal('a,b\n1,"' + "xxü\n" * (1 << 19)).startswith("line 2: the quote that opens here is never")
    assert seed_file.refusal('a,b\n1,x"' + "xxü\n" * (1 << 19)).startswith("line 2: a quote stands inside a value")


def test_what_follows_a_quote_that_is_never_closed_is_not_taken_apart(seed_file: SeedFile) -> None:
    text = 'a,b\n1,"2\n' + "3,4\n" * 500_000
    tracemalloc.start()
    try:
        assert seed_file.refusal(text).startswith("line 2: the quote that opens here is never closed")
        assert tracemalloc.get_traced_memory()[1] < 6 * len(text)
    finally:
        tracemalloc.stop()
