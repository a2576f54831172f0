"""Steps in order, each with its retry; what becomes of those that need one that did not succeed."""

from __future__ import annotations

import io
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from initkit.core.errors import InitkitError, PermanentError, Stopped, SuspectError, TemporaryError, UsageError
from initkit.core.options import Declared, declared
from initkit.core.outcome import Finding, Outcome, Pending, Satisfied, Status
from initkit.core.retry import RetryPolicy
from initkit.core.step import Context
from initkit.core.stop import Stop
from initkit.engine.entries import Entry
from initkit.engine.report import Reporter, TextSink
from initkit.engine.results import Result, exit_code, word
from initkit.engine.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fix_clock import VirtualClock

PATIENCE = RetryPolicy(timeout=60.0, jitter=0.0)


@declared
class Look(Declared):
    """Only looks, and finds what it is told to find, one after another."""

    kind: ClassVar[str] = "look"

    finds: list[Finding | BaseException] = field(default_factory=lambda: [Satisfied("all there")])
    contexts: list[Context] = field(default_factory=list)
    retry: RetryPolicy = PATIENCE

    def check(self, context: Context) -> Finding:
        self.contexts.append(context)
        found = self.finds.pop(0)
        if isinstance(found, BaseException):
            raise found
        return found


@declared
class Change(Look):
    """Changes something."""

    kind: ClassVar[str] = "change"

    finds: list[Finding | BaseException] = field(default_factory=lambda: [Pending("1 thing", ("a thing",))])
    comes_to: list[Outcome | BaseException] = field(default_factory=lambda: [Outcome.changed("1 thing", {"things": 1})])

    def apply(self, context: Context) -> Outcome:
        context.voice.note("applying")
        outcome = self.comes_to.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


@declared
class Guard(Look):
    """Waits for others."""

    kind: ClassVar[str] = "guard"

    def watch(self, context: Context) -> Outcome:
        self.contexts.append(context)
        context.clock.sleep(5)
        return Outcome.ok("they came")


@declared
class Picky(Change):
    """Wants a variable."""

    kind: ClassVar[str] = "picky"

    def prepare(self, environ: Mapping[str, str]) -> None:
        if "WANTED" not in environ:
            raise UsageError("do it", "WANTED is not set", "set WANTED")


class Run:
    def __init__(
        self, clock: VirtualClock, *, checking: bool = False, environ: Mapping[str, str] | None = None
    ) -> None:
        self.stop = Stop()
        self.clock = clock
        self.stream = io.StringIO()
        self.reporter = Reporter(TextSink(self.stream), clock)
        self.runner = Runner(self.reporter, clock, self.stop, environ or {}, checking=checking)

    def __call__(self, *steps: Any, **needs: tuple[str, ...]) -> list[Result]:
        names = [f"s{i}" for i in range(len(steps))]
        entries = [
            Entry(name, step, needs.get(name, tuple(names[max(0, i - 1) : i])))
            for i, (name, step) in enumerate(zip(names, steps, strict=True))
        ]
        return self.runner.run(entries)

    @property
    def lines(self) -> list[str]:
        return [line.partition(" ")[2] for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def run(clock: VirtualClock) -> Run:
    return Run(clock)


@pytest.fixture
def check(clock: VirtualClock) -> Run:
    return Run(clock, checking=True)


def statuses(results: list[Result]) -> list[str]:
    return [str(result.status) for result in results]


def failing(error: BaseException | None = None) -> Change:
    return Change(finds=[error or PermanentError("look", "no", "mend it")])


def test_steps_run_in_order(run: Run) -> None:
    results = run(Look(), Change(), Guard())
    assert statuses(results) == ["ok", "changed", "ok"]
    assert [result.detail for result in results] == ["all there", "1 thing", "they came"]
    assert [result.seconds for result in results] == [0, 0, 5]
    assert [result.attempts for result in results] == [1, 1, 1]
    assert results[1].facts == {"things": 1}
    assert (exit_code(results), word(results)) == (0, "changed")
    assert run.lines == [
        "s0: ok: all there (0s)",
        "s1: applying",
        "s1: changed: 1 thing (0s)",
        "s2: ok: they came (5s)",
    ]


def test_a_step_gets_what_it_may_use(clock: VirtualClock) -> None:
    run = Run(clock, environ={"A": "b"})
    step = Look(retry=RetryPolicy(timeout=30.0, attempt_timeout=4.0))
    run(step)
    (context,) = step.contexts
    assert context.clock is clock
    assert context.stop is run.stop
    assert context.environ == {"A": "b"}
    assert context.deadline == 1030
    assert (context.remaining, context.attempt_timeout) == (30, 4)


def test_nothing_is_applied_where_nothing_is_to_do(run: Run) -> None:
    results = run(Change(finds=[Satisfied("done before")], comes_to=[]))
    assert (statuses(results), results[0].detail) == (["ok"], "done before")


def test_each_attempt_looks_before_it_applies(run: Run, clock: VirtualClock) -> None:
    lost = TemporaryError("connect to db", "connection refused", "check that it is running")
    step = Change(
        finds=[lost, Pending("2"), Pending("2"), Satisfied("another run did it")], comes_to=[lost, lost], retry=PATIENCE
    )
    results = run(step)
    assert (statuses(results), results[0].detail, results[0].attempts) == (["ok"], "another run did it", 4)
    assert clock.sleeps == [1, 2, 4]
    assert run.lines == [
        "s0: cannot connect to db: connection refused; check that it is running",
        "s0: applying",
        "s0: applying",
    ], "of a single step the summary alone says how it ended"


def test_while_it_waits_for_another_attempt_a_step_has_no_progress(run: Run, clock: VirtualClock) -> None:
    step = Change(
        finds=[Pending("1 thing"), Pending("1 thing")],
        comes_to=[TemporaryError("load", "the line is cut"), Outcome.changed("1 thing")],
        retry=RetryPolicy(timeout=60.0, jitter=0.0, interval=30.0),
    )
    clock.after(15, run.reporter.tick)
    clock.after(29, run.reporter.tick)
    run.reporter.voice("s0").progress("users", "1 row")
    run(step)
    assert [line for line in run.lines if "users" in line] == []


def test_what_needs_a_failed_step_is_skipped_and_so_is_what_needs_that(run: Run) -> None:
    untouched = Change(finds=[], comes_to=[])
    results = run(Look(), failing(), untouched, untouched)
    assert statuses(results) == ["ok", "failed", "skipped", "skipped"]
    assert results[2].detail == "because s1 did not succeed"
    assert results[3].detail == "because s2 did not succeed"
    assert (results[1].detail, results[1].attempts, results[2].attempts) == ("cannot look: no; mend it", 1, 0)
    assert (exit_code(results), word(results)) == (1, "failed")


def test_an_independent_step_goes_on(run: Run) -> None:
    results = run(failing(), Change(), Change(), s1=(), s2=("s1",))
    assert statuses(results) == ["failed", "changed", "changed"]
    assert exit_code(results) == 1


def test_one_need_that_failed_among_several_is_enough(run: Run) -> None:
    results = run(Look(), failing(), Change(finds=[]), s1=(), s2=("s0", "s1"))
    assert statuses(results) == ["ok", "failed", "skipped"]


def test_time_that_is_used_up_is_124(run: Run, clock: VirtualClock) -> None:
    lost = TemporaryError("connect to db", "connection refused")
    results = run(Look(finds=[lost] * 100))
    assert (statuses(results), exit_code(results), word(results)) == (["timed out"], 124, "timed out")
    assert sum(clock.sleeps) == 60
    assert results[0].detail == "cannot connect to db: connection refused (gave up after 1m, 9 attempts)"


def test_what_was_done_before_a_failure_is_told(run: Run) -> None:
    error = PermanentError("migrate", "syntax error", done="1 revision applied: a1")
    (result,) = run(Change(comes_to=[error]))
    assert result.facts == {"done": "1 revision applied: a1"}
    assert "done before: 1 revision applied: a1" in result.detail


def test_a_step_that_was_not_told_something_is_a_usage_error_before_anything_runs(
    run: Run, clock: VirtualClock
) -> None:
    first = Change()
    with pytest.raises(UsageError, match="WANTED"):
        run(first, Picky())
    assert (first.contexts, run.runner.results, clock.sleeps) == ([], [], [])
    assert statuses(Run(clock, environ={"WANTED": "1"})(Picky())) == ["changed"]


def test_a_usage_error_once_steps_are_under_way_is_a_failure_like_others(run: Run) -> None:
    """Exit 2 promises that nothing was attempted."""
    results = run(failing(UsageError("read", "what", "mend it")))
    assert (statuses(results), exit_code(results)) == (["failed"], 1)


def test_a_bug_is_reported_with_its_traceback_and_not_retried(run: Run, clock: VirtualClock) -> None:
    results = run(Look(finds=[ZeroDivisionError("by zero")]), Look(), s1=())
    assert (statuses(results), exit_code(results), clock.sleeps) == (["failed", "ok"], 1, [])
    assert results[0].detail.startswith("ZeroDivisionError: by zero (this is a bug")
    assert "in check" in results[0].traceback
    text = run.stream.getvalue()
    assert "Traceback (most recent call last)" in text
    assert text.index("Traceback") < text.index("failed: ZeroDivisionError")


def test_a_step_that_can_neither_apply_nor_watch_is_a_bug(run: Run) -> None:
    (result,) = run(Look(finds=[Pending("something")]))
    assert "can neither apply nor watch" in result.detail


# --check


def test_check_looks_once_and_changes_nothing(check: Run) -> None:
    first, second = Change(comes_to=[]), Look()
    results = check(first, second, s1=())
    assert statuses(results) == ["would change", "ok"]
    assert (results[0].detail, results[0].changes) == ("1 thing", ("a thing",))
    assert (exit_code(results), word(results)) == (3, "would change")


def test_a_step_knows_whether_it_is_only_looked_at(check: Run, run: Run) -> None:
    looked, applied = Look(), Change()
    check(looked)
    run(applied)
    assert (looked.contexts[0].looking, applied.contexts[0].looking) == (True, False)


def test_check_finds_nothing_to_do(check: Run) -> None:
    results = check(Look(), Look())
    assert (statuses(results), exit_code(results), word(results)) == (["ok", "ok"], 0, "ok")


def test_check_does_not_know_what_depends_on_a_change(check: Run) -> None:
    results = check(Look(), Change(), Change(finds=[]), Change(finds=[]), Look(), s4=("s0",))
    assert statuses(results) == ["ok", "would change", "unknown", "unknown", "ok"]
    assert [result.detail for result in results][2:4] == ["until s1 has run", "until s2 has run"]
    assert exit_code(results) == 3


def test_check_skips_what_needs_a_failed_step(check: Run) -> None:
    results = check(failing(), Change(finds=[]), Change(finds=[]))
    assert statuses(results) == ["failed", "skipped", "skipped"]
    assert exit_code(results) == 1


def test_a_failure_that_check_finds_goes_before_what_would_change(check: Run) -> None:
    results = check(Change(), failing(), s1=())
    assert (statuses(results), exit_code(results), word(results)) == (["would change", "failed"], 1, "failed")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(TemporaryError("connect", "refused"), "timed out", 124), (SuspectError("connect", "password"), "failed", 1)],
)
def test_check_makes_one_attempt(check: Run, clock: VirtualClock, error: InitkitError, status: str, code: int) -> None:
    results = check(Look(finds=[error]))
    assert (statuses(results), exit_code(results), clock.sleeps) == ([status], code, [])


def test_check_asks_a_watching_step_only_to_look(check: Run, clock: VirtualClock) -> None:
    results = check(Guard(finds=[Pending("not ready: db", ("db: refused",))]))
    assert (statuses(results), results[0].changes, clock.sleeps) == (["would change"], ("db: refused",), [])


# signals


def test_a_request_to_end_is_heard_between_steps(run: Run) -> None:
    class Last(Look):
        def check(self, context: Context) -> Finding:
            context.stop.request(15)
            return super().check(context)

    with pytest.raises(Stopped):
        run(Last(), Change(finds=[]))
    assert statuses(run.runner.results) == ["ok"]
    run.runner.abandon(15)
    assert statuses(run.runner.results) == ["ok"]


def test_a_request_to_end_is_heard_before_something_is_changed(run: Run) -> None:
    class Stopping(Change):
        def check(self, context: Context) -> Finding:
            context.stop.request(2)
            return super().check(context)

    with pytest.raises(Stopped):
        run(Stopping(comes_to=[]))


def test_the_step_under_way_is_recorded_as_stopped(run: Run, clock: VirtualClock) -> None:
    clock.after(1, lambda: run.stop.request(15))
    lost = TemporaryError("connect", "refused")
    with pytest.raises(Stopped):
        run(Look(finds=[lost, Stopped(15)]), Look())
    run.runner.abandon(15)
    run.runner.abandon(15)
    (result,) = run.runner.results
    assert (result.status, result.detail, result.seconds, result.exit_code) == (Status.STOPPED, "by signal 15", 1, 143)
    assert (exit_code([result]), word([result])) == (143, "stopped")
