"""What /proc/self/mountinfo tells of a mount (proc_pid_mountinfo(5)); what follows from it is known to who asks."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from initkit.steps.perms import kernel

_ESCAPED = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One mount.

    Attributes:
        point: where it is mounted, as this process sees it.
        kind: the type of its file system: ``ext4``, ``nfs4``, ``fuse.s3fs``.
        read_only: whether nothing may be written through it.
        all_read_only: whether nothing may be written to its file system through any mount.
    """

    point: str
    kind: str
    read_only: bool = False
    all_read_only: bool = False


def of(fd: int) -> Mount | None:
    """The mount that what a descriptor holds was reached through; None where the system does not tell."""
    number = kernel.mount_id(fd)
    return None if number is None else _by_number(number)


@lru_cache(maxsize=64)  # many entries fail alike
def _by_number(number: int) -> Mount | None:
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            return read(file.read(), number)
    except OSError:
        return None


def read(text: bytes, number: int) -> Mount | None:
    """The mount of that number in the text of a mountinfo; None where it is not there."""
    for line in text.splitlines():
        first, _, last = line.partition(b" - ")
        fields, kinds = first.split(), last.split()
        if fields and int(fields[0]) == number:
            return Mount(_unescaped(fields[4]), kinds[0].decode(), _is_read_only(fields[5]), _is_read_only(kinds[-1]))
    return None


def _is_read_only(options: bytes) -> bool:
    return b"ro" in options.split(b",")


def _unescaped(point: bytes) -> str:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), point).decode("utf-8", "surrogateescape")
