"""Whether a child still gets on, by what the kernel counts; git has no time limit of its own outside HTTP."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.steps.git.calling.session import members

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKS = 12  # in the time after which it counts as stalled
_COUNTS = (b"State:", b"voluntary_ctxt_switches:", b"nonvoluntary_ctxt_switches:")
_AT_WORK = (b"State:\tR", b"State:\tD")  # on a processor, on a disk
_TRANSPORTS = (b"ssh", b"git-remote-")  # these wake up by themselves, to keep a line alive or to look at a clock


class Stalled(Exception):  # noqa: N818 - not every end by time is an error
    """The child has waited for too long for what does not come."""


class Watch:
    """Looks now and then whether anything in a child's session has moved.

    It moves where a thread was woken up, used the processor, read or wrote, or waits for a disk (which is not the
    network's fault). A packet every five seconds by which a server says that it is still at work (git-config(1),
    ``uploadpack.keepAlive``) is enough: one byte a second for ever counts as a slow line, not as a stalled one.

    Args:
        leader: the child, the first of its session.
        after: seconds without any move; infinite for no watch.
        now: the moment it was started at, in seconds.
    """

    def __init__(self, leader: int, after: float, now: float) -> None:
        self._leader = leader
        self._after = after
        self._since = now
        self._seen: list[bytes] = []
        self.next = now + after / _LOOKS if after < math.inf else math.inf

    def look(self, now: float) -> None:
        """Look if it is time to.

        Raises:
            Stalled: nothing has moved for too long.
        """
        if now < self.next:
            return
        self.next = now + self._after / _LOOKS
        seen = list(_counted(self._leader))
        if not seen or seen != self._seen or any(one.startswith(_AT_WORK) for one in seen):
            self._since, self._seen = now, seen
        elif now - self._since >= self._after:
            raise Stalled


def _counted(session: int) -> Iterator[bytes]:
    """What the kernel has counted for each process and thread of a session, with their states (proc(5))."""
    for pid in members(session):
        place = f"/proc/{pid}"
        with suppress(OSError):
            if _read(f"{place}/comm").startswith(_TRANSPORTS):
                continue
            yield b" ".join(_read(f"{place}/stat").rpartition(b")")[2].split()[11:13])  # utime and stime
            for thread in os.listdir(f"{place}/task"):
                yield from (x for x in _read(f"{place}/task/{thread}/status").splitlines() if x.startswith(_COUNTS))
        with suppress(OSError):  # a sandbox that counts no switches may count bytes; some forbid to look
            yield _read(f"{place}/io")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
