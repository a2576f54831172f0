"""The only source of time, sleep and chance, so that tests can own all three."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import select

    from initkit.core.stop import Stop

T = TypeVar("T")


class Timer(Protocol):
    """What it takes to decide when something is done again."""

    def now(self) -> float:
        """Monotonic seconds since some moment."""
        ...

    def chance(self) -> float:
        """A random number, evenly from [0, 1)."""
        ...


class Clock(Timer, Protocol):
    """Time in seconds."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Sleep; raises `Stopped` as soon as the end is asked for."""
        ...

    def receive(self, mailbox: queue.SimpleQueue[T], seconds: float) -> T | None:
        """Wait for at most `seconds` for what arrives; None when nothing did. Raises `Stopped`."""
        ...

    def poll(self, poll: select.epoll, seconds: float) -> list[tuple[int, int]]:
        """Wait for at most `seconds` for an event on a descriptor; whoever calls has it wake up at the end's request.

        Raises `Stopped`.
        """
        ...


class SystemClock:
    """The real one; its sleeps end at once when `stop` is requested."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or raise `Stopped`."""
        self._stop.wait(max(0.0, seconds))

    def chance(self) -> float:
        """A random number from [0, 1)."""
        import random  # noqa: PLC0415 - 2 ms that a run whose first look succeeds never pays

        return random.random()

    def receive(self, mailbox: queue.SimpleQueue[T], seconds: float) -> T | None:
        """Wait for at most `seconds` for what arrives in `mailbox`, or raise `Stopped`."""
        self._stop.check()
        try:
            with self._stop.calling(lambda: mailbox.put(None)):  # type: ignore[arg-type]
                item = mailbox.get(timeout=max(0.0, min(seconds, _LONGEST_WAIT)))
        except queue.Empty:
            item = None
        if item is not None and self._stop.signum is not None:
            mailbox.put(item)  # for whoever cleans up: it may be a connection
        self._stop.check()
        return item

    def poll(self, poll: select.epoll, seconds: float) -> list[tuple[int, int]]:
        """Wait for at most `seconds` for an event, or raise `Stopped`; see `Clock.poll`."""
        self._stop.check()
        events = poll.poll(max(0.0, min(seconds, _LONGEST_WAIT)))
        self._stop.check()
        return events


def pause(clock: Clock, nudges: queue.SimpleQueue[int], seconds: float) -> None:
    """Sleep for `seconds`, or until somebody nudges; all nudges so far count as one. Raises `Stopped`."""
    until = clock.now() + seconds
    nudge = None
    while nudge is None and (left := until - clock.now()) > 0:
        nudge = clock.receive(nudges, left)
    while not nudges.empty():
        nudges.get()


_LONGEST_WAIT = 3600.0  # seconds; a longer wait is asked again by whoever waits
