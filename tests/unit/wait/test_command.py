"""How `command` reads its line and options, and what it calls itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from initkit.core.assemble import assemble
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN, redact
from initkit.steps.wait.child import Output
from initkit.steps.wait.schemes.command import Command, parse_codes, parse_line
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


def command(**given: object) -> Command:
    return assemble(Command, {key.replace("_", "-"): value for key, value in given.items()})


def refused(**given: object) -> str:
    with pytest.raises(Invalid) as caught:
        command(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pg_isready -h db", ("pg_isready", "-h", "db")),
        ("command:pg_isready  -h db", ("pg_isready", "-h", "db")),
        ("""sh -c 'test "$X" = 1'""", ("sh", "-c", 'test "$X" = 1')),
        (r"a b\ c ''", ("a", "b c", "")),
        ("a $HOME ~ * # | x", ("a", "$HOME", "~", "*", "#", "|", "x")),
    ],
)
def test_a_line_is_split_as_a_shell_splits_it_and_nothing_else(line: str, words: tuple[str, ...]) -> None:
    assert parse_line(line).words == words


@pytest.mark.parametrize("line", ["", "  ", "command:", "''", "a\0b"])
def test_a_line_without_a_program_is_refused(line: str) -> None:
    assert refused(line=line) == "expected a command line such as 'pg_isready -h db', got none"


@pytest.mark.parametrize("line", ["psql 'hunter2", 'a "hunter2', "hunter2\\"])
def test_an_open_quote_is_refused_without_showing_the_line(line: str) -> None:
    assert refused(line=line) == "expected a command line, got one whose last quote or backslash is open"


@pytest.mark.parametrize(
    ("line", "options", "name"),
    [
        ("true", {}, "command:true"),
        ("redis-cli -a hunter2 ping", {}, "command:redis-cli …"),
        ("mysqladmin -phunter2 ping", {}, "command:mysqladmin …"),
        ("login app hunter2", {"label": "login of app"}, "command:login of app"),
    ],
)
def test_its_name_holds_no_argument_for_any_may_be_secret(line: str, options: dict[str, str], name: str) -> None:
    target = command(line=line, **options)
    assert target.name == name
    assert "hunter2" not in repr(target)


@pytest.mark.parametrize(
    "line",
    [
        "psql --password hunter2",
        "psql --password=hunter2",
        "env PGPASSWORD=hunter2 psql",
        "curl --oauth2-bearer-token hunter2 x",
        "psql postgres://app:hunter2@db/shop",
    ],
)
def test_a_secret_that_can_be_told_from_its_name_is_masked_in_what_the_program_prints(line: str) -> None:
    parse_line(line)
    assert redact("it said hunter2") == "it said ***"


def test_an_option_that_takes_no_value_does_not_make_the_next_one_secret() -> None:
    parse_line("psql --no-password --verbose")
    parse_line("x --password-file /run/secret-place")
    assert redact("--verbose /run/secret-place") == "--verbose /run/secret-place"


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [("0", [0], [1, 255]), ("0,2-4", [0, 2, 3, 4], [1, 5]), (" 7 , 9 ", [7, 9], [8]), ("0-255", [0, 255], [])],
)
def test_exit_codes_are_numbers_and_ranges(text: str, right: list[int], wrong: list[int]) -> None:
    codes = parse_codes(text)
    assert [code in codes for code in right] == [True] * len(right)
    assert [code in codes for code in wrong] == [False] * len(wrong)
    assert str(codes) == text.strip()


@pytest.mark.parametrize("text", ["", "x", "256", "-1", "4-2", "1-", "0,,2", "1-2-3"])
def test_exit_codes_that_no_program_has(text: str) -> None:
    assert refused(line="x", exit_codes=text) == (f"expected exit codes from 0 to 255 such as 0 or 0,2-4, got {text!r}")


def test_a_bad_pattern_is_refused() -> None:
    assert "expected a regular expression, got 'a('" in refused(line="x", output_matches="a(")


def test_a_plan_names_it_with_a_line_or_options() -> None:
    given = {"line": "x y", "exit-codes": "0,3", "output-matches": "^ok$"}
    step = assemble(Wait, {"targets": ["command:true", {"command": "a 'b c'"}, {"command": given}]})
    plain, short, whole = (cast("Any", target) for target in step.targets)
    assert (plain.line.words, short.line.words, whole.line.words) == (("true",), ("a", "b c"), ("x", "y"))
    assert 3 in whole.exit_codes
    assert str(whole.output_matches) == "^ok$"


@pytest.mark.parametrize(
    ("blocks", "last"),
    [
        ([b"one\ntwo\n"], b"two"),
        ([b"one\r\ntw", b"o\r\n\n  \n"], b"two"),
        ([b"10%\r50%\r100%"], b"100%"),
        ([], b""),
        ([b"x" * 9000], b""),
        ([b"first\n", b"x" * 9000, b"\nlast"], b"last"),
    ],
)
def test_the_last_line_of_an_output_is_whole_or_none(blocks: list[bytes], last: bytes) -> None:
    output = Output(4)
    for block in blocks:
        output.add(block)
    assert output.last_line() == last
    assert output.head == b"".join(blocks)[:4]
