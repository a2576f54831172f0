"""The JSON Schema of options, as editors use it."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from jsonschema import Draft202012Validator

from initkit.core.assemble import MappingParser
from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.schema import json_schema, node_schema
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


def is_valid(value: object, *, mapping: bool = False) -> bool:
    schema = (json_schema if mapping else node_schema)(Build)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        "house",
        1.5,
        ["house"],
        {"name": "house"},
        {"name": "house", "level": "high", "fast": True, "retry": {"timeout": 30}},
        {"fast": "yes", "retry": {"timeout": "1h30m"}},
        {"parts": [{"size": 3}, "a"]},
        {"parts": {"size": "3"}},
    ],
)
def test_what_can_be_meant_is_valid(value: object) -> None:
    assert is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"level": "middle"},
        {"retry": {"timeout": "soon"}},
        {"retry": {"timeout": -1}},
        {"retry": {"time": 1}},
        {"parts": [{"size": "big"}]},
        {"parts": [{"length": 1}]},
        {"nam": "house"},
        [None],
    ],
)
def test_mistakes_are_not(value: object) -> None:
    assert not is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        {"level": "${LEVEL}"},
        {"level": "${LEVEL:-high}"},
        {"retry": {"timeout": "${SECONDS}s"}},
        {"fast": "${FAST}"},
        {"parts": [{"size": "${SIZE}"}]},
        "${NAME}",
    ],
)
def test_a_reference_may_stand_for_any_value(value: object) -> None:
    assert is_valid(value)


def test_help_and_defaults_are_shown_by_editors() -> None:
    level = json_schema(Build)["properties"]["level"]
    assert (level["description"], level["default"]) == ("How much.", "low")
    assert json_schema(Build)["properties"]["retry"]["description"] == "How fast."
