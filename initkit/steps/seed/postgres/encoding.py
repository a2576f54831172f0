"""Rows as COPY's text format has them: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2.

A column of a batch is escaped in one go: a call for each value would cost more than the server's own work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.content.reading import ByColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPECIAL = ("\\", "\t", "\n", "\r")
_WRITTEN = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_NULL = "\\N"
_FEW = 8  # rows, for which turning them into columns costs more than it saves


def encode(rows: Sequence[Sequence[str | None]], places: Sequence[int] | None = None, last: str = "") -> bytes:
    """The rows as lines.

    Args:
        rows: all of one length.
        places: which of their values, in this order; None for all.
        last: a value, written as it is, that each row ends with besides.

    Raises:
        UnicodeEncodeError: a value holds half of a surrogate pair, which is no character.
    """
    if not rows:
        return b""
    end = f"\t{last}\n" if last else "\n"
    if len(rows) < _FEW:
        lines = ["\t".join(map(_single, row if places is None else [row[place] for place in places])) for row in rows]
        return (end.join(lines) + end).encode()
    columns = rows.columns if isinstance(rows, ByColumn) else list(zip(*rows, strict=True))
    chosen = columns if places is None else [columns[place] for place in places]
    return (end.join(map("\t".join, zip(*map(_escaped, chosen), strict=True))) + end).encode()


def _escaped(column: Sequence[str | None]) -> Sequence[str]:
    if None in column:
        found = iter(_texts([value for value in column if value is not None]))
        return [_NULL if value is None else next(found) for value in column]
    return _texts(column)  # type: ignore[arg-type]


def _texts(column: Sequence[str]) -> Sequence[str]:
    joined = "\0".join(column)
    if not any(special in joined for special in _SPECIAL):
        return column
    if joined.count("\0") != len(column) - 1:  # the server refuses it, and names the line
        return [_single(value) for value in column]
    for special, written in _WRITTEN.items():
        joined = joined.replace(special, written)
    return joined.split("\0")


def _single(value: str | None) -> str:
    if value is None:
        return _NULL
    for special, written in _WRITTEN.items():
        if special in value:
            value = value.replace(special, written)
    return value
