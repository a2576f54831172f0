"""How a dataclass of options comes of given values, the environment and defaults; every mistake at once."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest

from initkit.core.assemble import MappingParser, VariantParser, assemble, from_node
from initkit.core.options import (
    Arg,
    Declared,
    Invalid,
    Opt,
    Parser,
    Problem,
    Scope,
    declared,
    describe,
    did_you_mean,
    groups_of,
    kebab,
    options_of,
    summary,
)
from initkit.core.values import Count, Duration


@declared
class Patience(Declared):
    """How patient."""

    timeout: Annotated[Duration, Opt("Give up after this long.")] = 300.0
    tries: Annotated[Count, Opt("Give up after so many.")] = 0

    def __post_init__(self) -> None:
        if self.tries == 13:
            raise ValueError("expected another number of tries, got 13")


@declared
class Point(Declared):
    """A point."""

    x: Annotated[int, Opt("Right.")]
    y: Annotated[int, Opt("Up.")] = 0


def _point(text: str) -> Point:
    x, comma, y = text.partition(",")
    if not comma:
        raise ValueError(f"expected X,Y, got {text!r}")
    return Point(x=int(x), y=int(y))


@declared
class Circle(Declared):
    """A circle."""

    radius: Annotated[Count, Arg("How far.", "RADIUS")]
    filled: Annotated[bool, Opt("Inside too.")] = False


class _Shapes:
    def names(self) -> list[str]:
        return ["circle"]

    def load(self, name: str) -> type[Declared] | None:
        return Circle if name in {"circle", "round"} else None


def _shape_of(text: str) -> str:
    if not text.isdigit():
        raise ValueError(f"expected a number, got {text!r}")
    return "circle"


@declared
class Draw(Declared):
    """Draw something.

    More of it.
    """

    title: Annotated[str, Arg("What to write above.", "TITLE")]
    shapes: Annotated[
        tuple[Annotated[object, VariantParser("SHAPE", _shape_of, _Shapes(), what="shape")], ...],
        Arg("What to draw.", "SHAPE"),
    ] = ()
    at: Annotated[Annotated[Point, MappingParser("X,Y", _point, Point)] | None, Opt("Where.")] = None
    colours: Annotated[tuple[str, ...], Opt("Which colours.")] = ()
    style: Annotated[Literal["thin", "thick"], Opt("How.")] = "thin"
    not_: Annotated[bool, Opt("Rather not.")] = False
    retry: Patience = Patience(timeout=60.0)
    plain: int = 7

    def __post_init__(self) -> None:
        if self.title == "forbidden":
            raise ValueError("expected another title, got forbidden")
        if self.title == "twice":
            raise Invalid([Problem(("title",), "one"), Problem(("at",), "two")])


def draw(given: dict[str, object], **more: object) -> Draw:
    return assemble(Draw, {"title": "t"} | given, **more)  # type: ignore[arg-type]


def problems(given: dict[str, object], **more: object) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(Invalid) as caught:
        assemble(Draw, given, **more)  # type: ignore[arg-type]
    return [(problem.path, problem.message) for problem in caught.value.problems]


ENVIRON = {"INITKIT_DRAW_STYLE": "thick", "INITKIT_DRAW_TIMEOUT": "7s", "INITKIT_DRAW_COLOURS": "red 'dark blue'"}
SCOPE = Scope("draw", ENVIRON)


def test_defaults_hold_where_nothing_is_given() -> None:
    assert draw({}) == Draw(title="t")


def test_the_environment_goes_before_defaults() -> None:
    made = draw({}, scope=SCOPE)
    assert (made.style, made.retry.timeout, made.colours) == ("thick", 7.0, ("red", "dark blue"))


def test_the_fallback_goes_before_the_environment_and_what_is_given_before_both() -> None:
    fallback = {"style": "thin", "retry": {"timeout": "8s", "tries": "2"}}
    made = draw({"retry": {"tries": "3"}}, scope=SCOPE, fallback=fallback)
    assert (made.style, made.retry) == ("thin", Patience(timeout=8.0, tries=3))


def test_a_group_keeps_the_defaults_of_its_owner() -> None:
    assert draw({"retry": {"tries": "3"}}).retry == Patience(timeout=60.0, tries=3)


def test_an_empty_variable_is_as_none() -> None:
    assert draw({}, scope=Scope("draw", {"INITKIT_DRAW_STYLE": ""})).style == "thin"


def test_global_options_have_no_kind_in_their_variable() -> None:
    assert Scope().variable("log-level") == "INITKIT_LOG_LEVEL"
    assert Scope("wait").below("http").variable("status") == "INITKIT_WAIT_HTTP_STATUS"


def test_a_variable_that_is_no_good_is_named() -> None:
    environ = {"INITKIT_DRAW_STYLE": "fat", "INITKIT_DRAW_COLOURS": "'open"}
    found = problems({"title": "t"}, scope=Scope("draw", environ))
    assert [message.rpartition(" (")[2] for _, message in found] == [
        "from the environment variable INITKIT_DRAW_COLOURS)",
        "from the environment variable INITKIT_DRAW_STYLE)",
    ]


def test_a_required_option_whose_variable_is_no_good_is_not_also_missing() -> None:
    with pytest.raises(Invalid) as caught:
        assemble(Point, {}, Scope("point", {"INITKIT_POINT_X": "left"}))
    assert [p.message for p in caught.value.problems] == [
        "expected a whole number, got 'left' (from the environment variable INITKIT_POINT_X)"
    ]


def test_all_mistakes_are_told_at_once_each_with_its_path() -> None:
    found = problems(
        {
            "shapes": ["3", "square", {"hexagon": "1"}, {"circle": {"radius": "x", "fill": "yes"}}, {"a": "", "b": ""}],
            "at": {"x": "1", "z": "2"},
            "style": "thik",
            "not": "maybe",
            "retry": {"timeout": "soon", "trys": "3"},
            "colors": "red",
        }
    )
    assert sorted(found, key=str) == sorted(
        [
            (("colors",), "unknown option 'colors'; did you mean 'colours'?"),
            (("shapes", 1), "expected a number, got 'square'"),
            (("shapes", 2, "hexagon"), "expected one of circle, got 'hexagon'"),
            (("shapes", 3, "circle", "fill"), "unknown option 'fill'; did you mean 'filled'?"),
            (("shapes", 3, "circle", "radius"), "expected a whole number from 0 up, got 'x'"),
            (("shapes", 4), "expected exactly one shape, got a mapping (a, b)"),
            (("at", "z"), "unknown option 'z'; expected one of x, y"),
            (("style",), "expected one of thin, thick, got 'thik'; did you mean 'thick'?"),
            (("not",), "expected true or false, got 'maybe'"),
            (("retry", "timeout"), "expected a duration such as 250ms, 30s or 1h30m, got 'soon'"),
            (("retry", "trys"), "unknown option 'trys'; did you mean 'tries'?"),
            ((), "TITLE is missing"),
        ],
        key=str,
    )


def test_forms_have_names_and_other_names() -> None:
    made = draw({"shapes": ["3", {"circle": ["4"]}, {"round": {"radius": "5", "filled": "yes"}}]})
    assert made.shapes == (Circle(radius=3), Circle(radius=4), Circle(radius=5, filled=True))


def test_a_form_takes_its_options_from_variables_of_its_own() -> None:
    made = draw({"shapes": "3"}, scope=Scope("draw", {"INITKIT_DRAW_CIRCLE_FILLED": "on"}))
    assert made.shapes == (Circle(radius=3, filled=True),)


def test_a_mapping_or_text_gives_the_same_value() -> None:
    assert draw({"at": "1,2"}) == draw({"at": {"x": "1", "y": "2"}})
    assert problems({"title": "t", "at": "here"}) == [(("at",), "expected X,Y, got 'here'")]
    assert problems({"title": "t", "at": ["1"]}) == [(("at",), "expected X,Y, got a list of 1")]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"style": None}, ("style",), "expected thin|thick, got nothing"),
        ({"title": {}}, ("title",), "expected TEXT, got a mapping (empty)"),
        ({"retry": "5m"}, ("retry",), "expected a mapping, got '5m'"),
        ({"retry": {"tries": "13"}}, ("retry",), "expected another number of tries, got 13"),
        ({"title": "forbidden"}, (), "expected another title, got forbidden"),
        ({"shapes": [["3"]]}, ("shapes", 0), "expected SHAPE, got a list of 1"),
    ],
)
def test_mistakes(given: dict[str, object], path: tuple[str, ...], message: str) -> None:
    assert problems({"title": "t"} | given) == [(path, message)]


def test_rules_across_fields_may_find_several_mistakes() -> None:
    assert [path for path, _ in problems({"title": "twice"})] == [("title",), ("at",)]


def test_rules_across_fields_are_asked_only_once_all_fields_are_good() -> None:
    assert problems({"title": "forbidden", "style": "fat"}) == [(("style",), "expected one of thin, thick, got 'fat'")]


def test_a_scalar_or_list_gives_positional_arguments_in_order() -> None:
    assert from_node(Draw, "t") == {"title": "t"}
    assert from_node(Draw, ["t", "1", "2"]) == {"title": "t", "shapes": ["1", "2"]}
    assert from_node(Draw, None) == {}
    assert from_node(Draw, {"title": "t"}) == {"title": "t"}
    assert from_node(Circle, ["1"]) == {"radius": "1"}


def test_too_many_positional_arguments_are_refused() -> None:
    with pytest.raises(Invalid, match="expected RADIUS, got '2' too many"):
        from_node(Circle, ["1", "2"])
    with pytest.raises(Invalid, match="expected no arguments, got a mapping"):
        from_node(Point, [{"x": "1"}])


def test_options_are_flattened_positional_ones_first_and_unmarked_fields_left_out() -> None:
    options = options_of(Draw)
    assert [option.key for option in options] == [
        "title",
        "shapes",
        "at",
        "colours",
        "style",
        "not",
        "timeout",
        "tries",
    ]
    assert [option.path for option in options][-2:] == [("retry", "timeout"), ("retry", "tries")]
    assert groups_of(Draw) == {"retry": Patience}
    assert summary(Draw) == "Draw something."


def test_defaults_are_shown_as_they_are_typed() -> None:
    shown = {option.key: option.shown_default() for option in options_of(Draw)}
    assert shown == {
        "title": None,
        "shapes": None,
        "at": None,
        "colours": None,
        "style": "thin",
        "not": "false",
        "timeout": "1m",
        "tries": "0",
    }
    assert [option.key for option in options_of(Draw) if option.is_flag] == ["not"]


def test_an_option_of_a_type_without_a_syntax_is_a_programmers_mistake() -> None:
    @declared
    class Odd(Declared):
        thing: Annotated[complex, Opt("What.")] = 1j

    with pytest.raises(TypeError, match="needs a Parser"):
        options_of(Odd)


def test_words() -> None:
    assert kebab("attempt_timeout") == "attempt-timeout"
    assert did_you_mean("migrat", ["migrate", "wait"]) == "; did you mean 'migrate'?"
    assert did_you_mean("zzz", ["migrate"]) == ""
    assert describe({"a": 1}) == "a mapping (a)"
    assert describe(["x"]) == "a list of 1"
    assert describe(None) == "nothing"
    assert Parser("TEXT", str).json_schema() == {"type": ["string", "number", "boolean"]}


def test_a_list_for_one_value_says_so() -> None:
    assert problems({"title": ["a", "b"]}) == [(("title",), "expected TEXT, got a list of 2")]
