"""Keeps the main thread free for signals while the work is done in another.

A blocking call in C (a name look-up, a driver's wait) keeps Python's signal handlers from running in its thread; here
they always run, and what cannot be interrupted is left behind.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from initkit.core.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from initkit.core.clock import Clock
    from initkit.core.stop import Stop

T = TypeVar("T")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE = 10.0  # seconds that work in flight gets to clean up; what is not cleaned then, the next run cleans
SHORT_GRACE = 0.5  # seconds for everything else to notice
_LAST_WORDS = 2.0  # seconds for the summary, once work has ended or is given up
_SAME = 0.1  # seconds in which a second signal is the first one, sent twice
_TICK = 1.0  # seconds between two calls of `tick`


class Host(Generic[T]):
    """Runs one function in a thread until it ends, or until a signal asked for the end and the grace is over.

    Args:
        stop: is told of SIGTERM and SIGINT.
        clock: the time.
        tick: called about once a second.
        nudged: whether SIGHUP has the function go on at once; else it ends the program, as it does any other.
    """

    def __init__(self, stop: Stop, clock: Clock, tick: Callable[[], object], *, nudged: bool = False) -> None:
        self._stop = stop
        self._clock = clock
        self._tick = tick
        self._nudged = nudged
        self._mail: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._value: list[T] = []
        self._error: list[BaseException] = []
        self._signalled = 0.0

    def run(self, work: Callable[[], T]) -> T:
        """What `work` returns.

        Raises:
            Stopped: a signal asked for the end, whether or not `work` has ended by now.
        """
        thread = threading.Thread(target=self._work, args=(work,), daemon=True, name="work")
        with self._signals():
            # a handler that starts threads itself must not interrupt the start of one
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            thread.start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._wait()
        if self._error:
            raise self._error[0]
        if not self._value:
            raise Stopped(self._stop.signum or signal.SIGTERM)
        return self._value[0]

    def _work(self, work: Callable[[], T]) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # children inherit the mask
        try:
            self._value.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the main thread
            self._error.append(error)
        finally:
            self._mail.put("ended")

    def _wait(self) -> None:
        until = float("inf")
        while self._clock.now() < until:
            try:
                message = self._mail.get(timeout=min(_TICK, max(0.0, until - self._clock.now())))
            except queue.Empty:
                self._tick()
                continue
            if message == "ended":
                return
            until = self._clock.now() + (GRACE if self._stop.has_work_in_flight else SHORT_GRACE)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {signum: signal.signal(signum, self._on_signal) for signum in SIGNALS}
        if self._nudged:
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_hangup)
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        now = self._clock.now()
        if self._stop.signum is not None:
            if now - self._signalled < _SAME:
                return  # a group of children and its leader may both be told, as timeout(1) does
            os._exit(128 + signum)  # the second one: at once, whatever is under way
        self._signalled = now
        self._stop.request(signum)
        self._mail.put("stop")  # SimpleQueue is the one queue that a signal handler may use
        self._end_anyway(128 + signum)

    def _on_hangup(self, signum: int, _frame: FrameType | None) -> None:
        if self._stop.nudges.empty():
            self._stop.nudges.put(signum)

    def _end_anyway(self, code: int) -> None:
        """See to an end even where the last words cannot be said, as when nobody reads standard error."""
        grace = (GRACE if self._stop.has_work_in_flight else SHORT_GRACE) + _LAST_WORDS
        timer = threading.Timer(grace, os._exit, (code,))
        timer.daemon = True
        timer.start()
