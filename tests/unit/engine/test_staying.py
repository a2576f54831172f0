"""A step that stays: as any other until it is done, then on its own; and nothing can come after it."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, NoReturn

import pytest

from initkit.core.clock import SystemClock
from initkit.core.errors import InitkitError, PermanentError, Stopped, TemporaryError, UsageError
from initkit.core.options import Declared, declared
from initkit.core.outcome import Finding, Outcome, Pending, Status
from initkit.core.retry import RetryPolicy
from initkit.core.stop import Stop
from initkit.engine.entries import Entry, chain, goes_on, refuse_what_never_comes, single
from initkit.engine.host import Host
from initkit.engine.report import Reporter, TextSink
from initkit.engine.runner import Runner

if TYPE_CHECKING:
    from fix_clock import VirtualClock

    from initkit.core.step import Attempt, Context, Persist


@declared
class Sidecar(Declared):
    """Fails as it is told to, then is done, and stays until its own end."""

    kind: ClassVar[str] = "sidecar"

    stays: bool = True
    failures: list[InitkitError] = field(default_factory=list)
    ends: BaseException = field(default_factory=lambda: Stopped(15))
    seen: list[str] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    retry: RetryPolicy = RetryPolicy(timeout=60.0, jitter=0.0)

    def check(self, context: Context) -> Finding:
        self.deadlines.append(context.deadline)
        return Pending("1 thing")

    def apply(self, _context: Context) -> Outcome:
        if self.failures:
            raise self.failures.pop(0)
        return Outcome.changed("1 thing", {"sha": "a"})

    def stay(self, context: Context, first: Persist) -> NoReturn:
        self.deadlines.append(context.deadline)

        def around(attempt: Attempt) -> Outcome:
            try:
                outcome = attempt()
            except InitkitError as error:
                self.seen.append(error.cause)
                raise
            self.seen.append(outcome.status)
            return outcome

        first(around)
        context.clock.sleep(3600)
        raise self.ends


class World:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.stop = Stop()
        self.stream = io.StringIO()
        self.reporter = Reporter(TextSink(self.stream), clock)

    def runner(self, *, checking: bool = False) -> Runner:
        return Runner(self.reporter, self.clock, self.stop, {}, checking=checking)

    @property
    def lines(self) -> list[str]:
        return [line[9:] for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World(clock)


def test_what_was_done_is_told_at_once_and_it_stays_until_the_end_is_asked_for(world: World) -> None:
    step = Sidecar()
    with pytest.raises(Stopped):
        world.runner().run(single(step))
    assert world.lines == ["sidecar: changed: 1 thing"]
    assert step.seen == [Status.CHANGED]
    assert step.deadlines == [float("inf"), 1060]


def test_the_first_attempts_follow_the_step_s_own_patience(world: World) -> None:
    step = Sidecar(failures=[TemporaryError("do it", "refused")] * 99)
    (result,) = world.runner().run(single(step))
    assert (result.status, result.exit_code) == (Status.TIMED_OUT, 124)
    assert world.clock.sleeps[:4] == [1, 2, 4, 8]
    assert step.seen[0] == "refused"
    assert world.lines[0] == "sidecar: cannot do it: refused"


def test_nothing_is_missing_any_more_once_it_stays(world: World) -> None:
    step = Sidecar(failures=[TemporaryError("do it", "refused")])
    ticks: list[list[str]] = []

    def tick() -> None:
        before = len(world.lines)
        world.reporter.tick()
        ticks.append(world.lines[before:])

    for seconds in range(10, 3000, 10):
        world.clock.after(seconds, tick)
    with pytest.raises(Stopped):
        world.runner().run(single(step))
    assert len(ticks) > 200
    assert not any(ticks)


def test_what_ends_it_later_is_how_it_ended(world: World) -> None:
    (result,) = world.runner().run(single(Sidecar(ends=PermanentError("do it", "too often"))))
    assert (result.status, result.exit_code, result.detail) == (Status.FAILED, 1, "cannot do it: too often")


def test_a_look_does_not_stay(world: World) -> None:
    (result,) = world.runner(checking=True).run(single(Sidecar()))
    assert result.status is Status.WOULD_CHANGE


def test_a_nudge_ends_the_pause_between_two_first_attempts(world: World) -> None:
    world.clock.after(0.25, lambda: world.stop.nudges.put(1))
    step = Sidecar(failures=[TemporaryError("do it", "refused")])
    with pytest.raises(Stopped):
        world.runner().run(single(step))
    assert world.clock.sleeps[0] == 0.25


def test_a_step_that_does_not_stay_is_run_as_any_other(world: World) -> None:
    (result,) = world.runner().run(single(Sidecar(stays=False)))
    assert result.status is Status.CHANGED


@pytest.mark.parametrize(
    ("plan", "command", "what"),
    [
        ([Sidecar()], ["nginx"], "nginx"),
        ([Sidecar(), Sidecar(stays=False)], [], "sidecar-2"),
        ([Sidecar(stays=False), Sidecar(), Sidecar()], [], "sidecar-3"),
    ],
)
def test_nothing_can_come_after_it(plan: list[Sidecar], command: list[str], what: str) -> None:
    with pytest.raises(UsageError, match=f"cannot run {what}: .* never ends; let it end"):
        refuse_what_never_comes(chain([single(step) for step in plan]), command)


def test_it_may_be_the_last() -> None:
    plan: list[Entry] = chain([single(Sidecar(stays=False)), single(Sidecar())])
    refuse_what_never_comes(plan, [])
    refuse_what_never_comes(plan[:1], ["nginx"])
    assert [goes_on(entry) for entry in plan] == [False, True]


def test_a_hangup_nudges_only_who_stays() -> None:
    stop = Stop()
    clock = SystemClock(stop)
    before = signal.getsignal(signal.SIGHUP)

    def work() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        return clock.receive(stop.nudges, 20) or 0

    assert Host[int](stop, clock, lambda: None, nudged=True).run(work) == signal.SIGHUP
    assert signal.getsignal(signal.SIGHUP) is before
    assert Host[object](stop, clock, lambda: None).run(lambda: signal.getsignal(signal.SIGHUP)) is before
