"""Watches in a thread that the lock is still held, and who blocks our sessions; how to ask is the lock's business."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from initkit.core.errors import InitkitError, TemporaryError
from initkit.steps.migrate.guard.words import WHAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.core.step import Context

_PAUSE, _SHORTEST = 1.0, 0.02  # seconds between two looks
_JOINING = 15.0  # seconds; more than a question may take
_UNDER_WAY = "the migration under way"


class LostError(Exception):
    """The lock is not held any more; its text says why."""


class Watched(Protocol):
    """A lock that can tell of itself; nobody else uses its connection meanwhile."""

    def look(self) -> str:
        """Who blocks a session of ours, for messages; empty where nobody does. It ends in bounded time.

        Raises:
            LostError: the lock is not held any more, or that cannot be told.
        """
        ...


class Watch:
    """Sees to one lock for as long as it should be held.

    Args:
        lock: the lock.
        context: of the running step.
        waits: seconds that a statement may wait for a table (0 = no limit): who blocks it is seen before they end.

    Attributes:
        blocker: who was last seen to block a session of ours.
        lost: why the lock is lost; empty while it is held.
    """

    def __init__(self, lock: Watched, context: Context, *, waits: float = 0.0) -> None:
        self.blocker = ""
        self.lost = ""
        self._pause = max(_SHORTEST, min(_PAUSE, waits / 4)) if waits else _PAUSE
        self._lock = lock
        self._context = context

    @contextmanager
    def watching(self, stop_work: Callable[[], object]) -> Iterator[None]:
        """See `initkit.steps.migrate.engine.Guard`."""
        self._see_that_it_is_held(None)
        self.blocker = ""
        done = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop_work, done), daemon=True, name="migration-lock")
        thread.start()
        try:
            yield
        except Exception as error:
            _end(thread, done)
            self._see_that_it_is_held(error)
            raise
        finally:
            _end(thread, done)
        self._see_that_it_is_held(None)

    def _see_that_it_is_held(self, error: Exception | None) -> None:
        if self.lost:
            done = error.done if isinstance(error, InitkitError) else ""
            advice = (
                "what was under way was stopped; the next attempt looks at what is recorded, and goes on from there"
            )
            raise TemporaryError(f"keep {WHAT}", self.lost, advice, done=done) from error

    def _run(self, stop_work: Callable[[], object], done: threading.Event) -> None:
        told = _Blocked(self._context)
        while True:
            try:
                blocker = self._lock.look()
            except LostError as lost:
                self.lost = str(lost)
                with suppress(Exception):  # what it was to stop may have ended by itself
                    stop_work()
                return
            self.blocker = blocker or self.blocker
            told.now(blocker)
            if done.wait(self._pause):
                told.now("")
                return


class _Blocked:
    """Says when a session of ours begins to wait for another's lock, and when it goes on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._looks = 0
        self._since = 0.0

    def now(self, blocker: str) -> None:
        clock, voice = self._context.clock, self._context.voice
        if blocker:
            self._since = self._since if self._looks else clock.now()
            self._looks += 1
            voice.missing(_UNDER_WAY, f"waits for a lock held by {blocker}", attempts=self._looks)
        elif self._looks:
            voice.found(_UNDER_WAY, "waits no longer", attempts=self._looks, seconds=clock.now() - self._since)
            self._looks = 0


def _end(thread: threading.Thread, done: threading.Event) -> None:
    done.set()
    thread.join(_JOINING)
