"""Looks into files and folders within a limit of time; what is made of it belongs to the scheme `file`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from initkit.core.errors import TemporaryError
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from initkit.core.clock import Clock

_BLOCK = 1 << 20  # bytes read at a time
_ENTRIES = 64  # entries between two looks at the clock


class Limit:
    """When a look must be over.

    Attributes:
        clock: the source of time.
        ends: when on it.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.ends = clock.now() + seconds

    def check(self, task: str) -> None:
        """Give up once the time is over.

        Raises:
            TemporaryError: it is.
        """
        if self.clock.now() >= self.ends:
            raise TemporaryError(task, "it is too much for one attempt", "raise --attempt-timeout")


def holds(path: str, text: str, limit: Limit) -> bool:
    """Whether a regular file holds `text` as UTF-8; blocks overlap, so that no border hides it.

    Raises:
        AbsentError: it is no regular file (any more).
        TemporaryError: the time was over before its end.
        OSError: it cannot be read.
    """
    needle = text.encode("utf-8", "surrogateescape")
    # O_NONBLOCK: what became a FIFO since it was looked at must not hang us (open(2))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AbsentError(f"read {path}", "it is there but is no file", "check who is to write it")
        carried = b""
        while block := os.read(descriptor, _BLOCK):
            window = carried + block
            if needle in window:
                return True
            carried = window[-(len(needle) - 1) :] if len(needle) > 1 else b""
            limit.check(f"read {path}")
        return False
    finally:
        os.close(descriptor)


def tree(path: str, limit: Limit) -> object:
    """Something that compares equal as long as nothing in the tree has changed: names, inodes, sizes, mtimes.

    Symbolic links are not followed. An entry that goes away meanwhile is a change.

    Raises:
        TemporaryError: the time was over before its end.
        OSError: a folder cannot be read.
    """
    count = total = 0
    folders = [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    count += 1
                    # a sum, for the order of a folder's entries may change by itself
                    total += hash((entry.path, found.st_ino, found.st_size, found.st_mtime_ns))
                    if stat.S_ISDIR(found.st_mode):
                        folders.append(entry.path)
                    if count % _ENTRIES == 0:
                        limit.check(f"look through {path}")
        except (FileNotFoundError, NotADirectoryError):
            return object()
    return count, total
