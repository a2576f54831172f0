"""Standard output and standard error with secrets taken out, whoever writes to them.

A secret that is written in two pieces is not seen; initkit itself writes whole lines.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

from initkit.core.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable


class ForgivingStream:
    """A text stream for which it is no error that nobody reads it any more, or that it is full."""

    def __init__(self, stream: TextIO) -> None:
        self.behind = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            self.behind.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them all, by way of `write`."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Pass on what is buffered, as far as anybody takes it."""
        with suppress(OSError):
            self.behind.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the stream's own
        return getattr(self.behind, name)


class RedactedStream(ForgivingStream):
    """The same, with secrets taken out of what passes."""

    def write(self, text: str) -> int:
        """Write `text` without secrets."""
        super().write(redact(text))
        return len(text)


def raw(stream: TextIO) -> TextIO:
    """The stream without redaction: for whoever has redacted already, and must not have a number in JSON masked."""
    return cast(TextIO, ForgivingStream(stream.behind)) if isinstance(stream, RedactedStream) else stream


def _open_what_is_closed() -> None:
    """Lead a standard stream that was closed nowhere: the next file that is opened would take its place."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def redact_all() -> None:
    """Put a redacting stream before both; what an ASCII locale cannot write is escaped rather than refused."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = cast(TextIO, RedactedStream(sys.stdout))
    sys.stderr = cast(TextIO, RedactedStream(sys.stderr))
