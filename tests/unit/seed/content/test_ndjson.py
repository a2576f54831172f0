from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fix_content import JSON_VALUES, REQUIRED

from initkit.core.errors import PermanentError
from initkit.steps.seed.content import source

if TYPE_CHECKING:
    from fix_content import SeedFile

FAULTS = [
    ('{"a": ', "it is not JSON: Expecting value at character 7; mend the file"),
    ('{"a": 1', "it is not JSON: Expecting ',' delimiter at character 8; mend the file"),
    ('{"a": 1}, {"a": 2}', "it is not JSON: Extra data at character 9; mend the file"),
    ('[\n{"a": 1}]', "it is not JSON: Expecting value at character 2; write one object a line, not an"),
    ("[1]", "expected an object, got an array; write one object a line"),
    ("5", "expected an object, got a single value; write one object a line"),
    ("null", "expected an object, got null; write one object a line"),
    ("{}", "expected an object, got an empty one; write one object a line"),
    ('{"a": 1, "a": 2}', "the key 'a' stands there twice; mend the file"),
    ('{"a": 1, "a" : 2}', "the key 'a' stands there twice; mend the file"),
    ('{"a": "\\":", "a" \t: 2}', "the key 'a' stands there twice; mend the file"),
    ('{"a": {"k": 1, "k": 2}}', "the key 'k' stands there twice; mend the file"),
    ('{"a": NaN}', "NaN is not JSON; mend the file"),
    ('{"a": "\\ud83d"}', "half of a surrogate pair stands alone in a text; mend the file"),
    ('{"a": {"\\uD83D": 1}}', "half of a surrogate pair stands alone in a text; mend the file"),
    ('{"aa": 1, "zz": 2}', "table t has no columns 'aa', 'zz'; did you mean 'a'?"),
    ('{"g": 1}', "the database computes g itself; leave it out of the file"),
    ('{"a": "x\\u0000y"}', ", column a: it holds a NUL character; remove it"),
    ("[" * 100_000, "it has values within values without end"),
    ('{"a": ' * 2000 + "1" + "}" * 2000, "it has values within values without end"),
    ('{"a": "x\ty"}', "it is not JSON: Invalid control character at character 9"),
]


@pytest.mark.parametrize(("line", "expected"), JSON_VALUES)
def test_json_values_become_text(seed_file: SeedFile, line: str, expected: dict[str, str | None]) -> None:
    assert seed_file.rows(line + "\n", "ndjson") == [expected]
    among = ['{"a": "1"}', line, '{"a": "2", "b": null}', line, '{"a": 3}']
    assert seed_file.rows("\n".join(among), "ndjson") == [
        {"a": "1"},
        expected,
        {"a": "2", "b": None},
        expected,
        {"a": "3"},
    ]


@pytest.mark.parametrize(("line", "expected"), FAULTS)
def test_what_is_wrong_in_ndjson_is_told_with_its_line(seed_file: SeedFile, line: str, expected: str) -> None:
    separator = "" if expected.startswith(",") else ": "
    assert seed_file.refusal(line, "ndjson").startswith(f"line 1{separator}{expected}")
    among = '{"a": 1, "b": 2}\n' * 30
    assert seed_file.refusal(f"{among}\n{line}\n{among}", "ndjson").startswith(f"line 32{separator}{expected}")


def test_values_over_several_lines_are_none(seed_file: SeedFile) -> None:
    content = '{"a": 1}\n{"a": [1\n2]}\n{"a": 1},{"a": 2}\n'
    assert seed_file.refusal(content, "ndjson").startswith("line 2: it is not JSON")


def test_an_empty_ndjson_file_has_no_rows(seed_file: SeedFile) -> None:
    assert seed_file.rows("", "ndjson") == []
    assert seed_file.rows("\n \n\r\n", "ndjson") == []
    assert seed_file.rows("\ufeff", "ndjson") == []


@pytest.mark.parametrize("size", [1, 3, 50])
def test_lines_are_numbered_across_blocks(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(source, "BLOCK", size)
    content = "".join(f'{{"a": "ü{number}"}}\n{" " * (number % 2)}\n' for number in range(60))
    assert seed_file.values(content, "ndjson") == [[f"ü{number}"] for number in range(60)]
    assert seed_file.lines(content, "ndjson") == list(range(1, 121, 2))
    assert seed_file.refusal(content.encode() + b"{\xff}\n", "ndjson").startswith("line 121: it is not UTF-8")


def test_rows_that_name_the_same_come_together(seed_file: SeedFile) -> None:
    content = '{"a": 1, "b": 2}\n{"b": 4, "a": 3}\n{"a": 5}\n\n{"a": 6}\n{"b": 7, "a": 8}\n'
    found = [
        (set(batch.given), [row[:2] for row in batch.rows], list(batch.lines))
        for batch in seed_file.batches(content, "ndjson")
    ]
    assert found == [
        ({"a", "b"}, [("1", "2"), ("3", "4")], [1, 2]),
        ({"a"}, [("5", None), ("6", None)], [3, 5]),
        ({"a", "b"}, [("8", "7")], [6]),
    ]


def test_a_long_file_comes_in_batches(seed_file: SeedFile) -> None:
    content = "".join(json.dumps({"a": number, "b": number % 2 or None}) + "\n" for number in range(5000))
    batches = seed_file.batches(content, "ndjson")
    assert max(len(batch.rows) for batch in batches) == 1000
    assert [row[0] for batch in batches for row in batch.rows] == [str(number) for number in range(5000)]
    assert [line for batch in batches for line in batch.lines] == list(range(1, 5001))


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "json", "yaml"])
def test_columns_that_a_new_row_must_have_are_asked_for(seed_file: SeedFile, suffix: str) -> None:
    content = {"csv": "b\n1\n", "ndjson": '\n{"b": 1}', "json": '[\n{"b": 1}]', "yaml": "# rows\n- b: 1\n"}[suffix]
    found = seed_file.content(content, suffix)
    assert [list(batch.rows) for batch in found.read(REQUIRED, complete=False).batches()]
    with pytest.raises(PermanentError) as caught:
        list(found.read(REQUIRED, complete=True).batches())
    line = 1 if suffix == "csv" else 2
    assert f"line {line}: column a must have a value, and is not there; add it to the file" in str(caught.value)


@pytest.mark.parametrize("suffix", ["ndjson", "json", "yaml"])
def test_keys_can_be_renamed_and_left_out(seed_file: SeedFile, suffix: str) -> None:
    content = '{"Name": "x", "rest": {"k": 1}, "b": "y"}\n'
    content = content if suffix == "ndjson" else f"[{content}]"
    assert seed_file.rows(content, suffix, renamed=(("Name", "a"), ("rest", ""))) == [{"a": "x", "b": "y"}]
    refusal = seed_file.refusal(content, suffix, renamed=(("Name", "b"), ("rest", "")))
    assert refusal.startswith("line 1, column b: it is named twice")
