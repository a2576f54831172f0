"""Another user's eyes on files, and programs that must have come to an end."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SOMEBODY = 23456  # no passwd entry


@contextmanager
def ordinary_user() -> Iterator[int]:
    """The UID of this very process for a while: root becomes somebody else, and has its capabilities back after."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(_SOMEBODY)
    try:
        yield os.geteuid()
    finally:
        os.seteuid(before)


def pids_in(path: Path, count: int, timeout: float = 10) -> list[int]:
    """Numbers that programs have written into a file, a line each, once there are `count`."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        lines = path.read_text().split() if path.exists() else []
        if len(lines) >= count:
            return [int(line) for line in lines]
        time.sleep(0.01)
    raise AssertionError(f"fewer than {count} programs have begun")


def are_gone(pids: list[int], timeout: float = 5) -> bool:
    """Whether all of them end in time; a zombie that its own parent leaves lying has ended too."""
    until = time.monotonic() + timeout
    while not all(map(_is_gone, pids)):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def zombies() -> list[int]:
    """Children of this process that nobody has waited for."""
    children = psutil.Process().children()
    return [child.pid for child in children if child.is_running() and child.status() == psutil.STATUS_ZOMBIE]
