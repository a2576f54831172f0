"""Runs the steps of a plan in order, each with its retry; how it looks to people is the reporter's concern."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from initkit.core.clock import pause
from initkit.core.errors import InitkitError, Stopped
from initkit.core.outcome import Outcome, Pending, Satisfied, Status
from initkit.core.retry import Attempts
from initkit.core.step import Applies, Context, Prepares, Stays, Watches
from initkit.engine import results
from initkit.engine.results import EXIT_FAILED, EXIT_WOULD_CHANGE, GOOD, LOOKED, Result
from initkit.engine.retrying import persist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from initkit.core.clock import Clock
    from initkit.core.step import Around
    from initkit.core.stop import Stop
    from initkit.engine.entries import Entry
    from initkit.engine.report import Reporter


class Runner:
    """One run of a plan.

    Attributes:
        results: of the steps that have ended so far, in the plan's order.
        current: the step under way and when it began, for whoever must give up on it.
    """

    def __init__(
        self, reporter: Reporter, clock: Clock, stop: Stop, environ: Mapping[str, str], *, checking: bool = False
    ) -> None:
        self.results: list[Result] = []
        self.current: tuple[Entry, float] | None = None
        self._reporter = reporter
        self._clock = clock
        self._stop = stop
        self._environ = environ
        self._checking = checking
        self._abandoned = False
        self._guard = threading.Lock()

    def run(self, plan: Sequence[Entry]) -> list[Result]:
        """Run every step whose needs succeeded; a step without needs does not care what others did.

        Raises:
            UsageError: a step was not told something that it needs; nothing was attempted.
            Stopped: the end was asked for; `results` has what had been done.
        """
        self._reporter.planned(len(plan))
        for entry in plan:
            if isinstance(entry.step, Prepares):
                entry.step.prepare(self._environ)
        for entry in plan:
            self._stop.check()
            self.current = (entry, self._clock.now())
            result = self._blocked(entry) or self._settled(entry)
            if not self._add(result):
                return self.results
        self._stop.check()  # what was asked to end is not to go on to a COMMAND, even if all is done
        return self.results

    def abandon(self, signum: int) -> None:
        """Record that the step under way was stopped by a signal, and that what would have followed was not run."""
        with self._guard:
            self._abandoned = True
            current, self.current = self.current, None
        if current is None:
            return
        entry, began = current
        seconds = self._clock.now() - began
        stopped = Stopped(signum)
        result = Result(
            entry.name, entry.step.kind, Status.STOPPED, f"by signal {signum}", seconds, exit_code=stopped.exit_code
        )
        self.results.append(result)
        self._reporter.ended(result)

    def _add(self, result: Result) -> bool:
        """Record how the step under way ended; False if nobody waits for that any more."""
        with self._guard:
            if self._abandoned:
                return False
            self.current = None
            self.results.append(result)
        self._reporter.ended(result)
        return True

    def _blocked(self, entry: Entry) -> Result | None:
        """The result of a step that may not run because of one that it needs."""
        ended = {result.name: result for result in self.results}
        blocker = next((ended[name] for name in entry.needs if ended[name].status not in GOOD), None)
        if blocker is None:
            return None
        if blocker.status in LOOKED:
            detail = f"until {blocker.name} has run"
            return Result(entry.name, entry.step.kind, Status.UNKNOWN, detail, exit_code=EXIT_WOULD_CHANGE)
        return Result(entry.name, entry.step.kind, Status.SKIPPED, f"because {blocker.name} did not succeed")

    def _settled(self, entry: Entry) -> Result:
        step, began = entry.step, self._clock.now()
        policy = replace(step.retry, attempts=1, suspect_for=0) if self._checking else step.retry
        attempts = Attempts(policy, self._clock)
        self._reporter.began(entry.name, step.kind, deadline=attempts.deadline)
        try:
            outcome, changes = self._look(entry, attempts) if self._checking else (self._done(entry, attempts), ())
        except InitkitError as error:
            spent, tried = self._clock.now() - began, self._tried(entry, attempts)
            return results.of_error(entry.name, step.kind, error, seconds=spent, attempts=tried)
        except Exception as error:  # noqa: BLE001 - a bug must end in a report too
            return self._bug(entry, error, self._clock.now() - began)
        spent, tried = self._clock.now() - began, self._tried(entry, attempts)
        result = results.of_outcome(entry.name, step.kind, outcome, seconds=spent, attempts=tried)
        code = EXIT_WOULD_CHANGE if outcome.status is Status.WOULD_CHANGE else 0
        return result.but(changes=changes, exit_code=code)

    def _tried(self, entry: Entry, attempts: Attempts) -> int:
        """How many attempts were made; a step that watches counts its own, of which the reporter was told."""
        told = self._reporter.tried(entry.name) if isinstance(entry.step, Watches) else 0
        return max(attempts.number, told)

    def _look(self, entry: Entry, attempts: Attempts) -> tuple[Outcome, tuple[str, ...]]:
        """``--check``: look once."""
        finding = persist(
            lambda: entry.step.check(self._context(entry, attempts)), attempts, self._clock.sleep, lambda _: None
        )
        if isinstance(finding, Satisfied):
            return Outcome.ok(finding.detail, finding.facts), ()
        return Outcome(Status.WOULD_CHANGE, finding.detail, finding.facts), finding.changes

    def _done(self, entry: Entry, attempts: Attempts) -> Outcome:
        if isinstance(entry.step, Watches):
            return entry.step.watch(self._context(entry, attempts))
        if isinstance(entry.step, Stays) and entry.step.stays:
            return self._stayed(entry, entry.step, attempts)
        return self._persisted(entry, attempts, self._clock.sleep, lambda attempt: attempt())

    def _stayed(self, entry: Entry, step: Stays, attempts: Attempts) -> NoReturn:
        """As any other step at first; that it is done is said at once, since there is no end to be told of."""

        def first(around: Around) -> Outcome:
            outcome = self._persisted(entry, attempts, self._pause, around)
            self._reporter.stays(entry.name)
            self._reporter.voice(entry.name).note(f"{outcome.status}: {outcome.detail}", **outcome.facts)
            return outcome

        step.stay(self._context_until(entry, math.inf, step.retry.attempt_timeout), first)

    def _pause(self, seconds: float) -> None:
        pause(self._clock, self._stop.nudges, seconds)

    def _persisted(self, entry: Entry, attempts: Attempts, sleep: Callable[[float], None], around: Around) -> Outcome:
        voice = self._reporter.voice(entry.name)

        def failed(error: InitkitError) -> None:
            self._reporter.gave_up(entry.name)
            voice.missing(entry.name, str(error), attempts=attempts.number)

        return persist(lambda: around(lambda: self._attempt(entry, attempts)), attempts, sleep, failed)

    def _attempt(self, entry: Entry, attempts: Attempts) -> Outcome:
        """Look, and change what is not so."""
        self._reporter.trying(entry.name)
        context = self._context(entry, attempts)
        finding = entry.step.check(context)
        if isinstance(finding, Satisfied):
            return Outcome.ok(finding.detail, finding.facts)
        return self._apply(entry, finding, context)

    def _apply(self, entry: Entry, finding: Pending, context: Context) -> Outcome:
        if not isinstance(entry.step, Applies):
            raise TypeError(f"a step of kind {entry.step.kind} can neither apply nor watch")
        context.voice.detail(finding.detail, changes=finding.changes)
        self._stop.check()
        return entry.step.apply(context)

    def _context(self, entry: Entry, attempts: Attempts) -> Context:
        timeout = attempts.begin()
        return self._context_until(entry, attempts.deadline, timeout)

    def _context_until(self, entry: Entry, deadline: float, timeout: float) -> Context:
        return Context(
            clock=self._clock,
            stop=self._stop,
            voice=self._reporter.voice(entry.name),
            environ=self._environ,
            deadline=deadline,
            attempt_timeout=timeout,
            looking=self._checking,
        )

    def _bug(self, entry: Entry, error: Exception, spent: float) -> Result:
        import traceback  # noqa: PLC0415 - only a bug needs it

        text = "".join(traceback.format_exception(error))
        detail = f"{type(error).__name__}: {error} (this is a bug in initkit or in a driver: please report it)"
        return Result(
            entry.name, entry.step.kind, Status.FAILED, detail, spent, 1, exit_code=EXIT_FAILED, traceback=text
        )
