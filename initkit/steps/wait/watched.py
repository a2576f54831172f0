"""One target of a wait: when it is looked at next, and what its answers amount to; `watch` makes the attempts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, TemporaryError, TimedOutError
from initkit.core.retry import Attempts, RetryPolicy
from initkit.core.values import show_duration
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from initkit.core.clock import Timer
    from initkit.core.step import Voice
    from initkit.core.values import HostPort
    from initkit.steps.wait.net.dial import Dialer
    from initkit.steps.wait.step import Wait
    from initkit.steps.wait.target import Target

DEFAULTS = RetryPolicy(timeout=300.0, interval=0.05, max_interval=0.25, steady=10.0, attempt_timeout=3.0)
TOGETHER = 4  # attempts at one target that are under way at a time
_EARLY, _LONG = 0.1, 0.2  # share of a pause, which is left to chance anyway; of a long one no more than of this
_USED_UP = 0.8  # share of its time after which an attempt's failure is for want of more
_TELLING = 0.5  # seconds for which a reason that has not changed is not told again
_SILENCE = "check that it is running, and that network policies let us through"


class Beat:
    """A timer whose chance is the same until the next beat: what fails together is looked at together again.

    To wake up takes longer than a look does, and the servers of one pod's targets gain nothing by being asked apart.
    """

    def __init__(self, timer: Timer) -> None:
        self.now = timer.now
        self._draw = timer.chance
        self._chance: float | None = None

    def next(self) -> None:
        """Draw anew."""
        self._chance = None

    def chance(self) -> float:
        """A random number, evenly from [0, 1)."""
        if self._chance is None:
            self._chance = self._draw()
        return self._chance


class Watched:
    """One target's state.

    Attributes:
        place: its number among the targets.
        endpoint: where connecting is all that the target wants: to where.
        where: the same, in words.
        dialer: what connects there.
        lacks_addresses: whether the name is still being looked up.
        wakes_at: when there is something to do about it, unless an answer comes before.
        serial: of the attempt whose answer is waited for; 0 when none is.
        latest: serial of the newest attempt, whether or not it has been answered.
        silent_at: when that attempt has been silent for long enough.
        under_way: threads that are busy with it, those of older attempts included.
        slack: seconds that its next attempt may come early.
        is_queued: for `watch`: it waits for room to begin an attempt.
        planned: for `watch`: when it is on the agenda.
        is_counted: for `watch`: that it is settled has been noticed.
    """

    def __init__(self, place: int, step: Wait, timer: Timer, voice: Voice, deadline: float) -> None:
        self.place = place
        self.target: Target = step.targets[place]
        self.endpoint: HostPort | None = getattr(self.target, "endpoint", None)
        self.where = str(self.endpoint or "")
        self.dialer: Dialer | None = None
        self.lacks_addresses = False
        self.attempts = Attempts(paced(step.retry, self.target), timer, deadline=deadline)
        self.wakes_at = timer.now()
        self.serial = 0
        self.latest = 0
        self.silent_at = math.inf
        self.under_way = 0
        self.slack = 0.0
        self.error: InitkitError | None = None
        self.is_ready = False
        self.is_lost = False
        self.is_counted = False
        self.is_queued = False
        self.planned = math.inf
        self._began = timer.now()
        self._attempt_began = timer.now()
        self._is_cut = False
        self._ends_at = math.inf
        self._has_reached = False
        self._judged = 0  # serial of the last attempt that was judged
        self._step = step
        self._timer = timer
        self._voice = voice
        self._silent_since = math.inf
        self._streak = 0
        self._streak_began = 0.0
        self._told = ""
        self._tells_at = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be done about it."""
        return self.is_ready or self.is_lost

    @property
    def why(self) -> str:
        """Why it is not ready."""
        return self.error.cause if self.error else "no answer yet"

    def begin(self, serial: int) -> float:
        """An attempt begins; return the seconds that it has.

        Raises:
            TimedOutError: the deadline is past.
        """
        limit = self.attempts.begin()
        now = self._timer.now()
        self.serial = self.latest = serial
        self._has_reached, self.slack = False, 0.0
        self._attempt_began, self._ends_at = now, now + limit
        self._is_cut = limit < self.attempts.policy.attempt_timeout
        # one that is silent so far is joined by another, unless that would be one too many
        most = self.attempts.policy.attempts
        overlaps = not most or self.attempts.number < most
        self.silent_at = self.wakes_at = now + limit / TOGETHER if overlaps else self._ends_at
        return limit

    def reached(self, serial: int) -> None:
        """Somebody answers that attempt at the other end: another one would not be quicker. For any thread."""
        if serial == self.serial:
            self._has_reached = True

    def is_silent(self, now: float) -> bool:
        """Whether the attempt under way has been waited for long enough; if not, it sets when to ask again."""
        if self._has_reached:
            self.silent_at = self.wakes_at = self._ends_at
        return now >= self.silent_at

    def heard(self, serial: int, detail: str, error: InitkitError | None, pause: float) -> None:
        """An attempt has been answered.

        Args:
            serial: which one; an older one that succeeds counts as well as the newest.
            detail: what was found.
            error: why it failed; None where it succeeded.
            pause: shortest pause before the next attempt, in seconds.
        """
        if self.is_settled:
            return
        wanted, error = self._wanted(detail, error)
        if wanted is not None:
            self._silent_since = math.inf
            self._succeeded(serial, wanted, pause)
        elif error is not None and serial > self._judged:
            self._silent_since = math.inf
            self._failed(serial, self._whole(error), pause)

    def silent(self, cause: str, pause: float = 0.0) -> None:
        """The newest attempt has not been answered so far, or not in time.

        It is a failure once nothing was heard for as long as an attempt may take; before that another attempt joins it,
        and what was heard last is still the reason: answers may just be slow.
        """
        now = self._timer.now()
        error = TemporaryError(f"reach {self.target.name}", cause, _SILENCE)
        self._silent_since = min(self._silent_since, self._attempt_began)
        if now >= self._ends_at or now - self._silent_since >= self.attempts.policy.attempt_timeout:
            self._failed(self.serial, self._whole(error), pause)
            return
        if self.error is None:
            self._missing(error)
        self.serial, self.silent_at = 0, math.inf
        self._pause_for(pause)

    def gave_up(self, error: InitkitError) -> None:
        """Nothing more will be tried."""
        self.is_lost, self.error, self.serial, self.wakes_at = True, error, 0, math.inf

    def time_is_up(self) -> None:
        """The deadline has come."""
        if not self.is_settled:
            error = self.error or TemporaryError(f"reach {self.target.name}", "no answer", _SILENCE)
            self.gave_up(self.attempts.timed_out(error))
            self._missing(error)

    def _wanted(self, detail: str, error: InitkitError | None) -> tuple[str | None, InitkitError | None]:
        """What is shown where the answer is the one that is waited for, else why it is not."""
        if not self._step.not_:
            return (detail, None) if error is None else (None, error)
        if isinstance(error, AbsentError):
            return f"is gone ({error.cause})", None
        still = TemporaryError(f"see {self.target.name} gone", f"it still {detail}", "check who is to end it")
        return None, error or still

    def _whole(self, error: InitkitError) -> InitkitError:
        """What was heard before, where this attempt had less than its time and has used it up: it proves nothing."""
        now = self._timer.now()
        used_up = now - self._attempt_began >= (self._ends_at - self._attempt_began) * _USED_UP
        before = self.error
        return before if self._is_cut and used_up and isinstance(before, TemporaryError) else error

    def _succeeded(self, serial: int, detail: str, pause: float) -> None:
        now = self._timer.now()
        if self._needs_streak and serial <= self._judged:
            return  # what came after it has been judged already
        if not self._streak:
            self._streak_began = now
        self._streak += 1
        if self._streak >= self._step.successes and now - self._streak_began >= self._step.stable:
            self.is_ready, self.serial, self.error, self.wakes_at = True, 0, None, math.inf
            spent = now - self._began
            self._voice.found(self.target.name, detail, attempts=self.attempts.number, seconds=spent)
            return
        so_far = TemporaryError(f"see {self.target.name} stay {self._step.wanted}", self._so_far(detail))
        self._judged = serial
        has_newer = serial < self.serial
        self._judge(so_far, pause, has_newer=has_newer)
        if not self.is_lost and not has_newer:
            self._pause_for(min(self.wakes_at - now, max(pause, self.attempts.policy.interval)))

    @property
    def _needs_streak(self) -> bool:
        return self._step.successes > 1 or self._step.stable > 0

    def _so_far(self, detail: str) -> str:
        parts = [show_duration(self._step.stable)] if self._step.stable else []
        parts += [f"{self._step.successes} looks in a row"] if self._step.successes > 1 else []
        return f"{detail}, which is to hold for {' and '.join(parts)}"

    def _failed(self, serial: int, error: InitkitError, pause: float) -> None:
        self._streak, self._judged = 0, serial
        has_newer = 0 < serial < self.serial
        if has_newer and self.attempts.policy.attempts and isinstance(error, TemporaryError):
            self._missing(error)  # the last attempt that is allowed is still under way
        else:
            self._judge(error, pause, has_newer=has_newer)

    def _judge(self, error: InitkitError, pause: float, *, has_newer: bool = False) -> None:
        verdict = self.attempts.judge(error)
        if verdict.error:
            self.gave_up(verdict.error)
        elif not has_newer:  # else the newer attempt goes on
            self.serial, self.silent_at = 0, math.inf
            self._pause_for(max(verdict.pause, pause * (0.8 + 0.4 * self._timer.chance())))
        self._missing(error)

    def _pause_for(self, seconds: float) -> None:
        now = self._timer.now()
        self.wakes_at = min(now + seconds, self.attempts.deadline)
        self.slack = min(self.wakes_at - now, _LONG) * _EARLY

    def _missing(self, error: InitkitError) -> None:
        now = self._timer.now()
        if not self.is_lost:
            self.error = error
            if error.cause == self._told and now < self._tells_at:
                return
        self._told, self._tells_at = error.cause, now + _TELLING
        self._voice.missing(self.target.name, error.cause, attempts=self.attempts.number)

    def plain(self) -> str:
        """The reason itself, without how long it was tried."""
        error = self.error
        while isinstance(error, TimedOutError) and isinstance(error.__cause__, InitkitError):
            error = error.__cause__
        return error.cause if error else self.why


def paced(policy: RetryPolicy, target: Target) -> RetryPolicy:
    """The policy with the scheme's own pace, where nothing else was asked for."""
    own = {
        name: getattr(target.pace, name)
        for name in ("interval", "max_interval")
        # the very object: a value that was read is another one, even where it says the same
        if getattr(policy, name) is getattr(DEFAULTS, name)
    }
    return replace(policy, **own)
