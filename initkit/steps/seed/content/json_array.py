"""A JSON array of objects, read object by object: memory does not grow with the file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from initkit.steps.seed.content import lines
from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.content.json_values import (
    QUICK,
    STRICT,
    NotJsonError,
    is_suspect,
    keys_within,
    may_repeat,
    refuse_halves,
    refuse_others,
    said,
)
from initkit.steps.seed.content.objects import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from initkit.steps.seed.content.objects import Objects
    from initkit.steps.seed.content.reading import Batch
    from initkit.steps.seed.dataset import Dataset

_BLANK = re.compile(r"[ \t\r\n]*")
# how far before the end of what is known so far an error may be told that is none: -Infinity, a pair of \u escapes
_MARGIN = 16
_ADVICE = "write an array of objects: [{…}, {…}]"


class JsonArray:
    """One pass over a file that is one JSON array."""

    def __init__(self, objects: Objects, blocks: Iterable[bytes]) -> None:
        self.columns = objects.columns
        self._objects = objects
        self._window = _Window(objects.dataset, lines.texts(objects.dataset, blocks))

    def plain(self) -> None:
        """It is never CSV."""

    def batches(self) -> Iterator[Batch]:
        """The rows.

        Raises:
            PermanentError: one is malformed, or the whole is no array of objects.
        """
        yield from self._objects.gathered(self._window.objects())


class _Window:
    """The part of the text that is looked at."""

    def __init__(self, dataset: Dataset, texts: Iterator[str]) -> None:
        self._line = 1
        self._dataset = dataset
        self._texts = texts
        self._text = ""
        self._at = 0
        self._seen = 0  # up to where `line` counts
        self._is_first = True

    def objects(self) -> Iterator[Found]:
        """All objects of the array."""
        self._open()
        while found := self._following():
            yield found

    def _open(self) -> None:
        sign = self._sign()
        if sign != "[":
            kinds = {"": "nothing", "{": "an object", '"': "a text"}
            self._refuse(f"expected an array of objects, got {kinds.get(sign, 'a single value')}", advice=_ADVICE)
        self._at += 1

    def _following(self) -> Found | None:
        sign = self._sign()
        if sign == "]":
            self._close()
            return None
        if not self._is_first:
            if sign != ",":
                reason = "the array is not closed" if not sign else "expected a comma or ] after an object"
                self._refuse(f"it is not JSON: {reason}")
            self._at += 1
            sign = self._sign()
        if not sign:
            self._refuse("it is not JSON: the array is not closed")
        self._is_first = False
        return self._object()

    def _close(self) -> None:
        self._at += 1
        if self._sign():
            self._refuse("something follows the array", advice="write one array, and nothing behind it")

    def _sign(self) -> str:
        """The next character that is not blank; nothing at the end."""
        while True:
            self._at = _end_of_blank(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Take more text in, twice as much as there is: a value that is longer than that is looked at seldom."""
        self._count(self._at)
        pieces = [self._text[self._at :]]
        wanted = len(pieces[0])
        found = 0
        for text in self._texts:
            pieces.append(text)
            found += len(text)
            if text and found >= wanted:
                break
        self._text, self._at, self._seen = "".join(pieces), 0, 0
        if wanted > lines.LONGEST:
            self._refuse(f"a value is longer than {lines.LONGEST >> 20} MiB")
        return found > 0

    def _count(self, at: int) -> None:
        self._line += self._text.count("\n", self._seen, at)
        self._seen = at

    def _object(self) -> Found:
        found, end = self._value()
        self._count(self._at)
        text = self._text[self._at : end]
        try:
            refuse_others(found, _ADVICE)
            if may_repeat(text, keys_within(found)):
                found = STRICT.decode(text)
            if is_suspect(text):
                refuse_halves(found)
        except NotJsonError as error:
            self._refuse(error.reason, advice=error.advice)
        self._at = end
        return Found(found, self._line, len(text), "\\u0000" in text)

    def _value(self) -> tuple[Any, int]:
        """The value that begins here, and where it ends."""
        decoder = QUICK
        while True:
            try:
                return decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_short = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _MARGIN
                if not is_short or not self._more():
                    self._count(error.pos)
                    self._refuse(f"it is not JSON: {said(error)}")
            except NotJsonError as error:
                self._refuse(error.reason)
            except RecursionError:
                self._refuse("it has values within values without end")
            except ValueError:  # a number of thousands of digits
                decoder = STRICT

    def _refuse(self, reason: str, *, advice: str = "") -> NoReturn:
        self._count(max(self._at, self._seen))
        raise bad_row(self._dataset, self._line, reason, advice=advice)


def _end_of_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at
