from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from initkit.steps.seed.content import source

if TYPE_CHECKING:
    from fix_content import SeedFile


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- a: 0640\n  b: 1.10\n  n: 1_000\n", {"a": "0640", "b": "1.10", "n": "1_000"}),
        ("- {a: no, b: 2024-01-01, n: 0x1F}\n", {"a": "no", "b": "2024-01-01", "n": "0x1F"}),
        ("- {a: true, b: 'null', n: 12e03}\n", {"a": "true", "b": "null", "n": "12e03"}),
        ("- {a: null, b: ~, n: , password: Null}\n", {"a": None, "b": None, "n": None, "password": None}),
        ('- {a: "", b: "~", n: !!str }\n', {"a": "", "b": "~", "n": ""}),
        ("- a: |\n    x\n    y\n  b: >-\n    x\n    y\n", {"a": "x\ny\n", "b": "x y"}),
        (
            "- j: {k: [0640, 1.10, no, true, ~, '5', 0x1F, 0o17, .5, -1., .inf]}\n",
            {"j": '{"k": [640, 1.10, "no", true, null, "5", 31, 15, 0.5, -1, ".inf"]}'},
        ),
        ("- {j: 5}\n", {"j": "5"}),
        ("- {j: '5'}\n", {"j": '"5"'}),
        ("- {j: null}\n", {"j": None}),
        ("- {j: [null]}\n", {"j": "[null]"}),
        (
            "- {l: [0640, no, null, 'null', \"a,b\"], a: {k: 1}}\n",
            {"l": '{"0640","no",NULL,"null","a,b"}', "a": '{"k": 1}'},
        ),
        ('- {a: "\\U0001f600"}\n', {"a": "😀"}),
        ("- &x {a: 1, b: 2}\n", {"a": "1", "b": "2"}),
        ("- {? a : 1}\n", {"a": "1"}),
        ('[{"a": 1.10, "b": "x"}]', {"a": "1.10", "b": "x"}),
        ("---\n- a: ü\n...\n", {"a": "ü"}),
        ("\ufeff- a: 1\n", {"a": "1"}),
        ("- a: " + "x" * (1 << 20), {"a": "x" * (1 << 20)}),
    ],
)
def test_scalars_are_read_as_they_are_written(
    seed_file: SeedFile, content: str, expected: dict[str, str | None]
) -> None:
    assert seed_file.rows(content, "yaml") == [expected]


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n", "[]\n", "--- []\n...\n"])
def test_a_file_without_rows_has_none(seed_file: SeedFile, content: str) -> None:
    assert seed_file.rows(content, "yaml") == []


def test_anchors_and_merges_are_followed(seed_file: SeedFile) -> None:
    content = "- &first {a: 1, b: &b 0640}\n- {<<: *first, b: 2}\n- {b: *b, <<: [{a: 3}, *first], n: 4}\n"
    assert seed_file.rows(content, "yaml") == [
        {"a": "1", "b": "0640"},
        {"a": "1", "b": "2"},
        {"a": "3", "b": "0640", "n": "4"},
    ]
    assert "no column '<<'" in seed_file.refusal("- {'<<': 1}\n", "yaml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: 1\n", "line 1: expected a list of mappings, got a mapping; write a list of mappings"),
        ("\nx\n", "line 2: expected a list of mappings, got a single value; write a list of mappings"),
        ("- a: 1\n- 5\n", "line 2: expected a mapping, got a single value; write a list of mappings"),
        ("- a: 1\n-\n- a: 2\n", "line 2: expected a mapping, got"),
        ("- a: 1\n- []\n", "line 2: expected a mapping, got a list; write a list of mappings"),
        ("- a: 1\n- {}\n", "line 2: expected a mapping, got an empty one; write a list of mappings"),
        ("- a: 1\n  b: 2\n  a: 3\n", "line 3: the key 'a' stands there twice"),
        ("- a: 1\n  'a': 3\n", "line 2: the key 'a' stands there twice"),
        ("- a: 1\n- bb: 3\n", "line 2: table t has no column 'bb'; did you mean 'b'?"),
        ("- a: 1\n---\n- a: 2\n", "line 2: a second document begins; write one list, in one document"),
        ("- a: 1\n- a: [1\n- a: 3\n", "line 3: it is not YAML: "),
        ("- a: 1\n  b: x: y\n", "line 2: it is not YAML: mapping values are not allowed"),
        ("- a: 'x\n", "line 2: it is not YAML: "),
        ("- a: 1\n- a: *x\n", "line 2: there is no anchor 'x' before it"),
        ("- &x\n  a: *x\n", "line 2: there is no anchor 'x' before it"),
        ("- a: 1\n- <<: 5\n", "line 2: expected a mapping, or several, behind <<"),
        ("- a: !!binary eA==\n", "line 1: the tag tag:yaml.org,2002:binary means nothing here; remove it"),
        ("- a: !own x\n", "line 1: the tag !own means nothing here; remove it"),
        ("- !!python/dict {a: 1}\n", "line 1: the tag tag:yaml.org,2002:python/dict means nothing here"),
        ("- {[a]: 1}\n", "line 1: expected a word as key, got a mapping or a list"),
        ("- a: x\n- a: é\n  b: x\x01y\n", "line 3: it holds the control character U+0001; remove it, or write"),
        ("- a: x\n- a: x\0y\n", "line 2: it holds the control character U+0000; remove it, or write"),
        ('- a: "x\\0y"\n', "line 1: it holds a NUL character; remove it"),
        ('- a: "\\ud83d"\n', "line 1: "),
        ('- a: "\\U00110000"\n', "it is not YAML: "),
        (b"- a: 1\n- a: \xff\n", "line 2: it is not UTF-8 (byte 0xff); save it as UTF-8"),
        ("- a: 1\n".encode("utf-16"), "line 1: it is UTF-16, not UTF-8; save it as UTF-8"),
        ("- a: " + "[" * 200 + "]" * 200, "line 1: it has values within values without end"),
        ("- a: " + "{k: " * 200 + "}" * 200, "line 1: it has values within values without end"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(seed_file: SeedFile, content: str | bytes, expected: str) -> None:
    refusal = seed_file.refusal(content, "yaml")
    assert expected in refusal if "U0011" in str(content) else refusal.startswith(expected)


def test_aliases_to_aliases_end(seed_file: SeedFile) -> None:
    levels = "".join(f"- j: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9))
    refusal = seed_file.refusal("- j: &l0 [x]\n" + levels, "yaml")
    assert refusal.startswith("line ")
    assert "too large" in refusal or "too much behind anchors" in refusal
    long = "- &long {a: " + "x" * 1_000_000 + "}\n- j: [" + "*long, " * 100 + "]\n"
    assert "it is too large, perhaps by aliases to aliases" in seed_file.refusal(long, "yaml")


@pytest.mark.parametrize("size", [1, 7, 1 << 17])
def test_rows_are_told_by_the_line_where_they_begin(
    seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(source, "BLOCK", size)
    content = "# rows\n" + "".join(f"- a: ü{number}\n  b: |\n    x\n\n" for number in range(50))
    assert seed_file.lines(content, "yaml") == list(range(2, 202, 4))
    assert seed_file.values(content, "yaml") == [[f"ü{number}", "x\n"] for number in range(50)]


def test_a_long_list_comes_in_batches(seed_file: SeedFile) -> None:
    content = "".join(f"- a: {number}\n" for number in range(2500))
    batches = seed_file.batches(content, "yaml")
    assert [len(batch.rows) for batch in batches] == [1000, 1000, 500]


def test_it_is_the_same_without_the_parser_in_c(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    content = "- &x {a: 0640, b: [1, no]}\n- {<<: *x, b: ~}\n"
    assert seed_file.rows(content, "yaml") == [{"a": "0640", "b": '[1, "no"]'}, {"a": "0640", "b": None}]
    assert seed_file.refusal("- a: 1\n  b: x: y\n", "yaml").startswith("line 2: it is not YAML: ")
