"""Files that are in memory only: for what may not be written anywhere, and where nothing may be written at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def in_memory(name: str, content: bytes, mode: int = 0o600) -> Iterator[int]:
    """A descriptor of a file with this content, for as long as the block lasts (memfd_create(2)).

    Programs that close what they inherit, as ssh does, reach it by `path_of`; all others by ``/proc/self/fd/N`` too,
    once they inherit the descriptor.
    """
    descriptor = os.memfd_create(name)
    try:
        os.fchmod(descriptor, mode)
        with open(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield descriptor
    finally:
        os.close(descriptor)


def path_of(descriptor: int) -> str:
    """Where another program of the same user finds this process's file (proc(5))."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"
