"""How a running step learns that it should end, or go on at once; who may ask (signals) is the engine's concern."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stop:
    """A request to end, shared by all threads of a run.

    Attributes:
        nudges: where whoever waits is asked to go on at once; a signal handler may put something there at any time.
        signum: the signal that asked for the end, or None.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.RLock()  # re-entrant: a signal may arrive while the main thread holds it
        self._callbacks: list[Callable[[], object]] = []
        self._in_flight = 0
        self._landed = threading.Condition(self._lock)
        self.signum: int | None = None
        self.nudges: queue.SimpleQueue[int] = queue.SimpleQueue()

    def request(self, signum: int) -> None:
        """Ask for the end: wake every sleep and call every callback, each in a thread of its own.

        It is called from a signal handler's thread, so it must never wait for a lock that a step may hold for long.
        """
        if self.signum is not None:
            return
        self.signum = signum
        self._event.set()
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            threading.Thread(target=_call, args=(callback,), daemon=True, name="stop").start()

    def check(self) -> None:
        """Raise `Stopped` if the end was asked for."""
        if self.signum is not None:
            raise Stopped(self.signum)

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`; raise `Stopped` as soon as the end is asked for."""
        self._event.wait(min(seconds, threading.TIMEOUT_MAX))
        self.check()

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Have `callback` called, once and in another thread, if the end is asked for inside the block.

        It is what unblocks a call that no flag can interrupt: cancel a statement, end a child.
        """
        self.check()
        with self._lock:
            self._callbacks.append(callback)
        try:
            self.check()  # a request that came just before does not know of the callback
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Mark work that needs cleaning up after: the run waits for the end of the block, for at most 10 s."""
        self.check()
        with self._lock:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1
                self._landed.notify_all()

    def settle(self, seconds: float) -> None:
        """Wait until nothing is in flight any more, for at most so many seconds."""
        with self._landed:
            self._landed.wait_for(lambda: not self._in_flight, seconds)

    @property
    def has_work_in_flight(self) -> bool:
        """Whether something is under way that should be left whole."""
        return self._in_flight > 0


def _call(callback: Callable[[], object]) -> None:
    # what it was to unblock may have ended meanwhile, and with it a connection that it would use
    with suppress(Exception):
        callback()
