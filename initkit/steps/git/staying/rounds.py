"""One round after another, for as long as the pod lives; what a round does is the step's business."""

from __future__ import annotations

import math
import re
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, Protocol

from initkit.core.clock import pause
from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.core.outcome import Outcome, Satisfied, Status
from initkit.core.retry import LONGEST_REQUEST
from initkit.core.values import show_duration
from initkit.steps.git.staying.standing import Standing
from initkit.steps.git.staying.telling import published_by

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from initkit.core.outcome import Finding
    from initkit.core.retry import RetryPolicy
    from initkit.core.step import Attempt, Context, Persist
    from initkit.core.values import HostPort

_MOST_TOLD = 100  # kinds of failures that are remembered; after that they are told again


class Repeated(Protocol):
    """A step as it is seen from here."""

    @property
    def retry(self) -> RetryPolicy:
        """How the pauses after failures grow, and how patient a round is."""
        ...

    @property
    def every(self) -> float:
        """Seconds between two rounds."""
        ...

    @property
    def max_failures(self) -> int:
        """How many failures in a row are too many; 0 for any number."""
        ...

    @property
    def listen(self) -> HostPort | None:
        """Where health and metrics are told."""
        ...

    @property
    def repository(self) -> object:
        """Where the content comes from, for people."""
        ...

    @property
    def ref(self) -> str:
        """What of it is published."""
        ...

    def check(self, context: Context) -> Finding:
        """What there is to do."""
        ...

    def apply(self, context: Context) -> Outcome:
        """Do it; the fact ``told`` says whether ``--exec`` was run."""
        ...

    def shown(self) -> str:
        """The commit that was published by these same options before; empty where there is none."""
        ...

    def tell(self, context: Context, before: str) -> None:
        """Run ``--exec`` for what is published, whether or not it was told of it; `before` is the commit before."""
        ...


def stay(step: Repeated, context: Context, first: Persist) -> NoReturn:
    """Publish for the first time by `first`, then look again and again.

    Raises:
        InitkitError: `first` gave up, there were too many failures in a row, or health cannot be served.
        Stopped: the end was asked for.
    """
    standing = Standing(context.clock, {"repository": str(step.repository), "ref": step.ref})
    with _served(step, context, standing):
        rounds = Rounds(step, context, standing)
        first(rounds.opened)
        rounds.go_on()


def _served(step: Repeated, context: Context, standing: Standing) -> AbstractContextManager[object]:
    if step.listen is None:
        return nullcontext()
    from initkit.serve.server import Server  # noqa: PLC0415 - only where it was asked for

    return Server(step.listen, standing.page, context.clock, context.voice)


class Rounds:
    """The rounds of one run.

    Args:
        step: what is kept fresh.
        context: without a deadline.
        standing: is told how each round ended.
    """

    def __init__(self, step: Repeated, context: Context, standing: Standing) -> None:
        self._step = step
        self._context = context
        self._standing = standing
        self._told_of = ""  # the commit that --exec knows of, as far as this run is concerned
        self._trouble = _Trouble()
        self._pause = self._between()

    def opened(self, attempt: Attempt) -> Outcome:
        """What the first attempt comes to.

        Where content stands already by these options, a remote that is away fails a round and no more: what readers
        have is served, and a restart is not to take a pod out of service.
        """
        try:
            return self.measured(attempt)
        except TemporaryError as error:
            sha = self._step.shown()
            if not sha:
                raise
            self._standing.shows(sha)
            self._failed(error)
            self._pause = self._after(error)
            return Outcome.ok(f"{sha[:7]}, published before", {"sha": sha})

    def go_on(self) -> NoReturn:
        """Round after round.

        Raises:
            PermanentError: there were too many failures in a row.
            Stopped: the end was asked for.
        """
        while True:
            pause(self._context.clock, self._context.stop.nudges, self._pause)
            try:
                self._succeeded(self.measured(self._round))
                self._pause = self._between()
            except InitkitError as error:
                self._failed(error)
                self._pause = self._after(error)

    def measured(self, attempt: Attempt) -> Outcome:
        """What one attempt comes to; how long it took is counted, however it ends."""
        began = self._context.clock.now()
        try:
            outcome = attempt()
            self._tell_too(outcome)
        except InitkitError as error:
            self._standing.failed(error, self._context.clock.now() - began, published=published_by(error))
            raise
        spent = self._context.clock.now() - began
        self._standing.succeeded(self._told_of, spent, changed=outcome.status is Status.CHANGED)
        return outcome

    def _tell_too(self, outcome: Outcome) -> None:
        """Where another replica published, it told its own command and not ours; at the first look nobody waits yet."""
        sha = str(outcome.facts.get("sha", ""))
        if self._told_of not in {"", sha} and not outcome.facts.get("told"):
            self._step.tell(self._round_context(), self._told_of)
        self._told_of = sha

    def _round(self) -> Outcome:
        context = self._round_context()
        finding = self._step.check(context)
        if isinstance(finding, Satisfied):
            return Outcome.ok(finding.detail, finding.facts)
        context.voice.detail(finding.detail)
        return self._step.apply(context)

    def _round_context(self) -> Context:
        policy, now = self._step.retry, self._context.clock.now()
        deadline = now + policy.timeout if policy.timeout else math.inf
        return self._context.but(deadline=deadline, attempt_timeout=min(policy.attempt_timeout, deadline - now))

    def _succeeded(self, outcome: Outcome) -> None:
        voice = self._context.voice
        if over := self._trouble.end(self._context.clock.now()):
            voice.note(f"goes on well after {over}")
        if outcome.status is Status.CHANGED:
            voice.note(f"{outcome.status}: {outcome.detail}", **outcome.facts)

    def _failed(self, error: InitkitError) -> None:
        number = self._standing.state.in_a_row
        if self._trouble.is_news(error, self._context.clock.now()):
            self._context.voice.warn(str(error), failures=number)
        else:
            self._context.voice.detail(str(error), failures=number)
        if self._step.max_failures and number >= self._step.max_failures:
            cause = f"{error.cause} ({self._trouble.spell(number, self._context.clock.now())})"
            raise PermanentError(error.task, cause, error.advice, done=error.done) from error

    def _between(self) -> float:
        chance = self._context.clock.chance()
        return self._step.every * (1 + self._step.retry.jitter * (2 * chance - 1))

    def _after(self, error: InitkitError) -> float:
        """Seconds after a failure: few at first, then more and more, but never more than between two rounds.

        A server that says for how long it wants to be left alone is.
        """
        policy, every = self._step.retry, self._step.every
        growing = replace(policy, interval=min(policy.interval, every), max_interval=every)
        seconds = growing.pause(self._standing.state.in_a_row, self._context.clock.chance())
        asked_for = error.retry_after if isinstance(error, TemporaryError) else 0.0
        return max(seconds, min(asked_for, LONGEST_REQUEST))


class _Trouble:
    """Failures in a row: which of them were told, and since when."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._count = 0
        self._since = 0.0

    def is_news(self, error: InitkitError, now: float) -> bool:
        """Count a failure; whether it is one of a new kind."""
        if not self._count:
            self._since = now
        self._count += 1
        # times and numbers in a message differ each time
        kind = re.sub(r"\d+", "", f"{type(error).__name__} {error.task} {error.cause}")
        if kind in self._kinds:
            return False
        if len(self._kinds) >= _MOST_TOLD:
            self._kinds.clear()
        self._kinds.add(kind)
        return True

    def spell(self, count: int, now: float) -> str:
        """So many failures, and over which time."""
        failures = "1 failure" if count == 1 else f"{count} failures in a row"
        return f"{failures} over {show_duration(round(now - self._since, 1))}"

    def end(self, now: float) -> str:
        """Forget them; what they were, in words, or nothing."""
        spoken = self.spell(self._count, now) if self._count else ""
        self._kinds.clear()
        self._count = 0
        return spoken
