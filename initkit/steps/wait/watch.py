"""Looks at many targets side by side until they are ready; what a look is belongs to each scheme.

The loop is written by hand, without tenacity or asyncio, because it is what most pods run first and must start quickly.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, TemporaryError, TimedOutError
from initkit.core.outcome import Outcome
from initkit.core.record import Record
from initkit.core.retry import Attempts, RetryPolicy
from initkit.core.values import show_duration

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.wait.step import Wait
    from initkit.steps.wait.target import Target

Launch = Callable[[Callable[[], None]], None]
DEFAULTS = RetryPolicy(timeout=300.0, interval=0.05, max_interval=0.25, attempt_timeout=3.0)
_OVERLAPPING = 4  # probes of one target at a time: one that never ends must not keep the next from being made


class _Answer(Record):
    """What a probe came back with: the `detail` of a target that is ready, or an error."""

    place: int
    serial: int
    detail: str = ""
    error: BaseException | None = None


class _Watched:
    """One target's state."""

    def __init__(self, place: int, target: Target, attempts: Attempts, now: float) -> None:
        self.place = place
        self.target = target
        self.attempts = attempts
        self.next_at = now
        self.serial = 0  # of the probe whose answer is waited for; 0 when none is under way
        self.ends_at = math.inf
        self.limit = 0.0  # seconds that the probe under way has
        self.under_way = 0
        self.ready = False
        self.error: InitkitError | None = None

    @property
    def is_crowded(self) -> bool:
        """Whether only the end of a probe makes room for another."""
        return self.under_way >= _OVERLAPPING

    @property
    def wakes_at(self) -> float:
        """When there is something to do about it, unless an answer comes before."""
        if self.serial:
            return self.ends_at
        return math.inf if self.ready or self.is_crowded else self.next_at

    @property
    def why(self) -> str:
        return self.error.cause if self.error else "no answer yet"


class Crew:
    """Daemon threads that are used again: a probe that hangs for ever costs one, and keeps no one from leaving."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads = 0

    def launch(self, job: Callable[[], None]) -> None:
        """Have `job` done, now."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="probe").start()
        self._jobs.put(job)

    def close(self) -> None:
        """Send everyone home who is not stuck."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            with self._lock:
                self._idle += 1


class Watch:
    """One wait: its targets, their probes under way, and the mailbox that the answers come to."""

    def __init__(self, step: Wait, context: Context, *, launch: Launch | None = None) -> None:
        self._step = step
        self._context = context
        self._clock = context.clock
        self._crew = Crew()
        self._launch = launch or self._crew.launch
        self._mail: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._began = context.clock.now()
        self._serials = 0
        self._all = [
            _Watched(
                i, target, Attempts(paced(step.retry, target), context.clock, deadline=context.deadline), self._began
            )
            for i, target in enumerate(step.targets)
        ]

    def run(self) -> Outcome:
        """Return once enough targets are ready.

        Raises:
            TimedOutError: the deadline came first.
            PermanentError: waiting on is pointless.
        """
        try:
            while not self._enough():
                self._fail_if_pointless()
                self._launch_due()
                self._receive()
        finally:
            self._crew.close()
        ready = [watched.target.name for watched in self._all if watched.ready]
        return Outcome.ok(counted(len(ready), "ready"), {"ready": ready})

    def look(self) -> tuple[list[str], dict[str, str]]:
        """Probe every target once; the names of those that are ready, and of the others with the reason."""
        for watched in self._all:
            self._probe(watched)
        try:
            while any(watched.serial for watched in self._all):
                self._receive()
        finally:
            self._crew.close()
        ready = [watched.target.name for watched in self._all if watched.ready]
        return ready, {watched.target.name: watched.why for watched in self._all if not watched.ready}

    def _enough(self) -> bool:
        ready = sum(watched.ready for watched in self._all)
        return ready > 0 if self._step.any else ready == len(self._all)

    def _fail_if_pointless(self) -> None:
        """Raise once no further probe can help: one lost target is enough, with `any` all of them."""
        lost = [watched for watched in self._all if watched.error is not None and not self._may_go_on(watched)]
        if lost and (not self._step.any or len(lost) == len(self._all)):
            raise self._failure(lost)

    def _may_go_on(self, watched: _Watched) -> bool:
        return watched.next_at < math.inf

    def _failure(self, lost: Sequence[_Watched]) -> InitkitError:
        errors = [watched.error for watched in lost if watched.error]
        final = next((error for error in errors if not isinstance(error, TimedOutError)), errors[0])
        if not isinstance(final, TimedOutError) and not self._step.any:
            return final
        missing = [watched for watched in self._all if not watched.ready]
        if len(self._all) == 1:
            return final
        why = "; ".join(f"{watched.target.name}: {_plain(watched)}" for watched in missing)
        spent = show_duration(round(self._clock.now() - self._began, 1))
        advice = ", ".join(dict.fromkeys(w.error.advice for w in missing if w.error and w.error.advice))
        task = f"wait for {len(missing)} of {len(self._all)} targets"
        failure = type(final)(task, f"{why} (gave up after {spent})", advice)
        failure.__cause__ = final
        return failure

    def _launch_due(self) -> None:
        now = self._clock.now()
        for watched in self._all:
            if watched.ready or watched.serial or now < watched.next_at:
                continue
            if watched.is_crowded and self._context.remaining > 0:
                continue
            try:
                self._probe(watched)
            except TimedOutError as error:
                watched.error, watched.next_at = error, math.inf

    def _probe(self, watched: _Watched) -> None:
        timeout = watched.attempts.begin()
        self._serials += 1
        serial = self._serials
        watched.serial, watched.ends_at, watched.limit = serial, self._clock.now() + timeout, timeout
        watched.under_way += 1
        context = self._context.but(attempt_timeout=timeout)

        def job() -> None:
            try:
                answer = _Answer(watched.place, serial, watched.target.probe(context))
            except BaseException as error:  # noqa: BLE001 - it is judged, or raised again, where it is received
                answer = _Answer(watched.place, serial, error=error)
            self._mail.put(answer)

        self._launch(job)

    def _receive(self) -> None:
        """Take the next answer, or what a probe that does not answer in time amounts to."""
        now = self._clock.now()
        wake = min([*(watched.wakes_at for watched in self._all), self._context.deadline])
        answer = self._clock.receive(self._mail, max(0.0, wake - now))
        if answer is not None:
            self._settle(answer)
        now = self._clock.now()
        for watched in self._all:
            if watched.serial and now >= watched.ends_at:
                self._judge(watched, _silence(watched))

    def _settle(self, answer: _Answer) -> None:
        watched = self._all[answer.place]
        watched.under_way -= 1
        if watched.ready:
            return
        if answer.error is None:
            self._found(watched, answer.detail)
        elif not isinstance(answer.error, InitkitError):
            raise answer.error
        elif answer.serial == watched.serial:  # a late failure was judged already, when it was late
            self._judge(watched, answer.error)

    def _found(self, watched: _Watched, detail: str) -> None:
        watched.ready, watched.serial, watched.error = True, 0, None
        spent = self._clock.now() - self._began
        self._context.voice.found(watched.target.name, detail, attempts=watched.attempts.number, seconds=spent)

    def _judge(self, watched: _Watched, error: InitkitError) -> None:
        watched.serial, watched.ends_at = 0, math.inf
        verdict = watched.attempts.judge(error)
        watched.error = verdict.error or error
        watched.next_at = math.inf if verdict.error else self._clock.now() + verdict.pause
        self._context.voice.missing(watched.target.name, error.cause, attempts=watched.attempts.number)


def _silence(watched: _Watched) -> TemporaryError:
    limit = show_duration(round(watched.limit, 3))
    advice = "check that it is running, and that network policies let us through"
    return TemporaryError(f"reach {watched.target.name}", f"no answer within {limit}", advice)


def _plain(watched: _Watched) -> str:
    """The reason itself, without how long it was tried."""
    error = watched.error
    while error is not None and isinstance(error, TimedOutError) and isinstance(error.__cause__, InitkitError):
        error = error.__cause__
    return error.cause if error else watched.why


def paced(policy: RetryPolicy, target: Target) -> RetryPolicy:
    """The policy with the scheme's own pace, where nothing else was asked for."""
    own = {
        name: getattr(target.pace, name)
        for name in ("interval", "max_interval")
        # the very object: a value that was read is another one, even where it says the same
        if getattr(policy, name) is getattr(DEFAULTS, name)
    }
    return replace(policy, **own)


def look(step: Wait, context: Context) -> tuple[list[str], dict[str, str]]:
    """Probe every target of `step` once."""
    return Watch(step, context).look()


def counted(number: int, what: str) -> str:
    """``1 target ready``, ``3 targets ready``."""
    return f"{number} target{'' if number == 1 else 's'} {what}"
