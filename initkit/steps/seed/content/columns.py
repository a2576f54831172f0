"""Whole blocks of CSV to rows at once: `records` says what is right, and this is quick where nothing is unusual."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.content.records import Dialect

_MARK = "\0"  # stands for what is quoted: no text holds one


class Rows(NamedTuple):
    """Rows, and the line on which each begins."""

    rows: Sequence[Sequence[str | None]]
    lines: Sequence[int]


def rows_of(text: str, first: int, dialect: Dialect, width: int, chosen: Sequence[int]) -> Rows | None:
    """The rows of a text of whole records; None where it has to be looked at field by field.

    Args:
        text: without NUL characters; it ends with a newline.
        first: the number of its first line.
        dialect: how fields are told apart.
        width: how many fields each row must have.
        chosen: which of them are wanted.
    """
    quoted: list[str] = []
    skeleton = text
    if dialect.quote and dialect.quote in text:
        if text.count(dialect.quote) % 2:
            return None
        skeleton, quoted = _told_apart(text, dialect.quote)
    if "\r" in skeleton:
        skeleton = skeleton.replace("\r\n", "\n")
    flat, count = _flat(skeleton, dialect.delimiter, width)
    if not count or "\r" in skeleton:
        return None
    values = _without_nulls(flat, dialect)
    places = _fill(values, quoted) if quoted else []
    if len(places) != len(quoted):
        return None
    rows = list(zip(*(values[place :: width + 1] for place in chosen), strict=False))
    if text.count("\n") == count:
        return Rows(rows, range(first, first + count))
    extra = dict.fromkeys(range(count), 1)
    for place, value in zip(places, quoted, strict=True):
        extra[place // (width + 1)] += value.count("\n")
    return Rows(rows, list(accumulate(list(extra.values())[:-1], initial=first)))


def _told_apart(text: str, quote: str) -> tuple[str, list[str]]:
    """The text with a mark for each field in quotes, and what stands in these.

    The caller has seen that the number of quotes is even.
    """
    pieces = text.split(quote)
    outside, inside = pieces[::2], pieces[1::2]
    if "" in outside[1:-1]:  # between quotes that are doubled
        edges = [place for place in range(1, len(inside)) if outside[place]]
        inside = [
            inside[begin] if end - begin == 1 else quote.join(inside[begin:end])
            for begin, end in pairwise([0, *edges, len(inside)])
        ]
        outside = [outside[0], *filter(None, outside[1:-1]), outside[-1]]
    return _MARK.join(outside), inside


def _flat(skeleton: str, delimiter: str, width: int) -> tuple[list[str], int]:
    """All fields of all rows, each row's followed by a newline, and how many rows; none where they differ in width."""
    count = skeleton.count("\n")
    flat = skeleton.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    is_even = len(flat) == count * (width + 1) + 1 and flat[width :: width + 1].count("\n") == count
    if width == 1 and ("\n\n" in skeleton or skeleton.startswith("\n")):
        is_even = False  # empty lines are no rows
    flat.pop()
    return flat, count if is_even else 0


def _without_nulls(flat: list[str], dialect: Dialect) -> list[str | None]:
    nulls = dialect.nulls
    if len(nulls) == 1 and "" in nulls:
        return [field or None for field in flat]
    return [None if field in nulls else field for field in flat] if nulls else list(flat)


def _fill(values: list[str | None], quoted: list[str]) -> list[int]:
    """Put what is quoted where its mark stands alone, and tell where that is; fewer places where it does not."""
    places: list[int] = []
    place = -1
    try:
        for value in quoted:
            place = values.index(_MARK, place + 1)
            values[place] = value
            places.append(place)
    except ValueError:
        pass
    return places
