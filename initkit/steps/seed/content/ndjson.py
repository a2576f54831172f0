"""NDJSON: one JSON object a line, UTF-8. A key that is missing leaves its column out; null is NULL.

Numbers keep the digits that they are written with: 1.10 and 12345678901234567890 come into the database as they stand.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.content.json_values import (
    QUICK,
    STRICT,
    NotJsonError,
    has_backslash,
    is_suspect,
    keys_within,
    may_repeat,
    refuse_halves,
    refuse_others,
    said,
)
from initkit.steps.seed.content.lines import decoded, whole_lines, without_mark
from initkit.steps.seed.content.objects import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from initkit.steps.seed.content.objects import Object, Objects
    from initkit.steps.seed.content.reading import Batch

_ONE_A_LINE = "write one object a line"


class Ndjson:
    """One pass over an NDJSON file; an empty one has no rows."""

    def __init__(self, objects: Objects, blocks: Iterable[bytes]) -> None:
        self.columns = objects.columns
        self._objects = objects
        self._blocks = whole_lines(objects.dataset, without_mark(blocks))

    def plain(self) -> None:
        """It is never CSV."""

    def batches(self) -> Iterator[Batch]:
        """The rows.

        Raises:
            PermanentError: one is malformed.
        """
        first = 1
        for block in self._blocks:
            text = decoded(self._objects.dataset, block, first).removesuffix("\n")
            count = text.count("\n") + 1
            found = self._quickly(text, count)
            numbers: Sequence[int] = range(first, first + count)
            if found is None:
                found, numbers = self._one_by_one(text, numbers)
            has_nul = has_backslash(text) and "\\u0000" in text
            for start in range(0, len(found), MOST_ROWS):
                part = slice(start, start + MOST_ROWS)
                yield from self._objects.batches(found[part], numbers[part], has_nul=has_nul)
            first += count

    def _quickly(self, text: str, count: int) -> list[Object] | None:
        """The objects of all lines at once; None where one has to be looked at by itself."""
        # no line knows the token: where one holds several values, or goes on in the next, it stands elsewhere
        token = secrets.token_hex(8)
        separated = text.replace("\n", f',"{token}",')
        try:
            values = QUICK.decode(f'[{separated},"{token}"]')
        except (ValueError, RecursionError):
            return None
        found: list[Object] = values[::2]
        tokens = values[1::2]
        if len(found) != count or tokens.count(token) != count:
            return None
        if set(map(type, found)) != {dict} or not all(found) or is_suspect(text):
            return None
        is_flat = text.count("{") == count
        keys = sum(map(len, found)) if is_flat else sum(map(keys_within, found))
        return None if may_repeat(text, keys, "\t\r") else found

    def _one_by_one(self, text: str, numbers: Sequence[int]) -> tuple[list[Object], list[int]]:
        pairs = [(line, number) for line, number in zip(text.split("\n"), numbers, strict=True) if line.strip()]
        return [self._exactly(line, number) for line, number in pairs], [number for _, number in pairs]

    def _exactly(self, line: str, number: int) -> Object:
        dataset = self._objects.dataset
        try:
            found: Object = STRICT.decode(line)
            refuse_others(found, _ONE_A_LINE)
            if is_suspect(line):
                refuse_halves(found)
        except json.JSONDecodeError as error:
            advice = f"{_ONE_A_LINE}, not an array" if line.lstrip()[:1] == "[" else ""
            reason = f"it is not JSON: {said(error)} at character {error.colno}"
            raise bad_row(dataset, number, reason, advice=advice) from error
        except NotJsonError as error:
            raise bad_row(dataset, number, error.reason, advice=error.advice) from error
        except RecursionError as error:
            raise bad_row(dataset, number, "it has values within values without end") from error
        return found
