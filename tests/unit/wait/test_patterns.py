"""A regular expression never keeps the wait from ending."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from initkit.steps.wait import patterns
from initkit.steps.wait.patterns import Pattern, parse_pattern, steps

HARMLESS = ["ready", r'"status":\s*"UP"', "[23]\\.\\d", "a|b|c", "(?i)ok", "x{2,5}", "^$", "(?=a)b", "[ab]+c", r"(a)\1"]
DANGEROUS = [
    "(a+)+$",
    "(a|a)*$",
    "(a|ab)*c",
    ".*.*.*x",
    r"(\w*\s*)*x",
    "(?:a?){50}a{50}x",
    "(?=(a+)+$)b",
    "(?P<n>a+)+b",
    "(?>a+)+b",
    "(x)?(?(1)a+|(a+)+)$",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_cannot_take_long_is_searched_at_once(text: str) -> None:
    assert steps(text, 4096) < 2e7


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_may_take_long_is_known(text: str) -> None:
    assert steps(text, 4096) > 2e7


@pytest.mark.parametrize("text", HARMLESS)
def test_even_harmless_ones_are_dangerous_in_a_long_text_if_they_repeat(text: str) -> None:
    assert (steps(text, 1 << 20) > 2e7) == any(sign in text for sign in (r"\s*", "+", r"\1"))


@pytest.mark.parametrize(
    ("pattern", "text", "is_there"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("(b+)+c", "abc", True),
        ("(b+)+d", "abc", False),
        ("(ü|ü)+\ud800", "ü\ud800", True),
        (r"(?s)a.*\n.*b", f"a{' ' * 5000}\n b", True),
    ],
)
def test_a_search_finds_the_same_wherever_it_is_made(pattern: str, text: str, is_there: bool) -> None:  # noqa: FBT001 - a row
    assert Pattern(pattern).is_in(text, 20) is is_there


def test_a_search_without_end_ends() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        parse_pattern("(a+)+$").is_in("a" * 60 + "b", 0.3)
    assert time.monotonic() - began < 10


def test_a_search_that_nobody_waits_for_any_more_ends_by_itself() -> None:
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-ISc", patterns._CHILD, "1"],
        input=json.dumps(["(a+)+$", "a" * 60 + "b"]).encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, time.monotonic() - began < 10) == (-signal.SIGALRM, True)


@pytest.mark.parametrize("text", ["([", "*", "(?P<n", "[[:alpha:]]", "x{99999999999}", "(?<=a+)b"])
def test_what_is_no_regular_expression(text: str) -> None:
    with pytest.raises(ValueError, match="expected a regular expression, got"):
        parse_pattern(text)
