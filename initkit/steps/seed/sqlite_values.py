"""What text becomes in SQLite, which would store ``abc`` in an INTEGER column without a word.

Which type a column has follows https://www.sqlite.org/datatype3.html#determination_of_column_affinity.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.steps.seed.rows import bad_row, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.tables import Table

_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
# the words that PostgreSQL takes for a boolean
_FLAGS = {"true": 1, "t": 1, "yes": 1, "y": 1, "on": 1, "1": 1} | {
    "false": 0,
    "f": 0,
    "no": 0,
    "n": 0,
    "off": 0,
    "0": 0,
}
_LONGEST_VALUE = 60  # characters shown
_SURELY_64_BITS = 18  # digits


def converters(dataset: Dataset, table: Table, columns: Sequence[str]) -> list[tuple[int, Converter]]:
    """For each column that takes no text as it stands: its place, and what makes its value of text and line."""
    found: list[tuple[int, Converter]] = []
    for place, name in enumerate(columns):
        type_ = table.columns[name].type.upper()
        expected = _expected(type_)
        if expected:
            found.append((place, Converter(dataset, name, *expected)))
    return found


def _expected(type_: str) -> tuple[str, Callable[[str], str | int | None]] | None:
    if "INT" in type_:
        return "a whole number of at most 64 bits", _whole
    if any(word in type_ for word in ("CHAR", "CLOB", "TEXT", "BLOB")):
        return None
    if any(word in type_ for word in ("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL")):
        return "a number", lambda text: text if _NUMBER.fullmatch(text) else None
    return ("true or false", lambda text: _FLAGS.get(text.strip().lower())) if "BOOL" in type_ else None


def _whole(text: str) -> int | None:
    if len(text) <= _SURELY_64_BITS and text.isascii() and text.isdigit():
        return int(text)  # nearly always
    if not _WHOLE.fullmatch(text):
        # JSON's true and false, for a flag that is kept in an INTEGER column
        return {"true": 1, "false": 0}.get(text)
    # the longest has 19 digits; int() refuses thousands of them
    value = int(text) if len(text.strip()) <= _LONGEST_VALUE else 1 << 64
    return value if -(1 << 63) <= value < 1 << 63 else None


class Converter:
    """Makes a column's values, or says what it had expected."""

    def __init__(self, dataset: Dataset, column: str, expected: str, parse: Callable[[str], str | int | None]) -> None:
        self._dataset = dataset
        self._column = column
        self._expected = expected
        self._parse = parse

    def __call__(self, text: str, line: int) -> str | int:
        """The value; `line` is told where there is none."""
        value = self._parse(text)
        if value is None:
            reason = f"expected {self._expected}, got {cut(text, _LONGEST_VALUE)!r}"
            raise bad_row(self._dataset, line, reason, column=self._column)
        return value
