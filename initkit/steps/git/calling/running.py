"""A child that is under way: what it writes, when it counts as over, and how all that belongs to it is ended."""

from __future__ import annotations

import math
import os
import select
import signal
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.clock import SystemClock
from initkit.core.record import Record
from initkit.steps.git.calling import session
from initkit.steps.git.calling.kept import Ends
from initkit.steps.git.calling.stall import Watch

if TYPE_CHECKING:
    import subprocess

    from initkit.core.stop import Stop
    from initkit.steps.git.calling.limits import Limits

_BLOCK = 1 << 16  # bytes that are read at once: what a pipe holds (pipe(7))
_STEP = 0.02  # seconds between two looks at what cannot be polled
_LONGEST = 60.0  # seconds of one poll; its milliseconds are an int in C
GRACE = 2.0  # seconds between SIGTERM, on which git removes its locks, and SIGKILL

Hear = Callable[[bytes], object]


class Overdue(Exception):  # noqa: N818 - not every end by time is an error
    """The child was ended because its time was over."""


class Finished(Record):
    """How a child ended: its exit code (negative for a signal), what it wrote, and the ends of what it complained."""

    code: int
    out: bytes
    err: str


class Running:
    """A child that is under way."""

    def __init__(self, child: subprocess.Popen[bytes], stop: Stop) -> None:
        self._child = child
        self._stop = stop
        self._clock = SystemClock(stop)
        self._err = Ends()
        self._poll = select.poll()
        self._streams: dict[int, Hear | None] = {}  # what is open still, and who hears it; None for us
        self._ears: Mapping[int, Hear] = {}
        self._exit: int | None = None
        self._has_ended = False
        self._lock = threading.Lock()
        self._over = threading.Event()

    def blocks(
        self, seconds: float | None, stalled_after: float, ears: Mapping[int, Hear]
    ) -> Generator[bytes, None, None]:
        """What it prints, until its end; whatever happens meanwhile, nothing of its session is left."""
        began = self._clock.now()
        watch = Watch(self._child.pid, stalled_after, began)
        try:
            self._plug(ears)
            with self._stop.calling(self._end):
                yield from self._listen(began + seconds if seconds is not None else math.inf, watch)
        finally:
            self._clean_up()
        self._stop.check()

    def limit(self, limits: Limits) -> None:
        """Let it take no more from now on, nor anything that it starts."""
        limits.put_on(self._child.pid)

    def finished(self, out: bytes) -> Finished:
        """How it ended."""
        return Finished(self._child.returncode, out, self._err.text())

    def _plug(self, ears: Mapping[int, Hear]) -> None:
        out, err = self._child.stdout, self._child.stderr
        assert out is not None  # noqa: S101 - for the type
        assert err is not None  # noqa: S101 - for the type
        self._streams = {out.fileno(): None, err.fileno(): self._err.add, **ears}
        self._ears = ears
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)
        with suppress(OSError):  # a sandbox may not know it; then its end is seen a step later
            self._exit = os.pidfd_open(self._child.pid)
            self._poll.register(self._exit, select.POLLIN)

    @property
    def _is_heard_out(self) -> bool:
        """Whether nobody holds its standard streams; of the ears we hold the other ends too."""
        return self._streams.keys() <= self._ears.keys()

    def _listen(self, ends: float, watch: Watch) -> Generator[bytes, None, None]:
        patience = math.inf  # until when those are waited for who hold its streams after its end
        while not (self._is_heard_out and session.has_exited(self._child.pid)):
            now = self._clock.now()
            if now >= ends:
                raise Overdue
            if now >= patience:
                break
            watch.look(now)
            if patience == math.inf and session.has_exited(self._child.pid):
                patience = now + GRACE
            yield from self._heard(min(ends, watch.next, patience) - now)
        yield from self._heard(0)

    def _heard(self, seconds: float) -> Generator[bytes, None, None]:
        """Take what it writes, for at most so long."""
        # whoever traces it is told of its end before us
        told = self._exit is not None and not self._has_ended
        longest = min(seconds, _LONGEST if told else _STEP)
        for descriptor, _ in self._poll.poll(max(0.0, longest) * 1000):
            if descriptor == self._exit:
                self._poll.unregister(descriptor)  # it has said all it can
                self._has_ended = True
            else:
                yield from self._take(descriptor)

    def _take(self, descriptor: int) -> Generator[bytes, None, None]:
        try:
            block = os.read(descriptor, _BLOCK)
        except BlockingIOError:
            return
        hear = self._streams[descriptor]
        if not block:
            self._poll.unregister(descriptor)
            del self._streams[descriptor]
        elif hear is None:
            yield block
        else:
            hear(block)

    def _end(self) -> None:
        """Ask all of it to end, and make it end if it does not."""
        self._tell(signal.SIGTERM)
        if not self._over.wait(GRACE):
            self._tell(signal.SIGKILL)

    def _tell(self, signum: signal.Signals) -> None:
        with self._lock:  # once it was waited for its number may be somebody else's
            if self._child.returncode is None:
                session.tell(self._child.pid, signum)

    def _clean_up(self) -> None:
        try:
            if not (self._is_heard_out and session.has_exited(self._child.pid)):
                self._see_it_end()
        finally:
            self._over.set()
            with self._lock:
                self._child.wait()
            self._close()

    def _close(self) -> None:
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.close()
        if self._exit is not None:
            os.close(self._exit)

    def _see_it_end(self) -> None:
        if self._is_gone():
            return
        self._tell(signal.SIGTERM)
        if not self._is_gone_within(GRACE):
            self._tell(signal.SIGKILL)
            self._is_gone_within(GRACE)

    def _is_gone_within(self, seconds: float) -> bool:
        until = self._clock.now() + seconds
        while not self._is_gone():
            if self._clock.now() >= until:
                return False
            self._over.wait(_STEP)
        return True

    def _is_gone(self) -> bool:
        if not session.has_exited(self._child.pid):
            return False
        return next(session.members(self._child.pid), None) is None
