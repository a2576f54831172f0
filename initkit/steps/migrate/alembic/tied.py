"""Ties the child that runs alembic to the run that started it: it ends with it, and when it is told to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from initkit.core.stop import Stop

_PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
_ABANDONED = 70


def die_with_parent(parent: int) -> None:
    """Have the kernel kill us when the run is gone: a migration must not go on once its lock is free.

    Args:
        parent: the run's process id; it may be gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_ABANDONED)


def obey(requests: BinaryIO, stop: Stop) -> None:
    """Stop when the run says so on the pipe that its request came by, and end at once where that is closed.

    It takes no signal: Python would see one only after the driver's call under way.
    """
    threading.Thread(target=_listen, args=(requests, stop), daemon=True, name="obey").start()


def _listen(requests: BinaryIO, stop: Stop) -> None:
    for _ in requests:
        stop.request(signal.SIGTERM)
    os._exit(_ABANDONED)
