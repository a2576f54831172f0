"""Runs one child to its end, or ends it and all of its own children; what is run is known to `program`."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from initkit.core.stop import Stop

GRACE = 2.0  # seconds between SIGTERM, on which git removes its locks, and SIGKILL


class Overdue(Exception):  # noqa: N818 - not every end by time is an error
    """The child was ended because its time was over."""


@dataclass(frozen=True)
class Finished:
    """How a child ended: its exit code (negative for a signal) and what it wrote."""

    code: int
    out: bytes
    err: str


def run(  # noqa: PLR0913 - a child has that many sides, and each is named where it is given
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: str,
    stop: Stop,
    seconds: float | None = None,
    keep_open: Sequence[int] = (),
) -> Finished:
    """Run `argv` in a session of its own, without a terminal that it could ask on.

    Args:
        argv: the program and its arguments.
        environment: all of its environment.
        directory: where it runs.
        stop: ends it, and then raises `Stopped`.
        seconds: ends it after so long; None for no limit.
        keep_open: descriptors that it inherits.

    Raises:
        Overdue: `seconds` were over.
        OSError: it could not be started.
    """
    import subprocess  # noqa: PLC0415 - costs a sixth of start-up, and --help needs none of it

    stop.check()
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=directory,
        start_new_session=True,
        pass_fds=tuple(keep_open),
    )
    gone = threading.Event()
    try:
        with stop.calling(lambda: _end(child.pid, gone)):
            out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Overdue from None
    finally:
        if child.returncode is None:
            _collect(child)
        gone.set()
    stop.check()
    return Finished(child.returncode, out, err.decode("utf-8", "replace"))


def _end(group: int, gone: threading.Event) -> None:
    _signal(group, signal.SIGTERM)
    if not gone.wait(GRACE):
        _signal(group, signal.SIGKILL)


def _collect(child: subprocess.Popen[bytes]) -> None:
    """End the child and wait for it and for all that hold its pipes."""
    import subprocess  # noqa: PLC0415 - as above

    _signal(child.pid, signal.SIGTERM)
    try:
        child.communicate(timeout=GRACE)
    except subprocess.TimeoutExpired:
        _signal(child.pid, signal.SIGKILL)
        child.communicate()


def _signal(group: int, signum: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)
