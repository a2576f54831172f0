"""The bytes of a dataset, in blocks, decompressed; what they mean is the formats' concern."""

from __future__ import annotations

import hashlib
import os
import select
import stat
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, cast

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import task, unreadable
from initkit.steps.seed.content.lines import GZIP
from initkit.steps.seed.dataset import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.core.stop import Stop
    from initkit.steps.seed.content.progress import Progress
    from initkit.steps.seed.dataset import Dataset

BLOCK = 1 << 17  # bytes
_STDIN = 0


def is_repeatable(dataset: Dataset) -> bool:
    """Whether it can be read more than once; of what is not there, the first pass tells."""
    if dataset.path == STDIN:
        return False
    try:
        return stat.S_ISREG(os.stat(dataset.path).st_mode)
    except OSError:
        return True


class Source:
    """One pass over a dataset's bytes.

    Attributes:
        dataset: whose.
        sha256: of all bytes, once decompressed, in hexadecimal; empty before the end.
    """

    def __init__(self, dataset: Dataset, context: Context, progress: Progress | None = None) -> None:
        self.dataset = dataset
        self.sha256 = ""
        self._context = context
        self._progress = progress

    def blocks(self) -> Iterator[bytes]:
        """The bytes, in blocks of at most `BLOCK`.

        Raises:
            PermanentError: they cannot be read, or decompressed.
        """
        digest = hashlib.sha256()
        with ExitStack() as stack:
            for block in self._decompressed(stack):
                self._context.stop.check()
                digest.update(block)
                if self._progress:
                    self._progress.size += len(block)
                    self._progress.tell()
                yield block
        self.sha256 = digest.hexdigest()

    def _decompressed(self, stack: ExitStack) -> Iterator[bytes]:
        raw = self._raw(stack)
        # standard input has no name that could say so
        is_compressed = self.dataset.compressed or self.dataset.path == STDIN
        if is_compressed and raw.start(len(GZIP)) == GZIP:
            return self._unzipped(raw)
        if self.dataset.compressed and raw.start(1):
            raise self._broken("it is not gzip")
        return iter(lambda: raw.read(BLOCK), b"")

    def _raw(self, stack: ExitStack) -> _Counted:
        if self.dataset.path == STDIN:
            return _Counted(self.dataset, stack.enter_context(_Stdin(self._context.stop)), self._progress)
        try:
            # unbuffered: blocks are read whole anyway
            file = stack.enter_context(open(self.dataset.path, "rb", buffering=0))  # noqa: SIM115 - it is one
            return _Counted(self.dataset, cast("_Readable", file), self._progress)
        except OSError as error:
            raise unreadable(self.dataset.path, error) from error

    def _unzipped(self, raw: _Counted) -> Iterator[bytes]:
        import gzip  # noqa: PLC0415 - only where something is compressed

        file = gzip.GzipFile(fileobj=cast("BinaryIO", raw), mode="rb")
        while True:
            try:
                block = file.read(BLOCK)
            except EOFError:
                raise self._broken("it ends before its end: it was cut off") from None
            except gzip.BadGzipFile as error:
                is_junk = str(error).startswith("Not a gzipped")
                junk = "what follows the compressed content is not gzip"
                raise self._broken(junk if is_junk else f"it is damaged: {error}") from error
            except zlib.error as error:
                raise self._broken(f"it is damaged: {error}") from error
            if not block:
                return
            yield block

    def _broken(self, cause: str) -> PermanentError:
        return PermanentError(task(self.dataset), cause, "compress it again with gzip, or copy it again")


class _Readable(Protocol):
    def read(self, size: int) -> bytes: ...

    def fileno(self) -> int: ...


class _Counted:
    """A file that tells how far it has been read; `gzip` wants no more of one than this."""

    def __init__(self, dataset: Dataset, file: _Readable, progress: Progress | None) -> None:
        self.position = 0
        self._shown = dataset.shown
        self._file = file
        self._ahead = b""
        self._progress = progress
        found = os.fstat(file.fileno())
        self._size = found.st_size if stat.S_ISREG(found.st_mode) else 0

    def start(self, size: int) -> bytes:
        """The first bytes, which are still to be read; fewer where there are no more."""
        while len(self._ahead) < size and (block := self._read(size - len(self._ahead))):
            self._ahead += block
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        block, self._ahead = self._ahead[:size] or self._read(size), self._ahead[size:]
        self.position += len(block)
        if self._progress and self._size:
            self._progress.share = min(1.0, self.position / self._size)
        return block

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise unreadable(self._shown, error) from error


class _Stdin:
    """Standard input, which may keep silent for ever: a request to end is heard all the same."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        ends = os.pipe()
        heard = self._stack.enter_context(os.fdopen(ends[0], "rb", 0))
        ring = self._stack.enter_context(os.fdopen(ends[1], "wb", 0))
        # a late call finds a file that is closed, never a number that means something else by then
        self._stack.enter_context(self._stop.calling(lambda: ring.write(b".")))
        self._poll = select.poll()
        self._poll.register(heard, select.POLLIN)
        self._poll.register(_STDIN, select.POLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fileno(self) -> int:
        return _STDIN

    def read(self, size: int) -> bytes:
        self._poll.poll()
        self._stop.check()
        return os.read(_STDIN, size)
