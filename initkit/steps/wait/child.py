"""Runs one program to its end, or ends it and all that it started; what its answer means is known to `command`."""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.record import Record

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence

    from initkit.core.step import Context

GRACE = 0.2  # seconds between SIGTERM and SIGKILL
_LAST = 0.1  # seconds for the kernel to end what got SIGKILL
_ENDING = 0.2  # share of the time that ending may take, at most
_STEP = 0.02  # seconds between two looks at the clock, the request to end and a child that cannot be polled
_BLOCK = 65536  # bytes: what a pipe holds (pipe(7))
_TAIL = 8192  # bytes kept of the end of each stream


class Output:
    """What came out of one stream: the beginning as far as it is wanted, and the end."""

    def __init__(self, keep: int) -> None:
        self.head = bytearray()
        self._keep = keep
        self._tail = bytearray()
        self._dropped = False

    def add(self, block: bytes) -> None:
        """Keep what is wanted of it."""
        self.head += block[: max(0, self._keep - len(self.head))]
        self._tail += block
        if len(self._tail) > _TAIL:
            self._dropped = True
            del self._tail[:-_TAIL]

    def last_line(self) -> bytes:
        """The last line that is not blank; none where its beginning was not kept."""
        lines = self._tail.replace(b"\r", b"\n").split(b"\n")
        whole = lines[1:] if self._dropped else lines
        return next((bytes(line.strip()) for line in reversed(whole) if line.strip()), b"")


class Ended(Record):
    """How a program ended.

    Attributes:
        code: its exit code, the negative number of the signal that killed it, or None when its time was over.
        out: its standard output.
        err: its standard error.
    """

    code: int | None
    out: Output
    err: Output


def run(words: Sequence[str], environment: Mapping[str, str], context: Context, *, keep: int) -> Ended:
    """Run a program with nothing to read, in a session of its own, within the context's `attempt_timeout`.

    Everything in that session is ended before this returns: on SIGTERM, or else by SIGKILL. What leaves the session
    (setsid(2)), as a daemon does, is not ours any more. Of the time up to 0.3 s are kept for that.

    Args:
        words: the program, looked for on the PATH of `environment`, and its arguments.
        environment: all of its environment.
        context: its time; its `stop` ends the program.
        keep: bytes to keep of the beginning of standard output.

    Raises:
        OSError: it could not be started, or (ChildProcessError) its exit code is kept from us: SIGCHLD is ignored.
        Stopped: the end was asked for.
    """
    import subprocess  # noqa: PLC0415 - costs a sixth of start-up, and --help needs none of it

    ends = context.clock.now() + context.attempt_timeout
    with context.stop.in_flight():
        context.stop.check()  # from here on whoever asks for the end knows that something is in flight
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        return _Run(child, context, ends, keep).to_its_end()


class _Run:
    """A program that is under way."""

    def __init__(self, child: subprocess.Popen[bytes], context: Context, ends: float, keep: int) -> None:
        self._child = child
        self._context = context
        self._clock = context.clock
        self._ends = ends
        self._ending = min(GRACE + _LAST, context.attempt_timeout * _ENDING)
        self._lock = threading.Lock()
        self._told = False  # to end; also once there is nobody to tell
        self._poll = select.poll()
        self._exit: int | None = None
        self._open: dict[int, Output] = {}
        self._out, self._err = Output(keep), Output(0)

    def to_its_end(self) -> Ended:
        """See it end; whatever happens meanwhile, nothing of it is left."""
        try:
            self._plug()
            with self._context.stop.calling(self._ask_to_end):
                timely = self._is_over(self._ends - self._ending)
        finally:
            self._clean_up()
        self._context.stop.check()
        return Ended(self._child.returncode if timely else None, self._out, self._err)

    def _plug(self) -> None:
        for stream, output in ((self._child.stdout, self._out), (self._child.stderr, self._err)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._open[stream.fileno()] = output
                self._poll.register(stream.fileno(), select.POLLIN)
        with suppress(OSError):  # a sandbox may not know it; then its end is seen a step later
            self._exit = os.pidfd_open(self._child.pid)
            self._poll.register(self._exit, select.POLLIN)

    def _is_over(self, until: float) -> bool:
        """Whether it exits by itself until then."""
        while not self._has_exited():
            self._context.stop.check()
            left = until - self._clock.now()
            if left <= 0:
                return False
            self._listen(min(left, _STEP))
        return True

    def _has_exited(self) -> bool:
        # it stays a zombie until nothing of its session is left, so that its number means no one else
        return os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _listen(self, seconds: float) -> None:
        """Take what it writes, for at most so long."""
        for descriptor, _ in self._poll.poll(seconds * 1000):
            if descriptor == self._exit:
                self._poll.unregister(descriptor)  # it has said all it can
            else:
                self._take(descriptor)

    def _take(self, descriptor: int) -> bool:
        """Read one block; whether there was one."""
        try:
            block = os.read(descriptor, _BLOCK)
        except BlockingIOError:
            return False
        if block:
            self._open[descriptor].add(block)
        else:
            self._poll.unregister(descriptor)
            del self._open[descriptor]
        return bool(block)

    def _ask_to_end(self) -> None:
        with self._lock:  # the call of a stop may come late, when the number is somebody else's
            if not self._told:
                self._told = True
                self._signal(signal.SIGTERM)

    def _clean_up(self) -> None:
        try:
            self._end_session()
            for descriptor in list(self._open):  # what is in the pipes; who still holds them is not waited for
                for _ in range(16):
                    if not self._take(descriptor):
                        break
        finally:
            self._close()

    def _end_session(self) -> None:
        with suppress(ChildProcessError):
            if self._is_gone():
                return
        self._ask_to_end()
        if not self._is_gone_within(self._ending * 2 / 3):
            self._signal(signal.SIGKILL)
            self._is_gone_within(self._ending / 3)

    def _is_gone_within(self, seconds: float) -> bool:
        until = self._clock.now() + seconds
        while not self._is_gone():
            left = until - self._clock.now()
            if left <= 0:
                return False
            self._listen(min(left, _STEP))
        return True

    def _is_gone(self) -> bool:
        with suppress(ChildProcessError):
            if not self._has_exited():
                return False
        return next(_members(self._child.pid), None) is None

    def _signal(self, signum: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signum)
        for pid in _members(self._child.pid):  # in groups of their own, as `timeout` and job control make them
            if pid != self._child.pid:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signum)

    def _close(self) -> None:
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.close()
        if self._exit is not None:
            os.close(self._exit)
        with self._lock:
            self._told = True
            self._child.poll()


def _members(session: int) -> Iterator[int]:
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
