"""The records of CSV, field by field: what RFC 4180 allows, and where exactly something else stands.

It is read here and not by Python's csv, which cannot tell an empty field from a quoted one before 3.13, takes
``5" disk`` for a quote that opens, and does not know on which line a row begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.seed.content.faults import bad_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from initkit.core.errors import PermanentError
    from initkit.steps.seed.dataset import Dataset

Fields = list[str | None]


class Dialect(NamedTuple):
    """How fields are told apart; `quote` is empty where nothing is quoted."""

    delimiter: str
    quote: str
    nulls: Collection[str]


_LINE_ENDS = "end the lines with LF or CRLF, or quote the value"
_QUOTES = "quote the whole value, and write each quote inside it twice"


class Records:
    """The records of a text that begins where a record begins; empty lines are passed over.

    Attributes:
        line: the number of the last line that was read.
    """

    def __init__(self, dataset: Dataset, text: str, first: int, dialect: Dialect) -> None:
        self.line = first - 1
        self._dataset = dataset
        self._dialect = dialect
        self._whole = text
        self._following = 0  # where the next line begins
        self._text = ""  # of the line
        self._place = 0  # in it

    def __iter__(self) -> Iterator[tuple[int, Fields]]:
        """Each record's fields, with the line where it begins.

        Raises:
            PermanentError: a quote stands where it may not.
        """
        while self._next_line():
            if self._dialect.quote and self._dialect.quote in self._text:
                yield self.line, self._fields()
            elif content := self._text.removesuffix("\r"):
                self._refuse_return(content)
                yield self.line, [self._null(field) for field in content.split(self._dialect.delimiter)]

    def _next_line(self) -> bool:
        if self._following >= len(self._whole):
            return False
        end = self._whole.find("\n", self._following)
        end = len(self._whole) if end < 0 else end
        self._text = self._whole[self._following : end]
        self._following = end + 1
        self.line += 1
        self._place = 0
        return True

    def _skip_to(self, sign: str) -> str | None:
        """Go to the next line with a sign in it; return what stands between, or None where there is no such line."""
        found = self._whole.find(sign, self._following)
        if found < 0:
            return None
        begin = self._whole.rfind("\n", 0, found) + 1
        between = self._whole[self._following : begin]
        self.line += between.count("\n")
        self._following = begin
        self._next_line()
        return between

    def _null(self, field: str) -> str | None:
        return None if field in self._dialect.nulls else field

    def _refuse_return(self, content: str) -> None:
        if "\r" in content:
            reason = "a carriage return stands inside a line"
            raise bad_row(self._dataset, self.line, reason, advice=_LINE_ENDS)

    def _fields(self) -> Fields:
        fields: Fields = []
        while True:
            if self._text.startswith(self._dialect.quote, self._place):
                fields.append(self._quoted())
            else:
                fields.append(self._bare())
            if self._at_end():
                return fields
            self._place += 1  # past the delimiter

    def _at_end(self) -> bool:
        return self._place >= len(self._text) or self._text[self._place :] == "\r"

    def _bare(self) -> str | None:
        end = self._text.find(self._dialect.delimiter, self._place)
        value = self._text[self._place :].removesuffix("\r") if end < 0 else self._text[self._place : end]
        if self._dialect.quote in value:
            raise self._wrong("a quote stands inside a value that is not quoted", self.line)
        self._refuse_return(value)
        self._place += len(value)
        return self._null(value)

    def _quoted(self) -> str:
        opened, quote = self.line, self._dialect.quote
        parts: list[str] = []
        start = self._place + 1
        while True:
            end = self._text.find(quote, start)
            if end < 0:
                rest = self._text[start:]
                between = self._skip_to(quote)
                if between is None:
                    raise self._wrong("the quote that opens here is never closed", opened)
                parts += [rest, "\n", between]
                start = 0
                continue
            parts.append(self._text[start:end])
            if not self._text.startswith(quote, end + 1):
                break
            parts.append(quote)
            start = end + 2
        self._place = end + 1
        if not self._at_end() and self._text[self._place] != self._dialect.delimiter:
            raise self._wrong("text follows the quote that closes a value", opened)
        return "".join(parts)

    def _wrong(self, reason: str, line: int) -> PermanentError:
        return bad_row(self._dataset, line, reason, advice=_QUOTES)
