"""Cuts the command line into pieces before click sees any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

THEN = "--then"
END = "--"


def split(words: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """The parts between ``--then``, and the COMMAND behind the first ``--``.

    Raises:
        UsageError: a part, or the COMMAND, is empty.
    """
    own, command = list(words), []
    if END in own:
        at = own.index(END)
        own, command = own[:at], own[at + 1 :]
        if not command:
            raise UsageError(
                "read the command line", "nothing stands behind --", "write -- COMMAND ARG…, or leave it out"
            )
    parts: list[list[str]] = [[]]
    for word in own:
        if word == THEN:
            parts.append([])
        else:
            parts[-1].append(word)
    if len(parts) > 1 and not all(parts):
        raise UsageError("read the command line", f"nothing stands before or behind a {THEN}", f"write A {THEN} B")
    return parts, command
