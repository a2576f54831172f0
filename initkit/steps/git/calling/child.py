"""Runs one child to its end, or ends it and all of its own children; what is run is known to `program`."""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING

from initkit.steps.git.calling.kept import Whole
from initkit.steps.git.calling.limits import Limits
from initkit.steps.git.calling.running import Finished, Hear, Overdue, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from initkit.core.stop import Stop

__all__ = ["MOST", "Finished", "Hear", "Overdue", "run", "stream"]

_NONE = Limits()
_UMASK = 0o022  # what is published is for all to read, whoever publishes it
MOST = 1 << 20  # bytes of output: far more than any answer that we ask for has


def run(  # noqa: PLR0913 - a child has that many sides, and each is named where it is given
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: str,
    stop: Stop,
    seconds: float | None = None,
    stalled_after: float = math.inf,
    keep_open: Sequence[int] = (),
    most: int = MOST,
    limits: Limits = _NONE,
    ears: Mapping[int, Hear] | None = None,
    begun: Callable[[], object] | None = None,
) -> Finished:
    """Run `argv` in a session of its own, without a terminal that it could ask on.

    Args:
        argv: the program and its arguments.
        environment: all of its environment.
        directory: where it runs.
        stop: ends it, and then raises `Stopped`.
        seconds: ends it after so long; None for no limit.
        stalled_after: ends it once nothing of it has moved for so long (`stall.Watch`).
        keep_open: descriptors that it inherits.
        most: bytes that it may print.
        limits: what it may take.
        ears: pipes that it writes to besides, by their reading ends, and who hears what comes out of them.
        begun: called once it runs.

    Raises:
        Overdue: `seconds` were over.
        Stalled: it did not get on.
        TooMuch: it printed more.
        OSError: it could not be started.
    """
    out = Whole(most)
    running = _started(argv, environment, directory, stop, keep_open)
    running.limit(limits)
    if begun is not None:
        begun()
    with closing(running.blocks(seconds, stalled_after, ears or {})) as blocks:
        for block in blocks:
            out.add(block)
    return running.finished(out.content())


def stream(  # noqa: PLR0913 - as above
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: str,
    stop: Stop,
    keep_open: Sequence[int] = (),
    limits: Limits = _NONE,
    ended: Callable[[Finished], object],
) -> Generator[bytes, None, None]:
    """What `argv` prints, in blocks, as `run` would run it; a consumer that closes the iterator ends the child.

    Args:
        argv: the program and its arguments.
        environment: all of its environment.
        directory: where it runs.
        stop: ends it, and then raises `Stopped`.
        keep_open: descriptors that it inherits.
        limits: what it may take.
        ended: told how it ended by itself, with nothing in `out`; it may raise.

    Raises:
        OSError: it could not be started.
    """
    running = _started(argv, environment, directory, stop, keep_open)
    running.limit(limits)
    yield from running.blocks(None, math.inf, {})
    ended(running.finished(b""))


def _started(
    argv: Sequence[str], environment: Mapping[str, str], directory: str, stop: Stop, keep_open: Sequence[int]
) -> Running:
    import subprocess  # noqa: PLC0415 - costs a sixth of start-up, and --help needs none of it

    stop.check()
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment,
        cwd=directory,
        start_new_session=True,
        pass_fds=tuple(keep_open),
        umask=_UMASK,
    )
    return Running(child, stop)
