"""Standard output and standard error with secrets taken out, whoever writes to them."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from initkit.core.redact import redact


class RedactedStream:
    """A text stream that redacts what passes; for everything else it is the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` without secrets; a stream that nobody reads any more, or that is full, is no error."""
        try:
            self._stream.write(redact(text))
        except OSError:
            return 0
        return len(text)

    def flush(self) -> None:
        """Pass on what is buffered, as far as anybody takes it."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the stream's own
        return getattr(self._stream, name)


def redact_all() -> None:
    """Put a redacting stream before both."""
    sys.stdout = cast(TextIO, RedactedStream(sys.stdout))
    sys.stderr = cast(TextIO, RedactedStream(sys.stderr))
