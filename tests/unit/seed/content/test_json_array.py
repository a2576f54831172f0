from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fix_content import JSON_VALUES

from initkit.steps.seed.content import lines, source

if TYPE_CHECKING:
    from fix_content import SeedFile


@pytest.mark.parametrize("size", [1, 5, 1 << 17])
@pytest.mark.parametrize(("line", "expected"), JSON_VALUES)
def test_json_values_become_text(
    seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, line: str, expected: dict[str, str | None], size: int
) -> None:
    monkeypatch.setattr(source, "BLOCK", size)
    assert seed_file.rows(f"[{line}]", "json") == [expected]
    assert seed_file.rows(f'[{line},\r\n {{"a": 1}} ,{line}\n]\n', "json") == [expected, {"a": "1"}, expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", []),
        ("\ufeff [ ] \n", []),
        ('[{"a": 1}]', [1]),
        ('[\n{"a": 1},\n\n{"a":\n2}, {"a": 3}\n,{"a": 4}]', [2, 4, 5, 6]),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 17])
def test_rows_are_told_by_the_line_where_they_begin(
    seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, content: str, expected: list[int], size: int
) -> None:
    monkeypatch.setattr(source, "BLOCK", size)
    assert seed_file.lines(content, "json") == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "line 1: expected an array of objects, got nothing; write an array of objects"),
        ('{"a": 1}', "line 1: expected an array of objects, got an object; write an array of objects"),
        ("\n5", "line 2: expected an array of objects, got a single value; write an array of objects"),
        ("[\n5]", "line 2: expected an object, got a single value; write an array of objects"),
        ("[\n[]]", "line 2: expected an object, got an array; write an array of objects"),
        ("[{}]", "line 1: expected an object, got an empty one; write an array of objects"),
        ("[", "line 1: it is not JSON: the array is not closed"),
        ('[\n{"a": 1}\n', "line 3: it is not JSON: the array is not closed"),
        ('[\n{"a": 1},\n', "line 3: it is not JSON: the array is not closed"),
        ('[\n{"a": 1},\n]', "line 3: it is not JSON: "),
        ('[{"a": 1}\n{"a": 2}]', "line 2: it is not JSON: expected a comma or ] after an object"),
        ('[{"a": 1}]\n[]', "line 2: something follows the array; write one array, and nothing behind it"),
        ('[\n{"a": \n1,\n"a": 2}]', "line 2: the key 'a' stands there twice"),
        ('[\n{"a":\n nil}]', "line 3: it is not JSON: Expecting value"),
        ('[\n{"a":\n "x]', "line 3: it is not JSON: Unterminated string; mend the file"),
        ('[\n{"a":\n "x\ty"}]', "line 3: it is not JSON: Invalid control character; mend the file"),
        ('[\n{"a": NaN}]', "line 2: NaN is not JSON"),
        ('[\n{"a": "\\ud83d"}]', "line 2: half of a surrogate pair stands alone in a text"),
        ('[{"a": 1},\n{"b": "\\u0000"}]', "line 2, column b: it holds a NUL character"),
        ('[{"a": 1},\n{"bb": 1}]', "line 2: table t has no column 'bb'; did you mean 'b'?"),
        (b'[\n{"a": "\xff"}]', "line 2: it is not UTF-8 (byte 0xff); save it as UTF-8"),
        ("[]".encode("utf-16"), "line 1: it is UTF-16, not UTF-8; save it as UTF-8"),
        ("[\n" + '{"a": [' * 3000, "line 2: it has values within values without end"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 17])
def test_what_is_wrong_is_told_with_its_line(
    seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, content: str | bytes, expected: str, size: int
) -> None:
    if len(content) > 1000 and size == 1:
        size = 1000
    monkeypatch.setattr(source, "BLOCK", size)
    assert seed_file.refusal(content, "json").startswith(expected)


def test_a_long_array_comes_in_batches(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BLOCK", 10_000)
    rows = [{"a": "ü" * (number % 300), "j": {"k": [number]}} for number in range(3000)]
    batches = seed_file.batches(json.dumps(rows, indent=1), "json")
    assert max(len(batch.rows) for batch in batches) == 1000
    assert [row[0] for batch in batches for row in batch.rows] == ["ü" * (number % 300) for number in range(3000)]


def test_a_value_without_an_end_is_given_up(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST", 1 << 20)
    content = '[\n{"a": "' + "x" * (5 << 20)
    assert seed_file.refusal(content, "json").startswith("line 2: a value is longer than 1 MiB")
