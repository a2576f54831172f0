"""A connection whose statements end in time, whatever the server does; it imports the driver, so import it late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from initkit.core.errors import TemporaryError

if TYPE_CHECKING:
    from psycopg.abc import PQGen

    from initkit.core.step import Context

T = TypeVar("T")
_LOOK = 0.05  # seconds between two looks at the time


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up waiting for the server at a certain moment, or when the end is asked for.

    It can only be closed then.
    """

    _context: Context | None = None
    _ends = 0.0
    task = ""

    def bound(self, context: Context, ends: float, task: str) -> None:
        """From now on, wait until `ends` on the context's clock at most; `task` is for messages."""
        self._context, self._ends, self.task = context, ends, task

    def silence(self) -> TemporaryError:
        """The error that says that there was no answer in time."""
        advice = "check that the server is not overloaded, or raise --attempt-timeout"
        return TemporaryError(self.task, "no answer to the query", advice)

    @property
    def left(self) -> float:
        """Seconds until then; never below a millisecond."""
        return max(0.001, self._ends - self._context.clock.now()) if self._context else 0.001

    def wait(self, gen: PQGen[T], interval: float = _LOOK, timeout: float | None = None) -> T:  # noqa: ARG002 - as psycopg has it
        """Have psycopg wait, and look in between.

        Raises:
            TemporaryError: the time is over.
            Stopped: the end was asked for.
        """
        return super().wait(self._watched(gen), min(interval, _LOOK))

    def _watched(self, gen: PQGen[T]) -> PQGen[T]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                self._look()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _look(self) -> None:
        if self._context is None:
            return
        self._context.stop.check()
        if self._context.clock.now() >= self._ends:
            raise self.silence()
