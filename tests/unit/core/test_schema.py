"""The JSON Schema of options, as editors use it."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from jsonschema import Draft202012Validator

from initkit.core.assemble import MappingParser
from initkit.core.options import FLAG, WHOLE, Arg, Declared, Opt, Parser, declared
from initkit.core.schema import Schemas, json_schema, node_schema
from initkit.core.values import Count, Duration


@declared
class Pace(Declared):
    """How fast."""

    timeout: Annotated[Duration, Opt("How long.")] = 60.0


@declared
class Part(Declared):
    """A part."""

    size: Annotated[Count, Opt("How big.")] = 1


@declared
class Build(Declared):
    """Build something."""

    name: Annotated[str, Arg("What it is called.", "NAME")]
    level: Annotated[Literal["low", "high"], Opt("How much.")] = "low"
    fast: Annotated[bool, Opt("At once.")] = False
    parts: Annotated[tuple[Annotated[Part, MappingParser("PART", lambda _: Part(), Part)], ...], Opt("Of what.")] = ()
    retry: Pace = Pace()


def is_valid(value: object, cls: type[Declared] = Build) -> bool:
    schema = node_schema(cls)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(value)


@declared
class Move(Declared):
    """Move things, perhaps."""

    source: Annotated[str, Arg("From where.", "FROM")] = "here"
    rest: Annotated[tuple[Count, ...], Arg("How many.", "N")] = ()


@declared
class Link(Declared):
    """Link one to another."""

    target: Annotated[str, Arg("What.", "TARGET")]
    name: Annotated[str, Arg("How it is called.", "NAME")]


@pytest.mark.parametrize(
    "value",
    [
        "house",
        1.5,
        True,
        ["house"],
        {"name": "house"},
        {"name": "house", "level": "high", "fast": True, "retry": {"timeout": 30}},
        {"name": 1, "fast": "yes", "retry": {"timeout": "1h30m"}},
        {"name": "x", "parts": [{"size": 3}, "a"]},
        {"name": "x", "parts": {"size": "3"}},
    ],
)
def test_what_can_be_meant_is_valid(value: object) -> None:
    assert is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        ["house", "high"],
        {"level": "high"},
        {"name": "x", "level": "middle"},
        {"name": "x", "fast": "maybe"},
        {"name": "x", "retry": {"timeout": "soon"}},
        {"name": "x", "retry": {"timeout": -1}},
        {"name": "x", "retry": {"time": 1}},
        {"name": "x", "parts": [{"size": "big"}]},
        {"name": "x", "parts": [{"length": 1}]},
        {"nam": "house"},
        [None],
    ],
)
def test_mistakes_are_not(value: object) -> None:
    assert not is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "x", "level": "${LEVEL}"},
        {"name": "x", "level": "${LEVEL:-high}"},
        {"name": "x", "retry": {"timeout": "${SECONDS}s"}},
        {"name": "x", "fast": "${FAST}"},
        {"name": "x", "parts": [{"size": "${SIZE}"}]},
        "${NAME}",
    ],
)
def test_a_reference_may_stand_for_any_value(value: object) -> None:
    assert is_valid(value)


@pytest.mark.parametrize("value", [None, {}, [], "there", ["there", 1, 2], {"rest": 1}, {"rest": []}])
def test_arguments_that_have_defaults_may_be_left_out(value: object) -> None:
    assert is_valid(value, Move)


@pytest.mark.parametrize("value", [["there", "one"], [None], {"rest": "one"}])
def test_one_that_takes_many_takes_the_rest(value: object) -> None:
    assert not is_valid(value, Move)


def test_a_scalar_is_no_two_arguments() -> None:
    given: list[object] = ["a", ["a"], ["a", "b"], ["a", "b", "c"], {"target": "a"}, {"target": "a", "name": "b"}]
    assert [value for value in given if is_valid(value, Link)] == [["a", "b"], {"target": "a", "name": "b"}]


@pytest.mark.parametrize("parser", [FLAG, WHOLE])
@pytest.mark.parametrize("text", ["true", "Yes", "OFF", " no ", "0", "1", "2", "-1", "1_000", "1__0", "truest", ""])
def test_a_pattern_is_as_its_parser(parser: Parser, text: str) -> None:
    try:
        parser.parse(text)
    except ValueError:
        taken = False
    else:
        taken = True
    assert Draft202012Validator(parser.json_schema()).is_valid(text) == taken


def test_what_is_alike_is_defined_once_and_what_differs_apart() -> None:
    schemas = Schemas()
    first, again, other = (schemas.define("a-b", {"minimum": number}) for number in (1, 1, 2))
    assert first == again == {"$ref": "#/$defs/a-b"}
    assert other == {"$ref": "#/$defs/a-b-2"}


def test_help_and_defaults_are_shown_by_editors() -> None:
    level = json_schema(Build)["properties"]["level"]
    assert (level["description"], level["default"]) == ("How much.", "low")
    assert json_schema(Build)["properties"]["retry"]["description"] == "How fast."
