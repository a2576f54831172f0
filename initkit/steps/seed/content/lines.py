"""Bytes to text, cut where lines or records end: memory does not grow with the file. Formats are built on it."""

from __future__ import annotations

import codecs
from itertools import chain
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import bad_row, task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from initkit.steps.seed.dataset import Dataset

LONGEST = 64 << 20  # bytes in one line or record: more means that a line's end or a quote is missing
_NOT_ASCII = bytes(range(0x80, 0x100))
GZIP = b"\x1f\x8b"


def without_mark(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same without a byte order mark at the beginning."""
    blocks = iter(blocks)
    start = b""
    for block in blocks:
        start += block
        if len(start) > len(codecs.BOM_UTF8):
            break
    if start := start.removeprefix(codecs.BOM_UTF8):
        yield start
    yield from blocks


def whole_lines(dataset: Dataset, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks that end where a line ends; UTF-8 never has a newline's byte inside a character.

    Raises:
        PermanentError: a line is longer than `LONGEST`.
    """
    kept: list[bytes] = []
    size = 0
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join([*kept, block[:cut]])
            kept, size = [block[cut:]], len(block) - cut
            continue
        kept.append(block)
        size += len(block)
        if size > LONGEST:
            raise _endless(dataset)
    if last := b"".join(kept):
        yield last


def _endless(dataset: Dataset) -> PermanentError:
    cause = f"a line is longer than {LONGEST >> 20} MiB"
    return PermanentError(task(dataset), cause, "end its lines with LF or CRLF")


def whole_records(dataset: Dataset, blocks: Iterable[bytes], quote: bytes) -> Iterator[bytes]:
    """Blocks that end where a line ends and no quote is open, as long as all quotes stand where they may.

    Where one does not, a block may end anywhere at a line's end behind it; where one is never closed, the last block
    holds at least `LONGEST` bytes from there on.
    """
    if not quote:
        yield from whole_lines(dataset, blocks)
        return
    kept: list[bytes] = []
    size, is_open = 0, 0
    for block in blocks:
        quotes = block.count(quote)
        cut = _even_cut(block, quote, quotes, is_open)
        if cut:
            yield b"".join([*kept, block[:cut]])
            kept, size, is_open = [block[cut:]], len(block) - cut, block.count(quote, cut) % 2
            continue
        kept.append(block)
        size += len(block)
        is_open = (is_open + quotes) % 2
        if size > LONGEST and not is_open:
            raise _endless(dataset)
        if size > LONGEST:
            # it cannot be read but with an error, for which a character that is cut in two must not be taken
            kept[-1] = block.rstrip(_NOT_ASCII)
            break
    last = b"".join(kept)
    kept.clear()  # it may be large, where a quote is never closed
    if last:
        yield last


def _even_cut(block: bytes, quote: bytes, quotes: int, is_open: int) -> int:
    """Behind the last newline that has an even number of quotes before it; 0 for none."""
    end = len(block)
    while (cut := block.rfind(b"\n", 0, end) + 1) > 0:
        quotes -= block.count(quote, cut, end)
        if (quotes + is_open) % 2 == 0:
            return cut
        end = block.rfind(quote, 0, cut)  # the parity is another one before it
        if end < 0:
            return 0
        quotes -= 1
    return 0


def decoded(dataset: Dataset, content: bytes, first: int) -> str:
    """The text of whole lines, of which the first has that number.

    Raises:
        PermanentError: it is not UTF-8, or holds NUL characters; with the line.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = first + content.count(b"\n", 0, error.start)
        reason, advice = _not_utf8(content, error.start, is_start=first == 1)
        raise bad_row(dataset, line, reason, advice=advice) from error
    if "\0" in text:
        line = first + text.count("\n", 0, text.index("\0"))
        if first == 1 and line == 1 and text.startswith(("\0", text[:1] + "\0")):
            raise bad_row(dataset, line, _WIDE, advice=_SAVE)
        raise bad_row(dataset, line, "it holds a NUL character", advice="remove it, or save the file as UTF-8 text")
    return text


def texts(dataset: Dataset, blocks: Iterable[bytes]) -> Iterator[str]:
    """The text of blocks that end anywhere, for formats in which a line's end is nothing special.

    Raises:
        PermanentError: it is not UTF-8; with the line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    for block in chain(without_mark(blocks), [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            found = line + error.object.count(b"\n", 0, error.start)
            reason, advice = _not_utf8(error.object, error.start, is_start=line == 1)
            raise bad_row(dataset, found, reason, advice=advice) from error
        line += text.count("\n")
        yield text


_WIDE = "it is UTF-16, not UTF-8"
_SAVE = "save it as UTF-8"


def _not_utf8(content: bytes, at: int, *, is_start: bool) -> tuple[str, str]:
    if is_start and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _WIDE, _SAVE
    if is_start and content.startswith(GZIP):
        return "it is gzip, and its name does not say so", "name it .gz"
    return f"it is not UTF-8 (byte 0x{content[at]:02x})", _SAVE
