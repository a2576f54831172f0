"""Patterns for paths below a root, name by name; what becomes of what they match is the concern of `places`.

A path is matched whole, from the root down: ``*.sh`` is a file in the root itself, ``**/*.sh`` one anywhere.

``*``      any characters of one name, also a leading dot; never a ``/``
``?``      one character of a name
``[abc]``  one of these characters; ``[a-z]`` a range, ``[!a]`` any other
``**``     as a whole part of the path: any number of folders, also none; so ``**`` is the root and everything below it,
           ``bin/**`` is ``bin`` and everything below it, ``bin/**/*`` only what is below it
"""

from __future__ import annotations

import re

ANY_FOLDERS = "**"
# what `re` reads as more than itself inside brackets, or warns that it may one day
_SPECIAL = re.compile(r"[\\^\[\]&~|]|-(?=-)")
_PIECE = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def parse_glob(text: str) -> str:
    """A pattern as a person writes it, checked.

    Raises:
        ValueError: it is empty, absolute, has parts that no path has, or is otherwise no pattern.
    """
    given = text.split("/")
    if not text or text.startswith("/") or not all(given) or {".", ".."} & set(given) or "\0" in text:
        raise ValueError(f"expected a pattern below the root such as ** or bin/*.sh, got {text!r}")
    if any("**" in part and part != ANY_FOLDERS for part in given):
        raise ValueError(f"expected ** to be a whole part of the path, as in bin/**/*.sh, got {text!r}")
    try:
        for part in given:
            name_pattern(part)
    except re.error as error:
        raise ValueError(f"expected a pattern, got {text!r} ({error})") from error
    return text


def parts(glob: str) -> list[str]:
    """The parts of a pattern, each for one name, but ``**`` for any number of them; of several ``**`` in a row one."""
    given = glob.split("/")
    return [part for i, part in enumerate(given) if part != ANY_FOLDERS or given[i - 1 : i] != [ANY_FOLDERS]]


def is_literal(part: str) -> bool:
    """Whether a part matches only the name that it is itself."""
    return all(len(piece) == 1 and piece not in {"*", "?"} for piece in _PIECE.findall(part))


def name_pattern(part: str) -> re.Pattern[str]:
    """A regular expression for the whole of one name.

    Between two ``*`` the first place that fits is as good as any later one, and no other is tried (an atomic group):
    names, which strangers may choose, can then not make matching take longer and longer.

    Raises:
        re.error: a range is the wrong way round.
    """
    first, *more = _between_stars(part)
    if not more:
        return re.compile(first, re.DOTALL)
    *inner, last = more
    return re.compile(first + "".join(f"(?>.*?{text})" for text in inner if text) + ".*" + last, re.DOTALL)


def _between_stars(part: str) -> list[str]:
    """What stands before, between and after the ``*`` of a part, each as a regular expression."""
    texts = [""]
    for piece in _PIECE.findall(part):
        if piece == "*":
            texts.append("")
        else:
            texts[-1] += _piece(piece)
    return texts


def _piece(piece: str) -> str:
    if len(piece) == 1:
        return "." if piece == "?" else re.escape(piece)
    negated = piece.startswith("[!")
    inside = _SPECIAL.sub(r"\\\g<0>", piece[2 if negated else 1 : -1])
    return f"[{'^' if negated else ''}{inside}]"
