"""A wire as libraries expect a socket to be, so that what they do on it is bounded; what they speak is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initkit.steps.wait.net.wire import Wire


class LentSocket:
    """What PyMySQL and redis-py use of a socket and of its file; time and length are the wire's."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def settimeout(self, seconds: float | None) -> None:
        """Take no notice: a library counts anew for each call, the wire once for all."""

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._wire.send(data)

    def recv(self, _size: int) -> bytes:
        """What comes next, at least a byte; never more than the wire's own small pieces."""
        return self._wire.some()

    def read(self, count: int) -> bytes:
        """The next `count` bytes."""
        return self._wire.exactly(count)

    def makefile(self, _mode: str) -> LentSocket:
        """Itself: reading needs no second buffer."""
        return self

    def shutdown(self, _how: int) -> None:
        """Leave it to `close`."""

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()
