"""Regular expressions that cannot hang the wait; where they are searched is the business of each scheme.

Python's `re` backtracks, for ever if a pattern and a text are made so, and lets no other thread run meanwhile: neither
the deadline nor a signal would be noticed. So a search that might take long is made by a child that can be killed.
"""

from __future__ import annotations

import math
import re
import warnings
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from initkit.core.options import Parser
from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

_STEPS = 2e7  # of the engine, at most; about a quarter of a second


class Pattern(Record):
    """A regular expression as Python has them."""

    text: str

    def __str__(self) -> str:
        return self.text

    def is_in(self, text: str, seconds: float) -> bool:
        """Whether it matches anywhere in `text`.

        Raises:
            TimeoutError: that could not be found out within `seconds`.
        """
        if steps(self.text, len(text)) <= _STEPS:
            return re.search(self.text, text) is not None
        return _search_apart(self.text, text, seconds)


def parse_pattern(text: str) -> Pattern:
    """A pattern that Python's `re` takes, without any warning.

    Raises:
        ValueError: it does not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(text)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"expected a regular expression, got {text!r}: {error}") from error
    return Pattern(text)


@lru_cache(maxsize=128)
def steps(pattern: str, length: int) -> float:
    """At most so many steps, or infinite, take a search in a text of so many characters; never too few."""
    try:
        tree = import_module("re._parser").parse(pattern)
        return math.exp(min(700.0, math.log(length + 1) + _ways(tree, length)))
    except (ImportError, LookupError, TypeError, ValueError, RecursionError):  # another Python's
        return math.inf


def _ways(tree: Iterable[tuple[Any, Any]], length: int) -> float:
    """The logarithm of the number of ways in which a sequence may be tried at one place."""
    return sum(_ways_of(str(kind), argument, length) for kind, argument in tree)


def _ways_of(kind: str, argument: Any, length: int) -> float:  # noqa: ANN401 - the parser's own
    match kind:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inside = argument
            times = max(1, min(int(most), length + 1))
            return math.log(max(1, times - least + 1)) + times * _ways(inside, length)
        case "BRANCH":
            return math.log(sum(math.exp(min(700.0, _ways(branch, length))) for branch in argument[1]))
        case "GROUPREF_EXISTS":
            return sum(_ways(branch, length) for branch in argument[1:] if branch)
        case "SUBPATTERN" | "ASSERT" | "ASSERT_NOT":
            return _ways(argument[-1], length)
        case "ATOMIC_GROUP":
            return _ways(argument, length)
    return math.log(length + 1) if kind.startswith("GROUPREF") else 0.0


# the alarm ends it if nobody is there any more to do so: after a signal, or where another target was enough
_CHILD = """
import json, re, signal, sys
signal.alarm(int(sys.argv[1]))
print(bool(re.search(*json.load(sys.stdin))))
"""


def _search_apart(pattern: str, text: str, seconds: float) -> bool:
    import json  # noqa: PLC0415 - 10 ms that few searches need
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    try:
        ended = subprocess.run(
            [sys.executable, "-ISc", _CHILD, str(math.ceil(seconds) + 1)],
            input=json.dumps([pattern, text]).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=max(0.001, seconds),
            check=False,
            start_new_session=True,  # Ctrl-C on a terminal is for us
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    if ended.returncode:  # killed, as for want of memory: it is not known
        raise TimeoutError
    return ended.stdout.strip() == b"True"


Regex = Annotated[Pattern, Parser("REGEX", parse_pattern)]
