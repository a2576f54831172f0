"""Many targets side by side under one deadline, on a clock that the test owns."""

from __future__ import annotations

import contextlib
import inspect
import math
import socket
import threading
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.errors import (
    InitkitError,
    PermanentError,
    Stopped,
    SuspectError,
    TemporaryError,
    TimedOutError,
    UsageError,
)
from initkit.core.outcome import Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.steps.wait.net.names import look_up
from initkit.steps.wait.pool import ThreadPool
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import Pace
from initkit.steps.wait.watch import Watch, look
from initkit.steps.wait.watched import DEFAULTS, paced

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_clock import RecordingVoice, VirtualClock

    from initkit.core.outcome import Outcome
    from initkit.core.step import Context
    from initkit.steps.wait.target import Target

POLICY = RetryPolicy(timeout=30.0, interval=1.0, max_interval=1.0, jitter=0.0, attempt_timeout=3.0)


def refused() -> TemporaryError:
    return TemporaryError("connect to x", "connection refused", "check that it is running")


class Fake:
    """A target that answers as it is told to, and at last is ready; it may take its time, or hang."""

    schemes: ClassVar[tuple[str, ...]] = ("fake",)
    pace: ClassVar[Pace] = Pace()

    def __init__(self, name: str, *answers: BaseException, ready: bool = True, ready_at: float = 0.0) -> None:
        self.name = name
        self.answers = list(answers)
        self.ready = ready
        self.ready_at = ready_at
        self.contexts: list[Context] = []

    def probe(self, context: Context) -> str:
        self.contexts.append(context)
        if self.answers:
            raise self.answers.pop(0)
        if not self.ready or context.clock.now() < self.ready_at:
            raise refused()
        return "is there"


class Hung:
    """Has probes begin, and end only when it is told to; those after the first `most` end at once."""

    def __init__(self, most: float = math.inf) -> None:
        self.jobs: list[Callable[[], None]] = []
        self.most = most

    def __call__(self, job: Callable[[], None]) -> None:
        if len(self.jobs) < self.most:
            self.jobs.append(job)
        else:
            job()

    def end(self, number: int) -> Callable[[], None]:
        """What ends the probe of that number, counted from 0, once it has begun."""

        def ended() -> None:
            self.jobs[number]()

        return ended


class Wide:
    """A wait on the virtual clock; probes are made at once, in the test's own thread."""

    def __init__(self, clock: VirtualClock, voice: RecordingVoice) -> None:
        self.clock = clock
        self.voice = voice

    def __call__(
        self, *targets: Fake, any_of: bool = False, policy: RetryPolicy = POLICY, launch: Any = None
    ) -> Outcome:
        step = Wait(targets=cast("tuple[Target, ...]", targets), any=any_of, retry=policy)
        context = make_context(clock=self.clock, voice=self.voice, timeout=policy.timeout)
        return Watch(step, context, launch=launch or (lambda job: job())).run()


@pytest.fixture
def watch(clock: VirtualClock, voice: RecordingVoice) -> Wide:
    return Wide(clock, voice)


def test_all_that_is_there_is_found_at_once(watch: Wide, clock: VirtualClock) -> None:
    outcome = watch(Fake("a"), Fake("b"))
    assert (str(outcome.status), outcome.detail, outcome.facts) == ("ok", "2 targets ready", {"ready": ["a", "b"]})
    assert clock.sleeps == []
    assert watch.voice.founds == ["a", "b"]


def test_what_comes_late_is_waited_for_side_by_side(watch: Wide, clock: VirtualClock) -> None:
    outcome = watch(Fake("a", ready_at=1005), Fake("b", ready_at=1003), Fake("c"))
    assert outcome.facts == {"ready": ["a", "b", "c"]}
    assert clock.now() == 1005
    assert watch.voice.founds == ["c", "b", "a"]
    assert watch.voice.missed[0] == ("a", "connection refused")


def test_a_target_that_was_ready_is_not_asked_again(watch: Wide) -> None:
    ready = Fake("a")
    watch(ready, Fake("b", ready_at=1010))
    assert len(ready.contexts) == 1


def test_with_any_the_first_is_enough(watch: Wide, clock: VirtualClock) -> None:
    outcome = watch(Fake("a", ready=False), Fake("b", ready_at=1003), any_of=True)
    assert (outcome.detail, outcome.facts) == ("1 target ready", {"ready": ["b"]})
    assert clock.now() == 1003


@pytest.mark.parametrize("error", [PermanentError("find a", "never"), UsageError("read a", "what")])
def test_a_permanent_error_ends_it_at_once(watch: Wide, clock: VirtualClock, error: InitkitError) -> None:
    with pytest.raises(type(error)) as caught:
        watch(Fake("a", refused(), error), Fake("b", ready=False))
    assert (caught.value.task, caught.value.cause) == (
        error.task,
        f"{error.cause} (also missing: b: connection refused)",
    )
    assert clock.now() == 1001


def test_with_any_a_lost_target_is_no_harm_while_another_may_come(watch: Wide, clock: VirtualClock) -> None:
    outcome = watch(Fake("a", PermanentError("find a", "never")), Fake("b", ready_at=1005), any_of=True)
    assert outcome.facts == {"ready": ["b"]}
    assert clock.now() == 1005


def test_with_any_it_ends_once_all_are_lost(watch: Wide, clock: VirtualClock) -> None:
    with pytest.raises(PermanentError) as caught:
        watch(Fake("a", PermanentError("find a", "never")), Fake("b", PermanentError("find b", "not now")), any_of=True)
    assert str(caught.value) == "cannot wait for 2 of 2 targets: a: never; b: not now (gave up after 0s)"
    assert clock.now() == 1000


def test_with_any_a_time_out_tells_of_the_lost_one_too(watch: Wide) -> None:
    with pytest.raises(PermanentError) as caught:
        watch(Fake("a", PermanentError("find a", "never")), Fake("b", ready=False), any_of=True)
    assert str(caught.value) == (
        "cannot wait for 2 of 2 targets: a: never; b: connection refused (gave up after 30s); check that it is running"
    )


def test_the_deadline_names_all_that_is_missing_and_why(watch: Wide, clock: VirtualClock) -> None:
    with pytest.raises(TimedOutError) as caught:
        watch(Fake("a", ready=False), Fake("b"), Fake("c", TemporaryError("x", "no answer"), ready=False))
    assert str(caught.value) == (
        "cannot wait for 2 of 3 targets: a: connection refused; c: connection refused (gave up after 30s)"
        "; check that it is running"
    )
    assert clock.now() == 1030


def test_a_single_target_that_times_out_is_spoken_of_by_itself(watch: Wide) -> None:
    with pytest.raises(TimedOutError) as caught:
        watch(Fake("a", ready=False))
    assert str(caught.value) == (
        "cannot connect to x: connection refused (gave up after 30s, 30 attempts); check that it is running"
    )


def test_the_attempts_of_each_target_are_limited(watch: Wide, clock: VirtualClock) -> None:
    policy = RetryPolicy(timeout=0.0, interval=1.0, max_interval=1.0, jitter=0.0, attempts=3)
    target = Fake("a", ready=False)
    with pytest.raises(TimedOutError, match="3 attempts"):
        watch(target, policy=policy)
    assert (len(target.contexts), clock.now()) == (3, 1002)


def test_a_suspect_answer_is_believed_after_a_while(watch: Wide, clock: VirtualClock) -> None:
    policy = RetryPolicy(timeout=300.0, interval=5.0, max_interval=5.0, jitter=0.0)
    answers = [SuspectError("connect to a", "wrong password", "check it") for _ in range(100)]
    with pytest.raises(PermanentError, match=r"wrong password \(the same answer 13 times over 1m\); check it"):
        watch(Fake("a", *answers), Fake("b"), policy=policy)
    assert clock.now() == 1060


def test_probes_get_their_timeout_and_it_is_cut_to_the_deadline(watch: Wide) -> None:
    target = Fake("a", ready=False)
    with pytest.raises(TimedOutError):
        watch(target)
    timeouts = [context.attempt_timeout for context in target.contexts]
    # less a little, in which a probe can say more of a time-out than that there was one
    assert timeouts[:28] == pytest.approx([2.9] * 28)
    assert timeouts[28:] == pytest.approx([1.9, 0.95])


def test_a_bug_in_a_probe_is_raised(watch: Wide) -> None:
    with pytest.raises(ZeroDivisionError):
        watch(Fake("a", ZeroDivisionError()))


def test_a_request_to_end_in_a_probe_is_raised(watch: Wide) -> None:
    with pytest.raises(Stopped):
        watch(Fake("a", Stopped(15)))


# probes that do not answer


def test_a_probe_that_hangs_is_made_again_and_a_late_success_counts(watch: Wide, clock: VirtualClock) -> None:
    hung = Hung()
    clock.after(10, hung.end(0))
    outcome = watch(Fake("a"), launch=hung)
    assert outcome.facts == {"ready": ["a"]}
    assert clock.now() == 1010
    assert watch.voice.missed[0] == ("a", "no answer")


def test_at_most_four_probes_of_one_target_hang_at_a_time(watch: Wide, clock: VirtualClock) -> None:
    hung = Hung()
    with pytest.raises(TimedOutError) as caught:
        watch(Fake("a", ready=False), launch=hung)
    assert len(hung.jobs) == 4
    assert clock.now() == 1030
    assert str(caught.value).startswith("cannot reach a: no answer (gave up after 30s, 4 attempts); check ")
    assert len(clock.sleeps) < 20, "it does not spin meanwhile"


def test_without_a_limit_hung_probes_are_waited_for_without_spinning(watch: Wide, clock: VirtualClock) -> None:
    hung = Hung()
    clock.after(5000, hung.end(3))
    policy = RetryPolicy(timeout=0.0, interval=1.0, max_interval=1.0, jitter=0.0, attempt_timeout=3.0)

    def stop_late(seconds: float) -> None:
        assert len(clock.sleeps) < 50
        clock.sleeps.append(seconds)
        clock.advance(min(seconds, 3600.0))

    clock.sleep = stop_late  # type: ignore[method-assign]
    assert watch(Fake("a"), policy=policy, launch=hung).facts == {"ready": ["a"]}
    assert len(hung.jobs) == 4


def test_the_end_of_a_hung_probe_makes_room_for_another(watch: Wide, clock: VirtualClock) -> None:
    hung = Hung()
    target = Fake("a", ready=False)
    clock.after(20, hung.end(0))
    with pytest.raises(TimedOutError):
        watch(target, launch=hung)
    assert len(hung.jobs) == 5


def test_a_late_failure_was_judged_when_it_was_late(watch: Wide, clock: VirtualClock) -> None:
    hung = Hung()
    clock.after(3.5, hung.end(0))
    clock.after(6, hung.end(1))
    target = Fake("a", PermanentError("find a", "never"), ready_at=0)
    assert watch(target, launch=hung).facts == {"ready": ["a"]}


def test_an_answer_after_the_target_is_ready_changes_nothing(watch: Wide, clock: VirtualClock) -> None:
    hung = Hung(most=1)
    clock.after(6, hung.end(0))
    outcome = watch(Fake("a"), Fake("b", ready_at=1010), launch=hung)
    assert outcome.facts == {"ready": ["a", "b"]}
    assert watch.voice.founds == ["a", "b"]


def test_a_target_that_hangs_does_not_keep_another_from_being_asked(watch: Wide) -> None:
    hanging, late = Fake("a", ready=False), Fake("b", ready_at=1025)
    hung = Hung()

    def launch(job: Callable[[], None]) -> None:
        watched = inspect.getclosurevars(job).nonlocals["watched"]
        if watched.target is hanging:
            hung(job)
        else:
            job()

    with pytest.raises(TimedOutError) as caught:
        watch(hanging, late, launch=launch)
    assert str(caught.value).startswith(
        "cannot wait for 1 of 2 targets: a: no answer (gave up after 30s); check that it is running, and "
    )
    assert len(hung.jobs) == 4
    assert watch.voice.founds == ["b"]


def test_what_a_probe_says_of_its_time_out_is_what_people_read(watch: Wide, clock: VirtualClock) -> None:
    hung = Hung()
    policy = RetryPolicy(timeout=30.0, attempts=1, attempt_timeout=3.0)
    clock.after(2.9, hung.end(0))
    with pytest.raises(TimedOutError, match="no answer to the login"):
        watch(Fake("a", TemporaryError("log in", "no answer to the login")), policy=policy, launch=hung)


@pytest.mark.parametrize("streak", [{"successes": 2}, {"stable": 1.0}])
def test_a_late_success_does_not_hide_the_failure_of_a_newer_attempt(
    clock: VirtualClock, voice: RecordingVoice, streak: dict[str, Any]
) -> None:
    hung = Hung(most=2)
    target = Fake("a", ready_at=0)
    answers = {1.0: None, 1.2: refused()}  # the first attempt succeeds late, the second fails after that
    for moment, number in ((1.0, 0), (1.2, 1)):

        def end(number: int = number, answer: InitkitError | None = answers[moment]) -> None:
            target.answers = [answer] if answer else []
            hung.jobs[number]()

        clock.after(moment, end)
    step = Wait(targets=cast("tuple[Target, ...]", (target,)), retry=POLICY, **streak)
    Watch(step, make_context(clock=clock, voice=voice), launch=hung).run()
    assert ("a", "connection refused") in voice.missed
    assert clock.now() >= 1003.2, "it is counted anew from the failure on"


def test_where_no_thread_can_be_started_it_is_tried_again(watch: Wide, clock: VirtualClock) -> None:
    def launch(job: Callable[[], None]) -> None:
        if clock.now() < 1005:
            raise RuntimeError("can't start new thread")
        job()

    assert watch(Fake("a"), launch=launch).facts == {"ready": ["a"]}
    assert watch.voice.missed[0] == ("a", "no thread can be started")


def test_where_there_is_no_room_everybody_has_a_turn(
    watch: Wide, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda _name: 8)  # descriptors: four attempts at a time
    hung = Hung(most=40)
    for number in range(40):
        clock.after(3 * (1 + number // 4), hung.end(number))
    targets = [Fake(f"t{number}", ready=False) for number in range(12)]
    with pytest.raises(TimedOutError):
        watch(*targets, launch=hung)
    assert all(target.contexts for target in targets)


def test_targets_of_one_name_are_all_looked_at_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        known = look_up("127.0.0.1")
        slowly = threading.Event()

        def slow(_host: str) -> Any:
            slowly.wait(0.3)
            return known

        monkeypatch.setattr("initkit.steps.wait.net.names.look_up", slow)
        step = assemble(Wait, {"targets": [f"db.test:{server.getsockname()[1]}" for server in servers]})
        assert step.check(make_context()).detail == "3 targets ready"


def test_an_attempt_that_the_deadline_cuts_short_does_not_hide_what_was_heard(watch: Wide, clock: VirtualClock) -> None:
    policy = RetryPolicy(timeout=7.0, interval=1.0, max_interval=1.0, jitter=0.0, attempt_timeout=3.0)
    target = Fake("a", TemporaryError("use a", "it answers 503"), ready=False)
    hung = Hung()

    def launch(job: Callable[[], None]) -> None:
        hung(job) if clock.now() >= 1005 else job()

    target.answers *= 10
    with pytest.raises(TimedOutError, match="cannot use a: it answers 503"):
        watch(target, policy=policy, launch=launch)
    assert hung.jobs


def test_of_many_targets_a_failure_names_the_first_ones(watch: Wide) -> None:
    with pytest.raises(TimedOutError) as caught:
        watch(*(Fake(f"t{number}", ready=False) for number in range(25)))
    assert "t19: connection refused; and 5 more (gave up" in str(caught.value)


def test_of_many_targets_the_facts_list_the_first_ones_and_count_all(watch: Wide) -> None:
    facts = watch(*(Fake(f"t{number}") for number in range(120))).facts
    assert facts["ready_count"] == 120
    assert facts["ready"] == [f"t{number}" for number in range(100)]


# looking once


def test_looking_once_probes_each_target_once(clock: VirtualClock, voice: RecordingVoice) -> None:
    targets = (Fake("a"), Fake("b", ready=False), Fake("c", SuspectError("x", "wrong password")))
    step = Wait(targets=cast("tuple[Target, ...]", targets), retry=POLICY)
    context = make_context(clock=clock, voice=voice)
    ready, missing = look(step, context, launch=lambda job: job())
    assert ready == ["a"]
    assert missing == {"b": "connection refused", "c": "wrong password"}
    assert [len(target.contexts) for target in targets] == [1, 1, 1]
    assert clock.sleeps == []


def test_looking_once_does_not_wait_for_what_hangs(clock: VirtualClock) -> None:
    step = Wait(targets=cast("tuple[Target, ...]", (Fake("a"),)), retry=POLICY)
    ready, missing = look(step, make_context(clock=clock), launch=Hung())
    assert (ready, missing) == ([], {"a": "no answer"})
    assert clock.now() == 1003


@pytest.mark.parametrize(
    ("any_of", "targets", "finding"),
    [
        (False, [True, True], Satisfied("2 targets ready", {"ready": ["t0", "t1"]})),
        (True, [True, False], Satisfied("1 target ready", {"ready": ["t0"]})),
        (
            False,
            [True, False],
            Pending(
                "not ready: t1",
                ("t1: connection refused",),
                {"ready": ["t0"], "missing": {"t1": "connection refused"}},
            ),
        ),
        (
            True,
            [False],
            Pending(
                "not ready: t0", ("t0: connection refused",), {"ready": [], "missing": {"t0": "connection refused"}}
            ),
        ),
    ],
)
def test_check_is_satisfied_where_enough_is_there(any_of: bool, targets: list[bool], finding: object) -> None:  # noqa: FBT001 - parameters
    fakes = tuple(Fake(f"t{i}", ready=ready) for i, ready in enumerate(targets))
    step = Wait(targets=cast("tuple[Target, ...]", fakes), any=any_of)
    assert step.check(make_context()) == finding


def test_a_wait_without_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one TARGET, got none"):
        Wait(targets=())


# pace and threads


def test_a_scheme_has_its_own_pace_where_nothing_else_was_asked_for() -> None:
    class Slow(Fake):
        pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=2.0)

    slow = cast("Target", Slow("a"))
    assert (paced(DEFAULTS, slow).interval, paced(DEFAULTS, slow).max_interval) == (0.25, 2.0)
    asked = paced(RetryPolicy(interval=5.0, max_interval=DEFAULTS.max_interval), slow)
    assert (asked.interval, asked.max_interval) == (5.0, 2.0)
    # what was typed is kept even where it says the same as the default that all schemes share
    typed = assemble(Wait, {"targets": "a:1", "retry": {"interval": "50ms", "max-interval": "250ms"}})
    assert (paced(typed.retry, slow).interval, paced(typed.retry, slow).max_interval) == (0.05, 0.25)


def test_threads_are_used_again_and_go_home() -> None:
    pool = ThreadPool()
    seen: list[int] = []
    for number in range(5):
        done = threading.Event()

        def job(done: threading.Event = done) -> None:
            seen.append(threading.get_ident())
            done.set()

        pool.launch(job)
        assert done.wait(10)
        until_idle(pool, min(1, number + 1))
    assert len(set(seen)) == 1
    workers = [thread for thread in threading.enumerate() if thread.ident in seen]
    pool.close()
    for worker in workers:
        worker.join(10)
    assert not any(worker.is_alive() for worker in workers)


def until_idle(pool: ThreadPool, count: int) -> None:
    for _ in range(10_000):
        with pool._lock:
            if pool._idle >= count:
                return
        threading.Event().wait(0.001)
    pytest.fail("the thread did not become idle")
