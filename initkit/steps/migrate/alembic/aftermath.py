"""What a failed upgrade comes to, once all of it that no rollback undoes is undone, or known to be left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.clock import SystemClock
from initkit.core.errors import InitkitError, PermanentError, Stopped, TemporaryError
from initkit.core.stop import Stop

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.migrate.alembic.halfway import Halfway
    from initkit.steps.migrate.alembic.progress import Progress
    from initkit.steps.migrate.engine import Guard

_CLEARING = 4.0  # seconds that dropping an index may take: a run that a signal ends has 10, and the child took some
_LOCKED = ("55P03", "40P01")  # lock_not_available, deadlock_detected
_SHOWN = 200  # characters of a statement
_BY_HAND = "see what is there of it, and undo or finish that by hand"


class Aftermath:
    """Under the lock still: one failed upgrade."""

    def __init__(self, progress: Progress, halfway: Halfway, guard: Guard) -> None:
        self._progress, self._halfway, self._guard = progress, halfway, guard

    def of(self, error: InitkitError | Stopped, state: str, context: Context) -> InitkitError | Stopped:
        """The error to end with, after clearing away what can be.

        Args:
            error: what the upgrade met.
            state: the SQLSTATE of that, or empty.
            context: of the running step; a signal may have asked for its end.
        """
        half = self._cleared(context) if self._progress.unrecorded else None
        if isinstance(error, Stopped):
            if half:
                context.voice.warn(str(half))
            return error
        if half:
            advice = "; ".join(filter(None, (half.advice, error.advice)))
            return PermanentError(error.task, f"{error.cause}; {half.cause}", advice)
        return self._with_blocker(error, state)

    def _cleared(self, context: Context) -> PermanentError | None:
        """Undo what can be; return what a person must do."""
        if not self._progress.is_traced:
            what = "; ".join(" ".join(left.statement.split())[:_SHOWN] for left in self._progress.unrecorded)
            return PermanentError(
                "undo it", f"it works outside transactions; what it may have left is: {what}", _BY_HAND
            )
        stop = Stop()  # this is what is done after a signal
        calm = context.but(stop=stop, clock=SystemClock(stop))
        try:
            self._halfway.settle(calm, self._guard.tag, seconds=_CLEARING)
        except PermanentError as half:
            return half
        except InitkitError as later:
            context.voice.warn(f"{later}: the next run undoes what this one has left")
        return None

    def _with_blocker(self, error: InitkitError, state: str) -> InitkitError:
        blocker = self._guard.blocker()
        if not (isinstance(error, TemporaryError) and state in _LOCKED and blocker):
            return error
        advice = error.advice or "all is rolled back, and tried again"
        return type(error)(error.task, f"{error.cause}: it is held by {blocker}", advice)
