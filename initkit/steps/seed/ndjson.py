"""NDJSON: one JSON object a line, UTF-8. A key that is missing leaves its column out; null is NULL.

Numbers keep the digits that they are written with: 1.10 and 12345678901234567890 come into the database as they stand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from initkit.steps.seed.lines import numbered_lines
from initkit.steps.seed.rows import Row, Rows, bad_row, refuse_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.tables import Column, Table


class Number(str):
    """A number's own digits."""

    __slots__ = ()


def open_rows(dataset: Dataset, table: Table, context: Context) -> Rows:
    """The rows of an NDJSON file; an empty file has none."""
    return Rows(table.writable, _rows(dataset, table, context))


def _rows(dataset: Dataset, table: Table, context: Context) -> Iterator[Row]:
    columns = [table.columns[name] for name in table.writable]
    seen: dict[tuple[str, ...], frozenset[str]] = {}
    for number, line in numbered_lines(dataset, context):
        if not line or line.isspace():
            continue
        found = _object(dataset, number, line)
        names = tuple(found)
        if names not in seen:
            refuse_columns(dataset, table, names, number)
            seen[names] = frozenset(names)
        yield Row(number, seen[names], [as_text(found.get(column.name), column) for column in columns])


def _object(dataset: Dataset, number: int, line: str) -> dict[str, Any]:
    try:
        found = _DECODER.decode(line)
        if "\\ud" in line or "\\uD" in line:
            as_json(found).encode()
    except json.JSONDecodeError as error:
        advice = "write one object a line, not an array" if line.lstrip()[:1] == "[" else ""
        reason = f"it is not JSON: {error.msg} at character {error.colno}"
        raise bad_row(dataset, number, reason, advice=advice) from error
    except UnicodeEncodeError as error:
        raise bad_row(dataset, number, "half of a surrogate pair stands alone in a text") from error
    except (ValueError, RecursionError) as error:
        raise bad_row(dataset, number, str(error)) from error
    if not isinstance(found, dict) or not found:
        kinds = {dict: "an empty one", list: "an array", type(None): "null"}
        got = kinds.get(type(found), "a single value")
        raise bad_row(dataset, number, f"expected an object, got {got}", advice="write one object a line")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=Number, parse_float=Number, parse_constant=_constant)


def as_text(value: Any, column: Column) -> str | None:  # noqa: ANN401 - whatever JSON holds
    """A JSON value as the text that a column takes."""
    if value is None:
        return None
    if column.shape == "json":
        return as_json(value)
    if isinstance(value, str):
        return value
    if column.shape == "array" and isinstance(value, list):
        return as_array(value)
    return as_json(value)


def as_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """A value as JSON, its numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def as_array(value: list[Any]) -> str:
    """A list as PostgreSQL writes arrays: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-INPUT."""
    return "{" + ",".join(map(_element, value)) + "}"


def _element(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return as_array(value)
    text = value if isinstance(value, str) else as_json(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
