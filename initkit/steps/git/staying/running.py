"""Runs the command that is told of changes, and listens to it; when it is run is known to `telling`."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.record import Record

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from initkit.core.step import Context

GRACE = 0.4  # seconds between SIGTERM and SIGKILL: the run itself is to end within a second
_STEP = 0.02  # seconds between two looks at whether it has ended
_BLOCK = 1 << 16  # bytes: what a pipe holds (pipe(7))
_LONGEST_LINE = 4096  # bytes; what goes on is cut


class Ended(Record):
    """How it ended.

    Attributes:
        code: its exit code, the negative number of the signal that ended it, or None when its time was over.
        last_line: the last line that it wrote and that is not blank.
    """

    code: int | None
    last_line: str


def run(words: Sequence[str], environment: Mapping[str, str], context: Context, seconds: float) -> Ended:
    """Run a program in a session of its own, with nothing to read; each line that it writes is a detail of the log.

    What it left running when it ended well stays: a command may well start something. In all other cases everything in
    its process group is ended before this returns.

    Args:
        words: the program, looked for on the PATH of `environment`, and its arguments.
        environment: all of its environment.
        context: who is told, the time, and whether the end was asked for.
        seconds: how long it may take; 0 for no limit.

    Raises:
        OSError: it could not be started.
        Stopped: the end was asked for.
    """
    import subprocess  # noqa: PLC0415 - costs a sixth of start-up, and --help needs none of it

    until = context.clock.now() + seconds if seconds else float("inf")
    with context.stop.in_flight():
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        return _Run(child, context).to_its_end(until)


class _Run:
    """A program that is under way."""

    def __init__(self, child: subprocess.Popen[bytes], context: Context) -> None:
        assert child.stdout is not None  # noqa: S101 - for the type
        self._child = child
        self._context = context
        self._pipe = child.stdout
        self._lines = _Lines(context)
        self._poll = select.poll()
        os.set_blocking(self._pipe.fileno(), False)
        self._poll.register(self._pipe.fileno(), select.POLLIN)
        self._is_open = True

    def to_its_end(self, until: float) -> Ended:
        """See it end; if it does not end well by itself, nothing of it is left."""
        timely = False
        try:
            timely = self._has_ended(until)
        finally:
            if not (timely and self._has_ended_well()):
                self._end()
            self._child.wait()
            self._drain()
            self._pipe.close()
        return Ended(self._child.returncode if timely else None, self._lines.last)

    def _has_ended(self, until: float) -> bool:
        """Whether it ends by itself until then."""
        while self._exit() is None:
            self._context.stop.check()
            left = until - self._context.clock.now()
            if left <= 0:
                return False
            self._listen(min(left, _STEP))
        return True

    def _exit(self) -> os.waitid_result | None:
        # it stays a zombie for now, so that the number of its group means no one else
        return os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    def _has_ended_well(self) -> bool:
        found = self._exit()
        return found is not None and found.si_code == os.CLD_EXITED and found.si_status == 0

    def _listen(self, seconds: float) -> None:
        if not self._is_open:
            self._context.clock.sleep(seconds)
        elif self._poll.poll(seconds * 1000):
            self._take()

    def _take(self) -> bool:
        """Read one block; whether there was one."""
        try:
            block = os.read(self._pipe.fileno(), _BLOCK)
        except BlockingIOError:
            return False
        if not block and self._is_open:
            self._poll.unregister(self._pipe.fileno())  # its end would be an event for ever
            self._is_open = False
        self._lines.add(block)
        return self._is_open

    def _drain(self) -> None:
        """What is in the pipe still; who holds its other end is not waited for."""
        for _ in range(16):
            if not self._take():
                break
        self._lines.end()

    def _end(self) -> None:
        self._signal(signal.SIGTERM)
        until = self._context.clock.now() + GRACE
        while self._exit() is None and self._context.clock.now() < until:
            self._poll.poll(_STEP * 1000)  # not the clock's sleep, which the end's request cuts short
            self._take()
        self._signal(signal.SIGKILL)

    def _signal(self, signum: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signum)


class _Lines:
    """What it writes, a line at a time."""

    def __init__(self, context: Context) -> None:
        self.last = ""
        self._context = context
        self._rest = b""

    def add(self, block: bytes) -> None:
        """Take what came out of the pipe."""
        *whole, rest = (self._rest + block).split(b"\n")
        for line in whole:
            self._tell(line)
        self._rest = rest[:_LONGEST_LINE]

    def end(self) -> None:
        """There is nothing more."""
        self._tell(self._rest)
        self._rest = b""

    def _tell(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode("utf-8", "replace").strip()
        text = "".join(c if c.isprintable() else "?" for c in text)  # not what a terminal would obey
        if text:
            self.last = text
            self._context.voice.detail(f"exec: {text}")
