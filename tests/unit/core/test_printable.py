"""The words of others in messages: one line, nothing that acts on a terminal, an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from initkit.core.printable import LONGEST, printable
from initkit.core.redact import KNOWN, redact

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def secret() -> Iterator[str]:
    KNOWN.learn("correct-horse-battery")
    yield "correct-horse-battery"
    KNOWN.forget()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (b"plain", "plain"),
        ("größer »app«", "größer »app«"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        ("red\x1b[31m, bell\x07, back\rhome\n", "red [31m, bell , back home"),
        ("C1\x9b2J, right to left\u202e, separator\u2028.", "C1 2J, right to left , separator ."),
        ("\0", ""),
    ],
)
def test_what_acts_on_a_terminal_becomes_a_blank(words: bytes | str, shown: str) -> None:
    assert printable(words) == shown


def test_what_is_long_ends_with_an_ellipsis() -> None:
    assert printable("x" * LONGEST) == "x" * LONGEST
    assert printable("x" * (LONGEST + 1)) == "x" * LONGEST + "…"
    assert printable("abcd", 3) == "abc…"


def test_a_secret_is_not_cut_in_two(secret: str) -> None:
    shown = printable(f"{'x' * (LONGEST - 10)} {secret}")
    assert secret[:5] not in redact(shown)


@given(some.text() | some.binary(), some.integers(min_value=1, max_value=300))
def test_anything_fits_into_a_line(words: bytes | str, longest: int) -> None:
    shown = printable(words, longest)
    assert len(shown) <= longest + 1
    assert shown.isprintable()
