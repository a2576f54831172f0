"""When a target is looked at, for how long, and by how many attempts at a time; on a clock that the test owns."""

from __future__ import annotations

import inspect
import itertools
import math
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, SuspectError, TemporaryError, TimedOutError
from initkit.core.outcome import Pending, Satisfied
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import SCHEMES, AbsentError, Pace
from initkit.steps.wait.watch import DEFAULTS, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fix_clock import VirtualClock

    from initkit.core.outcome import Finding, Outcome
    from initkit.core.retry import RetryPolicy
    from initkit.core.step import Context
    from initkit.steps.wait.target import Target

    Job = Callable[[], None]

START = 1000.0  # where the virtual clock begins
TCP_PACE = Pace(interval=0.05, max_interval=0.25)
HTTP_PACE = Pace(interval=0.05, max_interval=0.4)
LOGIN_PACE = Pace(interval=0.25, max_interval=1.0)


def refused() -> AbsentError:
    return AbsentError("connect to x", "connection refused", "check that it is running")


class Fake:
    """A target that remembers when it was asked, and answers as `answer` says for that moment."""

    schemes: ClassVar[tuple[str, ...]] = ("fake",)

    def __init__(
        self,
        name: str = "a",
        *,
        pace: Pace = TCP_PACE,
        ready_at: float = math.inf,
        answer: Callable[[float], InitkitError | None] | None = None,
    ) -> None:
        self.name = name
        self.pace = pace
        self.answer = answer or (lambda now: refused() if now < ready_at else None)
        self.asked: list[float] = []
        self.limits: list[float] = []

    def probe(self, context: Context) -> str:
        now = context.clock.now() - START
        self.asked.append(now)
        assert len(self.asked) < 10_000, f"it is asked again and again at {now}"
        self.limits.append(context.attempt_timeout)
        if error := self.answer(now):
            raise error
        return "is there"

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in itertools.pairwise(self.asked)]


def run(
    clock: VirtualClock,
    *targets: object,
    launch: Callable[[Job], None] = lambda job: job(),
    voice: RecordingVoice | None = None,
    retry: RetryPolicy = DEFAULTS,
    **options: Any,
) -> Outcome:
    step = Wait(targets=cast("tuple[Target, ...]", targets), retry=retry, **options)
    return Watch(step, make_context(clock=clock, voice=voice, timeout=retry.timeout), launch=launch).run()


def lost(clock: VirtualClock, *targets: object, **options: Any) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        run(clock, *targets, **options)
    return caught.value


def policy(**given: str) -> RetryPolicy:
    """As the command line would make it."""
    words = {key.replace("_", "-"): value for key, value in given.items()}
    return assemble(Wait, {"targets": "a:1", "retry": words}).retry


# how often


def test_the_first_look_is_at_once(clock: VirtualClock) -> None:
    target = Fake(ready_at=0)
    run(clock, target)
    assert (target.asked, clock.sleeps) == ([0], [])


@pytest.mark.parametrize(
    ("pace", "first", "longest"), [(TCP_PACE, 0.05, 0.25), (HTTP_PACE, 0.05, 0.4), (LOGIN_PACE, 0.25, 1.0)]
)
def test_looks_are_frequent_for_ten_seconds_and_then_grow_rarer(
    clock: VirtualClock, pace: Pace, first: float, longest: float
) -> None:
    target = Fake(pace=pace, ready_at=60)
    run(clock, target)
    early = [pause for moment, pause in zip(target.asked, target.pauses, strict=False) if moment + pause < 10]
    late = [pause for moment, pause in zip(target.asked, target.pauses, strict=False) if moment > 15]
    assert all(pause == pytest.approx(first, abs=first * 0.01) for pause in early)
    assert 9 / first < len(early) <= 10 / first
    assert all(pause == pytest.approx(longest, abs=longest * 0.01) for pause in late)
    growing = [pause for moment, pause in zip(target.asked, target.pauses, strict=False) if 10 <= moment <= 15]
    assert all(later >= earlier - 0.001 for earlier, later in itertools.pairwise(growing))


PACES = {
    TCP_PACE: ("tcp", "unix", "file"),
    HTTP_PACE: ("http",),
    Pace(interval=0.05, max_interval=0.5): ("dns",),
    LOGIN_PACE: ("postgres", "mysql", "redis", "amqp"),
}


@pytest.mark.parametrize(("scheme", "pace"), [(name, pace) for pace, names in PACES.items() for name in names])
def test_each_scheme_has_the_pace_that_is_promised(scheme: str, pace: Pace) -> None:
    assert cast("Any", SCHEMES.load(scheme)).pace == pace


def test_what_has_opened_is_noticed_within_a_pause(clock: VirtualClock) -> None:
    run(clock, Fake(ready_at=3.0))
    assert START + 3 <= clock.now() <= START + 3.06
    run(clock, Fake(ready_at=33.0))
    assert START + 33 <= clock.now() <= START + 33.31


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.8), (0.5, 1.0), (0.999, 1.2)])
def test_a_fifth_of_each_pause_is_left_to_chance_either_way(clock: VirtualClock, chance: float, share: float) -> None:
    clock.chances = [chance] * 1000
    target = Fake(ready_at=5)
    run(clock, target)
    assert all(pause == pytest.approx(0.05 * share, rel=0.02) for pause in target.pauses)


def test_interval_max_interval_and_steady_override_the_pace_of_the_scheme(clock: VirtualClock) -> None:
    target = Fake(pace=LOGIN_PACE, ready_at=30)
    run(clock, target, retry=policy(interval="1s", max_interval="4s", steady="3s", jitter="0"))
    assert target.pauses[:7] == pytest.approx([1, 1, 1, 1, 2, 4, 4])
    assert set(target.pauses[5:]) == {4.0}


def test_an_interval_above_the_scheme_longest_pause_is_kept(clock: VirtualClock) -> None:
    target = Fake(ready_at=20)
    run(clock, target, retry=policy(interval="3s", jitter="0"))
    assert set(target.pauses) == {3.0}


def test_a_fixed_backoff_does_not_grow(clock: VirtualClock) -> None:
    target = Fake(ready_at=30)
    run(clock, target, retry=policy(backoff="fixed", jitter="0"))
    assert target.pauses == pytest.approx([0.05] * len(target.pauses))


# for how long


@pytest.mark.parametrize(("given", "seconds"), [({}, 3.0), ({"attempt_timeout": "700ms"}, 0.7)])
def test_an_attempt_has_three_seconds_or_others_cut_to_what_is_left(
    clock: VirtualClock, given: dict[str, str], seconds: float
) -> None:
    target = Fake()
    error = lost(clock, target, retry=policy(timeout="5s", **given))
    assert isinstance(error, TimedOutError)
    assert clock.now() == START + 5
    for moment, limit in zip(target.asked, target.limits, strict=True):
        # a little of it is left for what the probe says of its end
        assert min(seconds, 5.0 - moment) * 0.9 <= limit <= min(seconds, 5.0 - moment) + 0.001


@pytest.mark.parametrize("interval", ["50ms", "130ms", "1s"])
def test_looks_are_not_crowded_before_the_deadline(clock: VirtualClock, interval: str) -> None:
    others = Fake("b", pace=LOGIN_PACE), Fake("c", pace=HTTP_PACE)
    target = Fake("a")
    lost(clock, target, *others, retry=policy(timeout="20s", interval=interval))
    for one in (target, *others):
        assert len([moment for moment in one.asked if moment > 19.9]) <= 4


def test_the_last_look_is_not_after_the_deadline(clock: VirtualClock) -> None:
    target = Fake()
    lost(clock, target, retry=policy(timeout="1s", interval="400ms", jitter="0"))
    assert target.asked == pytest.approx([0, 0.4, 0.8])
    assert clock.now() == START + 1


# attempts that overlap


class Hanging:
    """Launches probes that end only when they are told to, and remembers when each began."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.begun: list[float] = []
        self.jobs: list[Job] = []

    def __call__(self, job: Job) -> None:
        self.begun.append(self.clock.now() - START)
        self.jobs.append(job)

    def end(self, number: int) -> Callable[[], None]:
        """What ends the probe of that number, counted from 0."""

        def ended() -> None:
            self.jobs[number]()

        return ended


def test_a_silent_attempt_is_joined_after_a_quarter_of_its_time_by_at_most_three_others(clock: VirtualClock) -> None:
    hanging = Hanging(clock)
    lost(clock, Fake(), launch=hanging, retry=policy(timeout="20s", attempt_timeout="8s", jitter="0"))
    assert len(hanging.begun) == 4
    assert all(2 <= gap <= 2.1 for gap in gaps(hanging.begun))


def gaps(moments: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def test_the_end_of_a_silent_attempt_makes_room_for_the_next(clock: VirtualClock) -> None:
    hanging = Hanging(clock)
    clock.after(15, hanging.end(0))
    lost(clock, Fake(), launch=hanging, retry=policy(timeout="20s", attempt_timeout="8s", jitter="0"))
    assert hanging.begun[4] == pytest.approx(15, abs=0.1)
    assert len(hanging.begun) == 5


def reaching(hanging: Hanging) -> Callable[[Job], None]:
    """Somebody accepts each connection at once, and then says nothing."""

    def launch(job: Job) -> None:
        inspect.getclosurevars(job).nonlocals["context"].reached()
        hanging(job)

    return launch


def test_an_attempt_that_has_reached_somebody_is_not_joined(clock: VirtualClock) -> None:
    hanging = Hanging(clock)
    clock.after(7, hanging.end(0))
    run(clock, Fake(ready_at=7), launch=reaching(hanging), retry=policy(timeout="20s", attempt_timeout="8s"))
    assert (hanging.begun, clock.now()) == ([0], START + 7)


def test_one_that_has_reached_somebody_is_followed_once_its_time_is_over(clock: VirtualClock) -> None:
    hanging = Hanging(clock)
    lost(clock, Fake(), launch=reaching(hanging), retry=policy(timeout="20s", attempt_timeout="8s", jitter="0"))
    assert len(hanging.begun) == 3
    assert all(8 <= gap <= 8.1 for gap in gaps(hanging.begun))


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_no_more_join_than_there_are_attempts(clock: VirtualClock, attempts: int) -> None:
    hanging = Hanging(clock)
    retry = policy(timeout="60s", attempt_timeout="8s", attempts=str(attempts), jitter="0")
    error = lost(clock, Fake(), launch=hanging, retry=retry)
    assert len(hanging.begun) == attempts
    assert isinstance(error, TimedOutError)
    # the last one has all of its time
    assert clock.now() - START == pytest.approx(hanging.begun[-1] + 8, abs=0.1)


def test_a_success_counts_even_after_its_attempt_was_given_up(clock: VirtualClock) -> None:
    hanging = Hanging(clock)
    clock.after(9.5, hanging.end(1))
    run(clock, Fake(ready_at=5), launch=hanging, retry=policy(timeout="60s", attempt_timeout="8s"))
    assert clock.now() == START + 9.5


def test_a_failure_of_an_attempt_that_was_joined_does_not_stop_the_other(clock: VirtualClock) -> None:
    hanging = Hanging(clock)
    clock.after(3, hanging.end(0))
    clock.after(4.5, hanging.end(1))
    run(clock, Fake(ready_at=4), launch=hanging, retry=policy(timeout="60s", attempt_timeout="8s"))
    assert clock.now() == START + 4.5


def test_a_suspect_answer_of_an_attempt_that_was_joined_is_told(clock: VirtualClock, voice: RecordingVoice) -> None:
    hanging = Hanging(clock)
    clock.after(3, hanging.end(0))
    target = Fake(answer=lambda _: SuspectError("log in", "wrong password"))
    lost(clock, target, launch=hanging, voice=voice, retry=policy(timeout="5s", attempt_timeout="4s"))
    assert ("a", "wrong password") in voice.missed


# gone


def test_what_is_to_be_gone_is_gone_once_it_is_certainly_absent(clock: VirtualClock, voice: RecordingVoice) -> None:
    target = Fake(answer=lambda now: None if now < 3 else refused())
    outcome = run(clock, target, not_=True, voice=voice)
    assert (outcome.detail, outcome.facts) == ("1 target gone", {"ready": ["a"]})
    assert voice.missed[0] == ("a", "it still is there")
    assert voice.founds == ["a"]


UNCERTAIN = (
    TemporaryError("connect to a", "no answer"),
    TemporaryError("connect to a", "cannot resolve a: name or service not known"),
    SuspectError("log in", "wrong password"),
)


@pytest.mark.parametrize("error", UNCERTAIN)
def test_any_other_failure_is_not_gone(clock: VirtualClock, error: InitkitError) -> None:
    caught = lost(clock, Fake(answer=lambda _: error), not_=True, retry=policy(timeout="5s"))
    assert isinstance(caught, TimedOutError)
    assert caught.cause.startswith(error.cause)


def test_silence_is_not_gone(clock: VirtualClock) -> None:
    error = lost(clock, Fake(), launch=Hanging(clock), not_=True, retry=policy(timeout="5s"))
    assert error.cause.startswith("no answer")


# in a row, and for a while


def test_successes_are_counted_in_a_row(clock: VirtualClock) -> None:
    answers = iter([None, None, refused(), None, None, None])
    target = Fake(answer=lambda _: next(answers))
    run(clock, target, successes=3)
    assert len(target.asked) == 6


def test_looks_at_what_is_there_go_on_at_the_first_pause(clock: VirtualClock) -> None:
    target = Fake(ready_at=30)
    run(clock, target, successes=5, retry=policy(jitter="0"))
    assert target.pauses[-4:] == pytest.approx([0.05] * 4)


def test_stable_holds_for_that_long(clock: VirtualClock) -> None:
    target = Fake(ready_at=4)
    run(clock, target, stable=3.0)
    first = next(moment for moment in target.asked if moment >= 4)
    assert first + 3 <= clock.now() - START <= first + 3.1


def test_a_failure_in_between_starts_the_time_anew(clock: VirtualClock, voice: RecordingVoice) -> None:
    # as the images of databases do: up for their first scripts, down, and up again
    target = Fake(answer=lambda now: None if 1 <= now < 2.5 or now >= 4 else refused())
    run(clock, target, stable=2.0, voice=voice)
    assert START + 6 <= clock.now() <= START + 6.1
    assert ("a", "is there, which is to hold for 2s") in voice.missed
    assert [why for _, why in voice.missed][-1] == "is there, which is to hold for 2s"


def test_both_must_hold_where_both_are_asked_for(clock: VirtualClock) -> None:
    target = Fake(ready_at=0)
    run(clock, target, stable=1.0, successes=3, retry=policy(interval="1s", jitter="0"))
    assert len(target.asked) == 3
    again = Fake(ready_at=0)
    run(clock, again, stable=4.0, successes=3, retry=policy(interval="1s", jitter="0"))
    assert len(again.asked) == 5


def test_gone_may_have_to_hold(clock: VirtualClock) -> None:
    target = Fake(answer=lambda now: refused() if 1 <= now < 2 or now >= 3 else None)
    run(clock, target, not_=True, stable=1.5)
    assert START + 4.5 <= clock.now() <= START + 4.6


def test_an_unstable_target_times_out_and_says_what_was_asked(clock: VirtualClock) -> None:
    target = Fake(answer=lambda now: None if now % 1 < 0.5 else refused())
    error = lost(clock, target, stable=2.0, retry=policy(timeout="10s"))
    assert isinstance(error, TimedOutError)
    assert clock.now() == START + 10


def test_any_is_content_with_the_first_that_has_held(clock: VirtualClock) -> None:
    restless = Fake("restless", answer=lambda now: None if now % 1 < 0.5 else refused())
    late = Fake("late", ready_at=3)
    outcome = run(clock, restless, late, any=True, stable=1.0)
    assert outcome.facts == {"ready": ["late"]}
    assert START + 4 <= clock.now() <= START + 4.1


def test_any_of_them_gone_is_enough(clock: VirtualClock) -> None:
    outcome = run(
        clock,
        Fake("stays", ready_at=0),
        Fake("goes", answer=lambda n: refused() if n > 2 else None),
        any=True,
        not_=True,
    )
    assert outcome.facts == {"ready": ["goes"]}


# many at once


def test_a_thousand_targets_are_looked_at_rarely_enough_to_leave_a_core_to_others(clock: VirtualClock) -> None:
    targets = [Fake(f"t{number}", ready_at=5) for number in range(1000)]
    run(clock, *targets)
    looks = sum(len(target.asked) for target in targets)
    assert clock.now() - START < 5 + 5
    assert looks < 4000
    ten = [Fake(f"t{number}", ready_at=clock.now() - START + 5) for number in range(10)]
    begun = clock.now()
    run(clock, *ten)
    assert clock.now() - begun <= 5.06, "a few are looked at as often as one"


def test_those_that_are_left_are_looked_at_more_often_once_the_others_are_ready(clock: VirtualClock) -> None:
    many = [Fake(f"t{number}", ready_at=0.1) for number in range(1000)]
    last = Fake("last", ready_at=9)
    run(clock, *many, last)
    assert clock.now() - START <= 9.06


def test_what_fails_together_is_looked_at_together(clock: VirtualClock) -> None:
    clock.chances = [number / 97 % 1 for number in range(10_000)]
    targets = [Fake(f"t{number}", ready_at=5) for number in range(10)]
    run(clock, *targets)
    assert all(target.asked == targets[0].asked for target in targets)
    assert len(set(targets[0].pauses)) > 10, "the next time is left to chance all the same"


# what is told


def test_a_reason_that_has_not_changed_is_told_at_most_every_half_second(
    clock: VirtualClock, voice: RecordingVoice
) -> None:
    target = Fake(ready_at=5)
    run(clock, target, voice=voice)
    assert len(target.asked) > 90
    assert 2 <= len(voice.missed) <= 11


def test_a_reason_that_changes_is_told_at_once(clock: VirtualClock) -> None:
    told: list[tuple[float, str]] = []

    class Timed(RecordingVoice):
        def missing(self, name: str, why: str, *, attempts: int) -> None:  # noqa: ARG002 - the protocol's
            told.append((clock.now() - START, why))

    starting = TemporaryError("log in", "the database system is starting up")
    target = Fake(ready_at=math.inf, answer=lambda now: refused() if now < 0.2 else starting if now < 1 else None)
    run(clock, target, voice=Timed())
    changed = next(moment for moment, why in told if why == "the database system is starting up")
    assert changed == next(moment for moment in target.asked if moment >= 0.2)


# looking once


def check(*targets: Fake, **options: Any) -> Finding:
    return Wait(targets=cast("tuple[Target, ...]", targets), **options).check(make_context())


def there(name: str) -> Fake:
    return Fake(name, answer=lambda _: None)


def test_check_with_not_is_satisfied_where_it_is_gone() -> None:
    assert check(Fake("a", answer=lambda _: refused()), not_=True) == Satisfied("1 target gone", {"ready": ["a"]})


def test_check_with_not_says_what_is_still_there() -> None:
    found = check(there("a"), Fake("b", answer=lambda _: refused()), not_=True)
    why = "it still is there"
    assert found == Pending("not gone: a", (f"a: {why}",), {"ready": ["b"], "missing": {"a": why}})


def test_check_with_not_is_not_satisfied_by_what_is_uncertain() -> None:
    found = check(Fake("a", answer=lambda _: TemporaryError("connect to a", "no answer")), not_=True)
    assert found == Pending("not gone: a", ("a: no answer",), {"ready": [], "missing": {"a": "no answer"}})


def test_check_looks_once_whatever_is_to_hold() -> None:
    target = there("a")
    assert isinstance(check(target, successes=5, stable=60.0), Satisfied)
    assert len(target.asked) == 1
