"""JSON by the standard library's scanner, without what it lets pass: keys that stand twice, halves of characters."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from initkit.steps.seed.content.values import Number, as_json

_LONGEST_INTEGER = 4000  # digits: Python converts no more than 4,300


class NotJsonError(ValueError):
    """Something that is no JSON, or none that we take; `advice` may be empty."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise NotJsonError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return found


def _constant(word: str) -> NoReturn:
    raise NotJsonError(f"{word} is not JSON")


def _integer(digits: str) -> int | Number:
    return int(digits) if len(digits) < _LONGEST_INTEGER else Number(digits)


QUICK = json.JSONDecoder(parse_float=Number, parse_constant=_constant)
STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=Number, parse_constant=_constant)


def said(error: json.JSONDecodeError) -> str:
    """What is wrong in the text, without the words that lead over to its place."""
    return error.msg.removesuffix(" at").removesuffix(" starting")


def is_suspect(text: str) -> bool:
    """Whether there may be half of a character in it."""
    return has_backslash(text) and ("\\ud" in text or "\\uD" in text)


def has_backslash(text: str) -> bool:
    """Whether anything may be escaped in it: one character is looked for much more quickly than several."""
    return "\\" in text


def may_repeat(text: str, keys: int, blanks: str = "\t\r\n") -> bool:
    """Whether more keys may stand in a text than the objects that were made of it have.

    Args:
        text: JSON.
        keys: how many the objects have.
        blanks: which may stand before a colon, besides a space.
    """
    return text.count('":') != keys or " :" in text or any(sign in text and f"{sign}:" in text for sign in blanks)


def keys_within(value: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    """How many keys a value has, with those of all values in it."""
    if isinstance(value, dict):
        return len(value) + sum(map(keys_within, value.values()))
    return sum(map(keys_within, value)) if isinstance(value, list) else 0


def refuse_halves(value: Any) -> None:  # noqa: ANN401 - whatever JSON holds
    """Refuse half of a surrogate pair, which no database takes.

    Raises:
        NotJsonError: there is one.
    """
    try:
        as_json(value).encode()
    except UnicodeEncodeError as error:
        raise NotJsonError("half of a surrogate pair stands alone in a text") from error


def refuse_others(found: Any, where: str) -> None:  # noqa: ANN401 - whatever JSON holds
    """Refuse what is no object with something in it.

    Raises:
        NotJsonError: saying what it is.
    """
    if not isinstance(found, dict) or not found:
        kinds = {dict: "an empty one", list: "an array", type(None): "null"}
        raise NotJsonError(f"expected an object, got {kinds.get(type(found), 'a single value')}", where)
