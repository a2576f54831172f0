"""Patterns for paths below a root; what a rule does with what it matches is the concern of `rules`.

A path is matched whole, from the root down: ``*.sh`` is a file in the root itself, ``**/*.sh`` one anywhere.

``*``      any characters of one name, also a leading dot; never a ``/``
``?``      one character of a name
``[abc]``  one of these characters; ``[a-z]`` a range, ``[!a]`` any other
``**``     as a whole part of the path: any number of folders, also none; so ``**`` is the root and everything below it,
           ``bin/**`` is ``bin`` and everything below it, ``bin/**/*`` only what is below it
"""

from __future__ import annotations

import re
from typing import Annotated

from initkit.core.options import Parser

# what `re` reads as more than itself inside brackets, or warns that it may one day
_SPECIAL = re.compile(r"[\\^\[\]&~|]|-(?=-)")
_PIECE = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def parse_glob(text: str) -> str:
    """A pattern as a person writes it, checked.

    Raises:
        ValueError: it is empty, absolute, has parts that no path has, or is otherwise no pattern.
    """
    parts = text.split("/")
    if not text or text.startswith("/") or not all(parts) or {".", ".."} & set(parts):
        raise ValueError(f"expected a pattern below the root such as ** or bin/*.sh, got {text!r}")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(f"expected ** to be a whole part of the path, as in bin/**/*.sh, got {text!r}")
    try:
        compiled(text)
    except re.error as error:
        raise ValueError(f"expected a pattern, got {text!r} ({error})") from error
    return text


def compiled(glob: str) -> re.Pattern[str]:
    """A regular expression for the whole of a relative path with a ``/`` after each name; the root is ``""``."""
    parts = glob.split("/")
    distinct = [part for i, part in enumerate(parts) if part != "**" or parts[i - 1 : i] != ["**"]]
    return re.compile("".join("(?:[^/]+/)*" if part == "**" else _name(part) + "/" for part in distinct), re.DOTALL)


def _name(part: str) -> str:
    return "".join(_piece(match[0]) for match in _PIECE.finditer(part))


def _piece(piece: str) -> str:
    if piece in {"*", "?"}:
        return "[^/]*" if piece == "*" else "[^/]"
    if len(piece) == 1:
        return re.escape(piece)
    negated = piece.startswith("[!")
    inside = _SPECIAL.sub(r"\\\g<0>", piece[2 if negated else 1 : -1])
    return f"(?!/)[{'^' if negated else ''}{inside}]"


Glob = Annotated[str, Parser("GLOB", parse_glob)]
