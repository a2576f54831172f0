"""What text becomes in SQLite, which would store ``abc`` in an INTEGER column without a word.

A whole column of a batch is looked at in one go, and left as it is where SQLite gives it its type by itself
(https://www.sqlite.org/datatype3.html#determination_of_column_affinity); value by value only where that is not so.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from initkit.steps.seed.content.faults import bad_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.steps.seed.content.reading import Batch
    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.tables import Table

Value = str | int | bytes | None

_LONGEST_NUMBER = 60  # characters: int() refuses thousands of digits
# no quantifier gives back what it took: a value that does not fit is found in linear time
_WHOLES = re.compile(r"(?:-?\d{1,18}+,)*+", re.ASCII)
_NUMBERS = re.compile(r"(?:-?\d{1,15}+(?:\.\d{1,15}+)?,)*+", re.ASCII)
_MOMENTS = re.compile(r"(?:\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d[^,]*)?,)*+", re.ASCII)
_TIMES = re.compile(r"(?:\d\d:\d\d[^,]*,)*+", re.ASCII)

_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_MOMENT = re.compile(r"\s*(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d.*?))?\s*", re.ASCII)
_TIME = re.compile(r"(\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_YES, _NO = "true", "false"
# the words that PostgreSQL takes for a boolean
_FLAGS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), _YES),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), _NO),
}


class Kind(NamedTuple):
    """What a column may hold.

    Attributes:
        expected: as messages say it.
        value: what one text becomes; None where it is no good.
        fits: whether all texts of a column can go into the database as they are; a None in it may be a TypeError.
        mark: what stands for it in a statement.
    """

    expected: str
    value: Callable[[str], Value]
    fits: Callable[[Sequence[str]], bool]
    mark: str = "?"


def kinds(table: Table, columns: Sequence[str]) -> list[tuple[int, Kind]]:
    """For each column that does not take every text: its place, and what it takes."""
    found = ((place, _kind(table.columns[name].type.upper())) for place, name in enumerate(columns))
    return [(place, kind) for place, kind in found if kind]


def _kind(type_: str) -> Kind | None:
    return next((kind for pattern, kind in _KINDS if re.search(pattern, type_)), None)


def marks(width: int, wanted: Sequence[tuple[int, Kind]]) -> list[str]:
    """What stands for each value of a row that `checked` gives, in a statement."""
    kinds = dict(wanted)
    return [kinds[place].mark if place in kinds else "?" for place in range(width)]


def checked(
    dataset: Dataset, columns: Sequence[str], batch: Batch, wanted: Sequence[tuple[int, Kind]]
) -> Sequence[Sequence[Value]]:
    """The rows of a batch as the database takes them.

    Raises:
        PermanentError: a value is no good; it says which.
    """
    rows: Sequence[Sequence[Value]] = batch.rows
    for place, kind in wanted:
        column = list(map(itemgetter(place), batch.rows))
        if not _fits(kind, column):
            values = list(zip(*rows, strict=True))
            values[place] = _converted(dataset, columns[place], column, batch.lines, kind)
            rows = list(zip(*values, strict=True))
    return rows


def _fits(kind: Kind, column: list[str | None]) -> bool:
    try:
        return kind.fits(column)  # type: ignore[arg-type] # nearly always there is no None
    except TypeError:  # looking for one in every column would cost as much again
        return kind.fits([text for text in column if text is not None])


def _converted(
    dataset: Dataset, name: str, column: Sequence[str | None], lines: Sequence[int], kind: Kind
) -> tuple[Value, ...]:
    found: list[Value] = []
    for place, text in enumerate(column):
        value = None if text is None else kind.value(text)
        if value is None and text is not None:
            raise bad_row(dataset, lines[place], f"expected {kind.expected}", column=name, value=text)
        found.append(value)
    return tuple(found)


def _joined(column: Sequence[str], pattern: re.Pattern[str]) -> bool:
    text = ",".join(column) + ","
    # a comma within a value would make two of it
    return not column or (pattern.fullmatch(text) is not None and text.count(",") == len(column))


def _whole(text: str) -> int | None:
    if not _WHOLE.fullmatch(text):
        # JSON's true and false, for a flag that is kept in an INTEGER column
        return {"true": 1, "false": 0}.get(text)
    value = int(text) if len(text) <= _LONGEST_NUMBER else 1 << 64
    return value if -(1 << 63) <= value < 1 << 63 else None


def _number(text: str) -> str | None:
    return text if _NUMBER.fullmatch(text) and math.isfinite(float(text)) else None


def _flag(text: str) -> str | None:
    return _FLAGS.get(text.strip().lower())


def _flags(column: Sequence[str]) -> bool:
    return set(column) <= {_YES, _NO, None}


def _moment(text: str) -> str | None:
    match = _MOMENT.fullmatch(text)
    if not match:
        return _number(text)  # seconds since 1970, or a Julian day
    date, time = match.groups()
    try:
        dt.date.fromisoformat(date)
    except ValueError:
        return None
    return text if not time or _time(time) else None


def _time(text: str) -> str | None:
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    try:
        dt.time.fromisoformat(match[1])
    except ValueError:
        return None
    return text


def _moments(column: Sequence[str]) -> bool:
    return _joined(column, _MOMENTS) and _are_good(dt.datetime.fromisoformat, column)


def _times(column: Sequence[str]) -> bool:
    return _joined(column, _TIMES) and _are_good(dt.time.fromisoformat, column)


def _are_good(read: Callable[[str], object], column: Sequence[str]) -> bool:
    try:
        for _ in map(read, column):
            pass
    except ValueError:
        return False
    return True


def _bytes(text: str) -> bytes | None:
    """As PostgreSQL reads them: https://www.postgresql.org/docs/current/datatype-binary.html."""
    if not text.startswith("\\x"):
        return text.encode()
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        return None


def _constant(word: str) -> NoReturn:
    raise ValueError(word)


# numbers are not made: Python refuses one of thousands of digits
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_constant)


def _document(text: str) -> str | None:
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return text


def _word(text: str) -> str | None:
    """Text in a column that SQLite takes for a numeric one, where 0049 would become 49."""
    is_kept = not _NUMBER.fullmatch(text) or text in {f"{float(text):.15g}", str(_whole(text))}
    return text if is_kept else None


def _never(_column: Sequence[str]) -> bool:
    return False


_MOMENT_KIND = Kind("a date as 2026-01-31 or a time as 2026-01-31 12:00:00", _moment, _moments)
# the first that is found; INTERVAL and POINT are whole numbers to SQLite alone
_KINDS = (
    ("BLOB", Kind("bytes: text, or \\x and hexadecimal digits", _bytes, _never)),
    ("CHAR|CLOB|TEXT", None),
    ("REAL|FLOA|DOUB|NUMERIC|DECIMAL", Kind("a number", _number, lambda column: _joined(column, _NUMBERS))),
    (
        "(?<![A-Z])(?:TINY|SMALL|MEDIUM|BIG)?INT(?:EGER|[1-8])?(?![A-Z])",
        Kind("a whole number of at most 64 bits", _whole, lambda column: _joined(column, _WHOLES)),
    ),
    ("BOOL", Kind("true or false", _flag, _flags, f"? = '{_YES}'")),
    ("^DATE|^TIMESTAMP", _MOMENT_KIND),
    ("^TIME", Kind("a time as 12:00:00", _time, _times)),
    (
        "STRING|[UG]UID|ENUM",
        Kind(
            "no number that SQLite would rewrite (declare the column TEXT)",
            _word,
            lambda column: not any(map(_NUMBER.fullmatch, column)),
        ),
    ),
    ("^JSON", Kind("JSON", _document, lambda column: all(map(_document, column)))),
)
