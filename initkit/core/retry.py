"""When there is another attempt, and when there is none; the loop itself belongs to whoever makes the attempts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError, TimedOutError
from initkit.core.options import Declared, Opt, declared
from initkit.core.record import Record
from initkit.core.values import Count, Duration, Pause, Share, show_duration

if TYPE_CHECKING:
    from initkit.core.clock import Timer

_SUSPECT_ANSWERS = 3
LONGEST_REQUEST = 3600.0  # seconds: a server that asks for more (a year, by a slip) is asked again after so long


@declared
class RetryPolicy(Declared):
    """How often, how long and how patiently a step tries."""

    timeout: Annotated[Duration, Opt("Give up after this long (0 = no limit); work under way is never cut off.")] = (
        300.0
    )
    interval: Annotated[Pause, Opt("Pause between two attempts, the first one.")] = 1.0
    max_interval: Annotated[Duration, Opt("Longest pause that exponential backoff may reach.")] = 10.0
    backoff: Annotated[Literal["fixed", "exponential"], Opt("How the pause grows: not at all, or doubling.")] = (
        "exponential"
    )
    steady: Annotated[Duration, Opt("Keep the first pause for this long before backoff makes it grow.")] = 0.0
    jitter: Annotated[Share, Opt("Share of each pause that is left to chance, either way.")] = 0.2
    attempts: Annotated[Count, Opt("Give up after this many attempts (0 = no limit).")] = 0
    attempt_timeout: Annotated[Pause, Opt("Longest time for one attempt to connect or to be answered.")] = 10.0
    suspect_for: Annotated[
        Duration,
        Opt(
            "Believe a wrong password, a missing database or the like once it was answered for this long (0 = at once)."
        ),
    ] = 60.0

    def pause(self, failures: int, chance: float) -> float:
        """Seconds to pause after so many failures in a row, with `chance` from [0, 1) as the jitter's source."""
        pause = self.interval
        if self.backoff == "exponential":
            longest = max(self.max_interval, self.interval)
            pause = longest if failures > _DOUBLINGS else min(self.interval * 2.0 ** (failures - 1), longest)
        return pause * (1 + self.jitter * (2 * chance - 1))


_DOUBLINGS = 64  # beyond this any interval has long reached its maximum, and a float may overflow


class Verdict(Record):
    """What follows a failed attempt: a pause in seconds, or the error that it all ends with."""

    pause: float = 0.0
    error: InitkitError | None = None


class Attempts:
    """Counts the attempts at one thing and decides after each failure: again, or no more.

    It keeps to the deadline: a pause is cut to it, an attempt's own timeout is cut to what is left, and no attempt
    begins once it is past.

    Attributes:
        number: attempts begun so far.
        started: when the first could begin, on `clock`.
        deadline: when no further attempt begins, on `clock`; infinite without a limit.
    """

    def __init__(self, policy: RetryPolicy, clock: Timer, *, deadline: float | None = None) -> None:
        self.policy = policy
        self.number = 0
        self._clock = clock
        self.started = clock.now()
        limit = self.started + policy.timeout if policy.timeout else math.inf
        self.deadline = limit if deadline is None else deadline
        self._grown = 0  # failures since backoff was let grow
        self._last: InitkitError | None = None
        self._answer = ""
        self._answers = 0
        self._answered_since = 0.0

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0; infinite without a limit."""
        return max(0.0, self.deadline - self._clock.now())

    def begin(self) -> float:
        """Count one more attempt; return its timeout in seconds, cut to what is left.

        Raises:
            TimedOutError: it would not be the first, and the deadline is past.
        """
        remaining = self.remaining
        if self.number and remaining <= 0:
            raise self.timed_out(self._last)
        self.number += 1
        return min(self.policy.attempt_timeout, remaining)

    def judge(self, error: InitkitError) -> Verdict:
        """Decide what follows an attempt that failed with `error`.

        A server that says after how long it wants to be asked again is left alone for so long, at most an hour and at
        most until the deadline: whoever starts this step again then is not early either.
        """
        self._last = error
        if not isinstance(error, TemporaryError):
            return Verdict(error=error)
        if isinstance(error, SuspectError):
            if self._is_believed(error):
                return Verdict(error=self._permanent(error))
        else:
            self._answers = 0
        if self.policy.attempts and self.number >= self.policy.attempts:
            return Verdict(error=self.timed_out(error))
        left = self.remaining
        if left <= 0:
            return Verdict(error=self.timed_out(error))
        asked_for = min(error.retry_after, LONGEST_REQUEST)
        return Verdict(min(max(self._pause(), asked_for), left), None)

    def timed_out(self, error: InitkitError | None) -> TimedOutError:
        """The error for a deadline or a number of attempts that is used up, caused by the last `error`."""
        spent = show_duration(round(self._clock.now() - self.started, 1))
        tries = "1 attempt" if self.number == 1 else f"{self.number} attempts"
        if error is None:
            return TimedOutError("finish", f"timed out after {spent} ({tries})")
        timed_out = TimedOutError(
            error.task, f"{error.cause} (gave up after {spent}, {tries})", error.advice, done=error.done
        )
        timed_out.__cause__ = error
        return timed_out

    def _pause(self) -> float:
        if self._clock.now() - self.started >= self.policy.steady:
            self._grown += 1
        return self.policy.pause(max(1, self._grown), self._clock.chance())

    def _is_believed(self, error: SuspectError) -> bool:
        if error.cause != self._answer or not self._answers:
            self._answer, self._answers, self._answered_since = error.cause, 0, self._clock.now()
        self._answers += 1
        if not self.policy.suspect_for:
            return True
        lasted = self._clock.now() - self._answered_since
        return self._answers >= _SUSPECT_ANSWERS and lasted >= self.policy.suspect_for

    def _permanent(self, error: SuspectError) -> PermanentError:
        cause = error.cause
        if self._answers > 1:
            lasted = show_duration(round(self._clock.now() - self._answered_since, 1))
            cause += f" (the same answer {self._answers} times over {lasted})"
        permanent = PermanentError(error.task, cause, error.advice, done=error.done)
        permanent.__cause__ = error
        return permanent
