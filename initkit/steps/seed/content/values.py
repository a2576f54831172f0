"""Values of JSON and YAML as the text that a column takes; numbers keep the digits that they are written with."""

from __future__ import annotations

import re
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.tables import Column

_NOTHING = type(None)
_WRITTEN = {True: "true", False: "false", None: None}


class Number(str):
    """A number's own digits, as JSON allows them."""

    __slots__ = ()


class Word(str):
    """A scalar of YAML that is not quoted: text as it is written, or what the core schema makes of it.

    https://yaml.org/spec/1.2.2/#1032-tag-resolution
    """

    __slots__ = ()

    @property
    def is_null(self) -> bool:
        """Whether it stands for nothing."""
        return self in _NULLS

    @property
    def typed(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """What it is in a place that has types."""
        if self in _WORDS:
            return _WORDS[self]
        if re.fullmatch(r"[-+]?[0-9]+", self):
            sign = "-" if self[0] == "-" else ""
            return Number(sign + (self.lstrip("+-").lstrip("0") or "0"))
        if re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", self):
            return int(self, 0)
        if match := re.fullmatch(r"([-+]?)(\.[0-9]+|[0-9]+(?:\.[0-9]*)?)([eE][-+]?[0-9]+)?", self):
            whole, _, part = match[2].partition(".")
            digits = (whole.lstrip("0") or "0") + (f".{part}" if part else "")
            return Number(match[1].rstrip("+") + digits + (match[3] or ""))
        return str(self)


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_WORDS = dict.fromkeys(_NULLS) | {
    form: value for word, value in (("true", True), ("false", False)) for form in (word, word.title(), word.upper())
}


def texts(values: Sequence[Any], column: Column) -> Sequence[str | None]:
    """What stands in one column of many rows, as text."""
    kinds = set(map(type, values))
    if column.shape != "json":
        if kinds <= {str, _NOTHING}:
            return values
        if kinds == {int} or kinds <= {str, Number, Word}:
            return list(map(str, values))
        if kinds <= {bool, _NOTHING}:
            return list(map(_WRITTEN.__getitem__, values))
    return [as_text(value, column) for value in values]


def as_text(value: Any, column: Column) -> str | None:  # noqa: ANN401 - whatever JSON holds
    """A value as the text that a column takes."""
    if value is None:
        return None
    if column.shape == "json":
        return as_json(value)
    if isinstance(value, str):
        return str(value)
    if column.shape == "array" and isinstance(value, list):
        return as_array(value)
    return as_json(value)


def as_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """A value as JSON, its numbers as they were written."""
    if isinstance(value, Word):
        value = value.typed
    if isinstance(value, str):
        return str(value) if isinstance(value, Number) else encode_basestring(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode_basestring(k)}: {as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    return "null" if value is None else str(value).lower()


def as_array(value: list[Any]) -> str:
    """A list as PostgreSQL writes arrays: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-INPUT."""
    return "{" + ",".join(map(_element, value)) + "}"


def _element(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if value is None or (isinstance(value, Word) and value.is_null):
        return "NULL"
    if isinstance(value, list):
        return as_array(value)
    text = value if isinstance(value, str) else as_json(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
