"""The table: a row for each figure, with its aim and what each program reached."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from programs import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
_LABEL, _COLUMN = 48, 16


class Row(NamedTuple):
    """One figure of all programs; smaller is better.

    Attributes:
        what: the figure and its unit.
        figures: by the program's name.
        aim: what ours is to keep to; None where nothing was promised.
        digits: after the point.
    """

    what: str
    figures: Mapping[str, float]
    aim: float | None = None
    digits: int = 0


def median_and_longest(
    what: str, seconds: Mapping[str, Sequence[float]], aims: tuple[float, float | None]
) -> list[Row]:
    """Two rows, in milliseconds."""
    return [
        Row(f"{what}: median, ms", medians(seconds, float, 1000), aims[0]),
        Row("    longest, ms", {name: max(some) * 1000 for name, some in seconds.items() if some}, aims[1]),
    ]


def medians(runs: Mapping[str, Sequence[T]], figure: Callable[[T], float], factor: float = 1.0) -> dict[str, float]:
    """The median of a figure of each program's runs, times a factor; nothing where there were none."""
    return {name: statistics.median(map(figure, some)) * factor for name, some in runs.items() if some}


def show(title: str, rows: Sequence[Row]) -> None:
    """Print a part of the table; peers also as multiples of ours."""
    names = dict.fromkeys(name for row in rows for name in row.figures)
    print(f"\n{title}\n{'':{_LABEL}}{'aim':>6}" + "".join(f"{name:>{_COLUMN}}" for name in names))
    for row in rows:
        aim = "" if row.aim is None else f"{row.aim:.{row.digits}f}"
        print(f"{row.what:{_LABEL}}{aim:>6}" + "".join(f"{_cell(row, name):>{_COLUMN}}" for name in names), flush=True)


def _cell(row: Row, name: str) -> str:
    figure, ours = row.figures.get(name), row.figures.get(OURS)
    if figure is None:
        return "-"
    text = f"{figure:.{row.digits}f}"
    if name == OURS:
        return f"{text} {'' if row.aim is None else 'ok' if figure <= row.aim else 'MISSED'}".strip()
    return f"{text} ({figure / ours:.1f}x)" if ours else text
