"""Keeping a container alive for as long as somebody looks inside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit.core.values import show_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.clock import Clock
    from initkit.core.step import Voice

_LOOK = 0.5  # seconds between two looks at the file
_FILE = "initkit-release"


def release_file(environ: Mapping[str, str]) -> str | None:
    """Where the file that ends a hold lies: in ``TMPDIR``, ``/tmp`` or ``/dev/shm``, whichever may be written.

    On a read-only root file system only the last may; without any of them there is none.
    """
    for folder in (environ.get("TMPDIR"), "/tmp", "/dev/shm"):  # noqa: S108 - a touch by anyone inside is meant to count
        if folder and os.access(folder, os.W_OK | os.X_OK):
            return os.path.join(folder, _FILE)
    return None


def hold(seconds: float, path: str | None, clock: Clock, voice: Voice) -> str:
    """Sleep until `seconds` are over (0 = no limit) or `path` is made or touched; return which it was.

    Raises:
        Stopped: a signal asked for the end.
    """
    until = clock.now() + seconds if seconds else float("inf")
    limit = f"for {show_duration(seconds)}" if seconds else "until it is stopped"
    way_out = f"; `initkit hold --release` in this container, or touching {path}, ends it" if path else ""
    voice.note(f"holding {limit}{way_out}", path=path)
    before = _stamp(path)
    while clock.now() < until:
        if path and _stamp(path) != before:
            return f"{path} was touched"
        clock.sleep(min(_LOOK, until - clock.now()))
    return "the time is over"


def release(path: str) -> None:
    """Touch the file that ends a hold.

    Raises:
        OSError: it cannot be made.
    """
    with open(path, "a", encoding="utf-8"):
        os.utime(path)


def _stamp(path: str | None) -> int | None:
    try:
        return os.stat(path).st_mtime_ns if path else None
    except OSError:
        return None
