"""The numbered lines of a UTF-8 file, read in blocks: memory does not grow with it. Formats are built on them."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.datasets import blocks
from initkit.steps.seed.rows import bad_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.steps.seed.datasets import Dataset

_BLOCK = 1 << 18  # bytes
LONGEST = 64 << 20  # bytes or characters in one line or row: more means that a line's end or a quote is missing


def numbered_lines(dataset: Dataset, context: Context) -> Iterator[tuple[int, str]]:
    """Each line with its number from 1, without the newline; a byte order mark is dropped.

    Raises:
        PermanentError: it cannot be read, is not UTF-8, holds NUL bytes, or a line is longer than `LONGEST`.
    """
    number = 0
    for block in _whole_lines(dataset, context):
        content = block.removeprefix(codecs.BOM_UTF8) if number == 0 else block
        for line in _decoded(content, dataset, number).split("\n"):
            number += 1
            yield number, line


def _whole_lines(dataset: Dataset, context: Context) -> Iterator[bytes]:
    """Blocks that end where a line ends; UTF-8 never has a newline's byte inside a character."""
    kept: list[bytes] = []
    size = 0
    for block in blocks(dataset.path, _BLOCK, context):
        whole, newline, tail = block.rpartition(b"\n")
        if newline:
            yield b"".join([*kept, whole])
            kept, size = [tail], len(tail)
            continue
        kept.append(block)
        size += len(block)
        if size > LONGEST:
            raise PermanentError(
                f"load {dataset.path} into {dataset.table}",
                f"a line is longer than {LONGEST >> 20} MiB",
                "end its lines with LF or CRLF",
            )
    if last := b"".join(kept):
        yield last


def _decoded(content: bytes, dataset: Dataset, before: int) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = before + 1 + content.count(b"\n", 0, error.start)
        wide = before == 0 and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        reason = "it is UTF-16, not UTF-8" if wide else f"it is not UTF-8 (byte 0x{content[error.start]:02x})"
        raise bad_row(dataset, line, reason, advice="save it as UTF-8") from error
    if "\0" in text:
        line = before + 1 + text.count("\n", 0, text.index("\0"))
        raise bad_row(dataset, line, "it holds a NUL byte", advice="save it as UTF-8 text")
    return text
