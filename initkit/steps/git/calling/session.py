"""Who belongs to a child's session, and how all of them are told to end; when that is due is known to `child`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator


def tell(leader: int, signum: signal.Signals) -> None:
    """Send a signal to a session's first group and to all others in it, as job control and `timeout` make them.

    The leader must not have been waited for yet: as a zombie it keeps its number from meaning anybody else.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signum)
    for pid in members(leader):
        if pid != leader:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signum)


def has_exited(pid: int) -> bool:
    """Whether a child has exited; it stays a zombie."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def members(session: int) -> Iterator[int]:
    """Who lives in a session (proc(5), stat: the fields behind the name are state, parent, group and session)."""
    with suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit() and _is_member(name, session):
                yield int(name)


def _is_member(pid: str, session: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, _, _, its = file.read().rpartition(b")")[2].split(maxsplit=4)[:4]
    except (OSError, ValueError):
        return False
    return int(its) == session and state not in {b"Z", b"X"}
