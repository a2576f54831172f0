"""CSV that COPY reads as we do: whole blocks are looked at, never single fields. What is unusual goes to `records`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.content.reading import UnplainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NEWLINE = ord("\n")


def is_plain(delimiter: str, quote: str, nulls: tuple[str, ...]) -> bool:
    """Whether COPY can be told so: https://www.postgresql.org/docs/current/sql-copy.html."""
    signs = delimiter + quote
    return (
        len(delimiter) == len(quote) == len(nulls) == 1
        and delimiter != quote
        and signs.isascii()
        and not set(signs) & set("\r\n\0\\")
        and not set(nulls[0]) & {*signs, "\r", "\n", "\0", "\\"}
    )


def plain_blocks(blocks: Iterable[bytes], delimiter: str, quote: str, width: int) -> Iterator[tuple[bytes, int]]:
    """Whole records for COPY, and how many; without the empty lines at the end.

    Args:
        blocks: each begins where a record begins.
        delimiter: of one byte.
        quote: of one byte.
        width: how many fields a row has.

    Raises:
        UnplainError: COPY would perhaps read something otherwise.
    """
    check = _Check(delimiter.encode(), quote.encode(), width)
    before = b""
    for block in blocks:
        if before:
            yield check.checked(before)
        before = block
    if before := _without_empty_end(before):
        yield check.checked(before if before.endswith(b"\n") else before + b"\n")


class _Check:
    def __init__(self, delimiter: bytes, quote: bytes, width: int) -> None:
        self._edges = {delimiter[0], _NEWLINE}
        self._quote = quote
        self._width = width

    def checked(self, block: bytes) -> tuple[bytes, int]:
        if not block.isascii():
            _decode(block)
        # servers before 18 end there, also inside quotes
        if b"\0" in block or (b"\\" in block and b"\n\\." in b"\n" + block):
            raise UnplainError
        if self._quote in block:
            return self._with_quotes(block)
        block = _line_ends(block)
        if self._width == 1:
            _refuse_empty_lines(b"\n" + block)
        return block, block.count(b"\n")

    def _with_quotes(self, block: bytes) -> tuple[bytes, int]:
        pieces = block.split(self._quote)
        if len(pieces) % 2 == 0:
            raise UnplainError
        if b"\r" in block:
            pieces[::2] = map(_line_ends, pieces[::2])
            block = self._quote.join(pieces)
        outside = pieces[::2]
        outside[0] = b"\n" + outside[0]
        # what is empty stands between doubled quotes
        found = list(filter(None, outside))
        if not {piece[0] for piece in found} <= self._edges or not {piece[-1] for piece in found} <= self._edges:
            raise UnplainError
        if self._width == 1:
            _refuse_empty_lines(self._quote.join(found))
        return block, b"".join(found).count(b"\n") - 1


def _decode(block: bytes) -> None:
    try:
        block.decode()
    except UnicodeDecodeError:
        raise UnplainError from None


def _without_empty_end(block: bytes) -> bytes:
    end = len(block)
    while block.endswith((b"\n\n", b"\n\r\n"), 0, end):
        end -= 1 if block.endswith(b"\n\n", 0, end) else 2
    return b"" if block[:end] in {b"\n", b"\r\n"} else block[:end]


def _line_ends(piece: bytes) -> bytes:
    if b"\r" not in piece:
        return piece
    piece = piece.replace(b"\r\n", b"\n")
    if b"\r" in piece:
        raise UnplainError
    return piece


def _refuse_empty_lines(skeleton: bytes) -> None:
    """Where there is one column, COPY takes an empty line for a row."""
    if b"\n\n" in skeleton:
        raise UnplainError
