"""How much a child and all of its own children may take of what the kernel counts; a server decides what they need."""

from __future__ import annotations

from contextlib import suppress

from initkit.core.record import Record

_FOR_REFS = 512 << 20  # bytes: some million refs, where a server sends all that it has
_FOR_OBJECTS = 2 << 30  # bytes: ten million objects, whose names git holds while it unpacks


class Limits(Record):
    """Limits of one child.

    Attributes:
        file: bytes of the largest file that it may write; 0 for no limit.
        memory: bytes of its own that it may hold, files that are mapped not counted; 0 for no limit.
    """

    file: int = 0
    memory: int = 0

    def put_on(self, pid: int) -> None:
        """Bind a process, those that it has already started, and those that it will (setrlimit(2))."""
        import resource  # noqa: PLC0415 - not needed for --help

        for kind, most in ((resource.RLIMIT_FSIZE, self.file), (resource.RLIMIT_DATA, self.memory)):
            if most:
                with suppress(OSError, ValueError):  # it has ended, or the limit is lower already
                    resource.prlimit(pid, kind, (most, most))
        with suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            for child in file.read().split():
                self.put_on(int(child))


def for_refs(largest: int) -> Limits:
    """For a look at a remote's refs."""
    return Limits(largest, _FOR_REFS)


def for_objects(largest: int) -> Limits:
    """For everything else; whoever allows content of any size allows any memory.

    Args:
        largest: bytes of the largest file; 0 for no limit.
    """
    return Limits(largest, _FOR_OBJECTS + largest // 4 if largest else 0)
