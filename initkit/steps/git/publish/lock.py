"""One publisher per folder: a lock that ends with whoever holds it, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context

_POLL = 0.05  # seconds between two looks at a lock that is held
_LONGEST_HOLDER = 200  # bytes of a holder's name that are read


@contextmanager
def held(path: str, context: Context) -> Iterator[int]:
    """Hold the flock(2) on `path`; gives its descriptor, which children may inherit and then hold it too.

    Raises:
        TemporaryError: somebody else held it until the deadline.
        OSError: the file cannot be made, or its file system has no locks.
    """
    descriptor = _acquire(path, context)
    try:
        with suppress(OSError):  # what fills the volume may be what the holder is about to remove
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.uname().nodename}, process {os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(path: str, context: Context) -> int:
    told = False
    while True:
        context.stop.check()
        descriptor = _try(path)
        if descriptor is not None:
            return descriptor
        holder = _holder(path)
        if not told:
            context.voice.note(f"waiting for {holder}, which is publishing in {os.path.dirname(path)}")
            told = True
        if context.remaining <= 0:
            task = f"lock {path}"
            raise TemporaryError(
                task, f"{holder} holds it", "look what that one is waiting for, or allow more --timeout"
            )
        context.clock.sleep(min(_POLL, context.remaining))


def _try(path: str) -> int | None:
    """The descriptor if the lock is ours now; None while another has it, or the file was exchanged meanwhile."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_still(path, descriptor):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_still(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(path: str) -> str:
    try:
        with open(path, "rb") as file:
            name = file.read(_LONGEST_HOLDER).decode("utf-8", "replace").strip()
    except OSError:
        name = ""
    return name if name and name.isprintable() else "another run"
