"""YAML as text with lines."""

from __future__ import annotations

import pytest

from initkit.core.document import Unexpanded, expanded, read
from initkit.core.options import Invalid


def refused(text: str) -> list[tuple[object, str]]:
    with pytest.raises(Invalid) as caught:
        read(text)
    return [(problem.path[0], problem.message) for problem in caught.value.problems]


def test_scalars_stay_as_they_are_written() -> None:
    document = read("{mode: 0640, ref: 1.10, day: 2024-01-01, flag: yes, number: 1_000, time: 12:30, hex: 0x1F}")
    assert document.value == {
        "mode": "0640",
        "ref": "1.10",
        "day": "2024-01-01",
        "flag": "yes",
        "number": "1_000",
        "time": "12:30",
        "hex": "0x1F",
    }


def test_a_plain_null_is_nothing_and_a_quoted_one_is_text() -> None:
    assert read("[null, ~, '', 'null', \"~\", Null]").value == [None, None, "", "null", "~", None]
    assert read("a:").value == {"a": None}


def test_an_empty_document_is_nothing() -> None:
    assert read("").value is None
    assert read("# nothing\n").value is None


def test_every_path_has_its_line() -> None:
    document = read("# first\nsteps:\n- wait:\n    targets:\n    - a:1\n    - b:2\n\n- migrate: /m\n")
    assert document.line(()) == 2
    assert document.line(("steps",)) == 2
    assert document.line(("steps", 0, "wait", "targets", 1)) == 6
    assert document.line(("steps", 1, "migrate")) == 8
    assert document.line(("steps", 1, "migrate", "not", "written")) == 8
    assert document.line(("nowhere",)) == 2


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    assert refused("a: 1\nb: 2\na: 3\nb: 4\n") == [
        (3, "'a' stands twice, first in line 1"),
        (4, "'b' stands twice, first in line 2"),
    ]


def test_aliases_are_followed() -> None:
    assert read("{a: &x {k: v}, b: *x, c: [*x]}").value == {"a": {"k": "v"}, "b": {"k": "v"}, "c": [{"k": "v"}]}


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]",
        "&x {a: *x}",
        "\n".join(
            ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
            + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        ),
    ],
    ids=["list", "mapping", "a billion laughs"],
)
def test_aliases_without_end_are_refused(text: str) -> None:
    assert [message for _, message in refused(text)] == ["expected finite values, got aliases without end"]


NESTED_BY_ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 700))


@pytest.mark.parametrize(
    "text",
    ["[" * 500, "[" * 450 + "]" * 450, "- " * 500 + "a", "{a: " * 400 + "}" * 400, NESTED_BY_ALIASES],
    ids=["open", "lists", "block lists", "mappings", "aliases"],
)
def test_values_within_values_without_end_are_refused(text: str) -> None:
    assert refused(text)[0][1].startswith(("expected finite values, got values within", "cannot be read as YAML"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1", 1),
        ("a: 1\n b: 2", 2),
        ("a: 'open", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("\ta: 1", 1),
        ("a: *missing", 1),
        ("a: \0", 1),
        ("a: !<%ff> b", 1),
        ('a: "\\U00110000"', 1),
        ('a: "\\UFFFFFFFF"', 1),
        ("%YAML " + "1" * 5000 + ".1\n---\na: b\n", 1),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    ((found, message),) = refused(text)
    assert message.startswith("cannot be read as YAML: ")
    assert found == line


def test_a_key_is_a_word() -> None:
    assert refused("? [a, b]\n: c\n? {d: e}\n: f\n") == [
        (1, "expected a word as key, got a mapping or a list"),
        (3, "expected a word as key, got a mapping or a list"),
    ]


def test_characters_in_two_halves_are_joined_and_half_ones_refused() -> None:
    assert read('{"a": "\\ud83d\\ude00"}').value == {"a": "\U0001f600"}
    assert refused('a: "\\ud800"\n"\\udfff": b\n') == [
        (1, "expected text, got half a character (a surrogate)"),
        (2, "expected text, got half a character (a surrogate)"),
    ]


def test_references_are_replaced_in_values_only() -> None:
    document = expanded(read("{'${A}': '${A}', list: ['${A}', ~], map: {k: 'x-${A}'}}"), {"A": "1"})
    assert document.value == {"${A}": "1", "list": ["1", None], "map": {"k": "x-1"}}
    assert document.line(("map", "k")) == 1


def test_all_unset_references_are_told_and_the_rest_is_there() -> None:
    with pytest.raises(Unexpanded) as caught:
        expanded(read("a: ${X}\nb: [c, '${Y}']\nd: ${Z}\n"), {"Z": "z"})
    assert [problem.path for problem in caught.value.problems] == [("a",), ("b", 1)]
    assert caught.value.document.value == {"a": "${X}", "b": ["c", "${Y}"], "d": "z"}


def test_what_comes_of_a_reference_is_a_value_and_never_yaml() -> None:
    assert expanded(read("a: ${A}"), {"A": "[1, 2]\nb: 3"}).value == {"a": "[1, 2]\nb: 3"}
