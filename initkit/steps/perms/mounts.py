"""What /proc/self/mountinfo tells of mounts (proc_pid_mountinfo(5)); what follows from it is known to who asks."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import NamedTuple

_MOUNTS = "/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_POINT = 4  # which word of a line is the mount point, counted from 0


class Mount(NamedTuple):
    """One mount.

    Attributes:
        point: where it is mounted, as this process sees it.
        kind: the type of its file system: ``ext4``, ``nfs4``, ``fuse.s3fs``.
        all_read_only: whether nothing may be written to its file system through any mount.
    """

    point: str
    kind: str
    all_read_only: bool = False


def number_of(fd: int) -> int | None:
    """The number of the mount that what a descriptor holds was reached through, as fdinfo has it (proc(5)).

    None where the system does not tell. Where it is asked often, `kernel.mount_id` is ten times as fast.
    """
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb", buffering=0) as file:
            found = [line for line in file.read().splitlines() if line.startswith(b"mnt_id:")]
    except OSError:
        return None
    return int(found[0].split()[1]) if found else None


def of(fd: int) -> Mount | None:
    """That mount; None where the system does not tell."""
    number = number_of(fd)
    return None if number is None else _by_number(number)


def is_anything_below(path: str) -> bool:
    """Whether something is mounted below a real path; True where the system does not tell."""
    below = os.fsencode(path.rstrip("/")) + b"/"
    try:
        with open(_MOUNTS, "rb") as lines:
            return any(_point(line.split()).startswith(below) for line in lines)
    except (OSError, IndexError):
        return True


@lru_cache(maxsize=64)  # many entries fail alike
def _by_number(number: int) -> Mount | None:
    try:
        with open(_MOUNTS, "rb") as file:
            return read(file.read(), number)
    except OSError:
        return None


def read(text: bytes, number: int) -> Mount | None:
    """The mount of that number in the text of a mountinfo; None where it is not there."""
    for line in text.splitlines():
        first, _, last = line.partition(b" - ")
        words = first.split()
        if int(words[0]) == number:
            kind, *_, options = last.split()
            return Mount(os.fsdecode(_point(words)), kind.decode(), b"ro" in options.split(b","))
    return None


def _point(words: list[bytes]) -> bytes:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), words[_POINT])
