"""What is kept of a child's output: a server decides how much that is, and we have a few megabytes."""

from __future__ import annotations

_HEAD = 16 << 10  # bytes
_TAIL = 48 << 10  # the last words are the telling ones


class TooMuch(Exception):  # noqa: N818 - not every end by size is an error
    """The child printed more than may be kept."""


class Whole:
    """All of it, or `TooMuch`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._blocks: list[bytes] = []
        self._size = 0

    def add(self, block: bytes) -> None:
        """Keep one more block.

        Raises:
            TooMuch: that would be more than `most` bytes.
        """
        self._size += len(block)
        if self._size > self._most:
            raise TooMuch
        self._blocks.append(block)

    def content(self) -> bytes:
        """What was kept."""
        return b"".join(self._blocks)


class Ends:
    """The beginning and the end; lines that were cut by leaving out what is between are left out too."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = False

    def add(self, block: bytes) -> None:
        """Keep what is wanted of it."""
        room = _HEAD - len(self._head)
        self._head += block[:room]
        self._tail += block[room:] if room > 0 else block
        if len(self._tail) > _TAIL:
            self._dropped = True
            del self._tail[:-_TAIL]

    def text(self) -> str:
        """What was kept, in UTF-8 as far as it is."""
        head, tail = bytes(self._head), bytes(self._tail)
        if self._dropped:
            head, tail = head[: head.rfind(b"\n") + 1], tail[tail.find(b"\n") + 1 :]
        return (head + tail).decode("utf-8", "replace")
