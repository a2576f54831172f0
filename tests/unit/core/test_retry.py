"""When there is another attempt, and when there is none: every rule on a clock that the test owns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import VirtualClock
from hypothesis import given
from hypothesis import strategies as st

from initkit.core.assemble import assemble
from initkit.core.errors import (
    InitkitError,
    PermanentError,
    SuspectError,
    TemporaryError,
    TimedOutError,
    UsageError,
)
from initkit.core.options import Invalid
from initkit.core.retry import Attempts, RetryPolicy
from initkit.engine.retrying import persist

if TYPE_CHECKING:
    from collections.abc import Callable

TASK = "connect to db:5432"


def policy(**options: Any) -> RetryPolicy:
    return RetryPolicy(**{"jitter": 0.0, "timeout": 0.0, **options})


def refused(cause: str = "connection refused") -> TemporaryError:
    return TemporaryError(TASK, cause, "check that it is running")


def wrong_password(cause: str = "wrong password") -> SuspectError:
    return SuspectError(TASK, cause, "check user and password", done="1 of 2")


class Script:
    """Attempts that fail as they are told to, then succeed; `took` seconds each."""

    def __init__(self, clock: VirtualClock, attempts: Attempts, *errors: InitkitError, took: float = 0.0) -> None:
        self.clock = clock
        self.attempts = attempts
        self.errors = list(errors)
        self.took = took
        self.begun: list[float] = []
        self.timeouts: list[float] = []
        self.failures: list[InitkitError] = []

    def __call__(self) -> str:
        self.timeouts.append(self.attempts.begin())
        self.begun.append(self.clock.now())
        self.clock.advance(self.took)
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def run(self) -> str:
        return persist(self, self.attempts, self.clock.sleep, self.failures.append)


def forever(make: Callable[[], InitkitError]) -> list[InitkitError]:
    return [make() for _ in range(5000)]


# the policy


@pytest.mark.parametrize("option", ["interval", "attempt-timeout"])
def test_what_would_spin_or_never_try_is_refused(option: str) -> None:
    with pytest.raises(Invalid, match=r"expected a duration longer than 0, got '0s'") as caught:
        assemble(RetryPolicy, {option: "0s", "attempts": "-1"})
    assert {problem.path for problem in caught.value.problems} == {(option,), ("attempts",)}, "all mistakes at once"


def test_exponential_backoff_doubles_up_to_the_longest_pause() -> None:
    patient = policy(interval=1.0, max_interval=10.0)
    assert [patient.pause(failures, 0.5) for failures in (1, 2, 3, 4, 5, 64, 65, 10**9)] == [1, 2, 4, 8, 10, 10, 10, 10]


def test_fixed_backoff_stays_as_it_is() -> None:
    patient = policy(interval=3.0, max_interval=1.0, backoff="fixed")
    assert [patient.pause(failures, 0.5) for failures in (1, 2, 100)] == [3, 3, 3]


def test_a_first_pause_longer_than_the_longest_stays() -> None:
    assert policy(interval=30.0, max_interval=10.0).pause(1, 0.5) == 30


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 8.0), (0.5, 10.0), (0.9999999, 12.0)])
def test_jitter_is_a_share_either_way(chance: float, seconds: float) -> None:
    assert policy(interval=10.0, jitter=0.2).pause(1, chance) == pytest.approx(seconds)


@given(
    st.floats(0.001, 3600),
    st.floats(0, 3600),
    st.floats(0, 1),
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["fixed", "exponential"]),
)
def test_no_pause_is_negative_or_beyond_the_longest_and_its_jitter(  # noqa: PLR0917 - a policy's fields
    interval: float, longest: float, jitter: float, failures: int, chance: float, backoff: Any
) -> None:
    patient = RetryPolicy(interval=interval, max_interval=longest, jitter=jitter, backoff=backoff)
    assert 0 <= patient.pause(failures, chance) <= max(interval, longest) * (1 + jitter)


# the loop


def test_success_at_once_needs_no_pause(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(), clock))
    assert script.run() == "done"
    assert (clock.sleeps, script.attempts.number, script.failures) == ([], 1, [])


def test_temporary_errors_are_retried_until_success(clock: VirtualClock) -> None:
    errors = [refused() for _ in range(5)]
    script = Script(clock, Attempts(policy(), clock), *errors)
    assert script.run() == "done"
    assert clock.sleeps == [1, 2, 4, 8, 10]
    assert script.failures == errors
    assert script.attempts.number == 6


def test_the_pause_is_shaken_by_the_clocks_chance(clock: VirtualClock) -> None:
    clock.chances = [0.0, 0.75]
    Script(clock, Attempts(policy(jitter=0.2, backoff="fixed"), clock), refused(), refused()).run()
    assert clock.sleeps == pytest.approx([0.8, 1.1])


@pytest.mark.parametrize("error", [PermanentError(TASK, "no"), UsageError(TASK, "no"), TimedOutError(TASK, "held")])
@pytest.mark.parametrize("before", [0, 1])
def test_any_other_error_ends_it_at_once_as_it_is(clock: VirtualClock, error: InitkitError, before: int) -> None:
    cause = ValueError("the driver's own words")
    error.__cause__ = cause
    script = Script(clock, Attempts(policy(), clock), *[refused()] * before, error)
    with pytest.raises(type(error)) as caught:
        script.run()
    assert caught.value is error
    assert caught.value.__cause__ is cause
    assert len(clock.sleeps) == before


@pytest.mark.parametrize("before", [0, 1])
def test_a_bug_is_not_retried(clock: VirtualClock, before: int) -> None:
    attempts = Attempts(policy(), clock)
    errors = [refused()] * before

    def attempt() -> None:
        attempts.begin()
        raise errors.pop() if errors else ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        persist(attempt, attempts, clock.sleep, lambda _: None)
    assert attempts.number == before + 1


def test_without_a_limit_it_never_gives_up(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(), clock), *forever(refused))
    assert script.attempts.deadline == script.attempts.remaining == math.inf
    assert script.run() == "done"
    assert script.attempts.number == 5001


# the deadline


def test_the_last_pause_is_cut_to_the_deadline(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(timeout=10.0), clock), *forever(refused))
    with pytest.raises(TimedOutError):
        script.run()
    assert clock.sleeps == [1, 2, 4, 3]
    assert script.attempts.number == 4


def test_an_attempts_timeout_is_cut_to_what_is_left(clock: VirtualClock) -> None:
    attempts = Attempts(policy(timeout=20.0, attempt_timeout=10.0, backoff="fixed"), clock)
    script = Script(clock, attempts, *forever(refused), took=8.0)
    with pytest.raises(TimedOutError):
        script.run()
    assert script.timeouts == [10, 10, 2]


def test_an_attempt_that_ends_behind_the_deadline_is_the_last(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(timeout=5.0), clock), *forever(refused), took=7.0)
    with pytest.raises(TimedOutError):
        script.run()
    assert (clock.sleeps, script.attempts.number, script.attempts.remaining) == ([], 1, 0)


def test_the_first_attempt_is_made_even_where_no_time_is_left(clock: VirtualClock) -> None:
    attempts = Attempts(policy(), clock, deadline=clock.now() - 1)
    assert attempts.begin() == 0
    with pytest.raises(TimedOutError) as caught:
        attempts.begin()
    assert str(caught.value) == "cannot finish: timed out after 0s (1 attempt)"


def test_a_deadline_from_outside_goes_before_the_policys(clock: VirtualClock) -> None:
    attempts = Attempts(policy(timeout=100.0), clock, deadline=clock.now() + 3)
    with pytest.raises(TimedOutError):
        Script(clock, attempts, *forever(refused)).run()
    assert sum(clock.sleeps) == 3


def test_begin_tells_of_the_last_error_once_the_deadline_is_past(clock: VirtualClock) -> None:
    attempts = Attempts(policy(timeout=5.0), clock)
    attempts.begin()
    assert attempts.judge(refused()).error is None
    clock.advance(6)
    with pytest.raises(TimedOutError, match="connection refused"):
        attempts.begin()


POLICIES = st.builds(
    RetryPolicy,
    timeout=st.floats(0.01, 500),
    interval=st.floats(0.5, 100),
    max_interval=st.floats(0, 200),
    backoff=st.sampled_from(["fixed", "exponential"]),
    jitter=st.floats(0, 1),
    attempts=st.integers(0, 20),
    attempt_timeout=st.floats(0.01, 100),
    suspect_for=st.floats(0, 100),
)


@given(POLICIES, st.data())
def test_no_policy_sleeps_or_begins_beyond_its_deadline(patient: RetryPolicy, data: st.DataObject) -> None:
    clock = VirtualClock()
    clock.chances = data.draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=20))
    attempts = Attempts(patient, clock)
    script = Script(clock, attempts, took=data.draw(st.floats(0.01, 50)))
    kinds = data.draw(st.lists(st.sampled_from([refused, wrong_password]), min_size=1, max_size=5))

    def attempt() -> str:
        script.errors = [kinds[attempts.number % len(kinds)]()]
        return script()

    with pytest.raises((TimedOutError, PermanentError)):
        persist(attempt, attempts, clock.sleep, lambda _: None)
    assert sum(clock.sleeps) <= patient.timeout + 1e-6
    assert all(begun < attempts.deadline for begun in script.begun)
    assert all(
        timeout <= min(patient.attempt_timeout, attempts.deadline - begun) + 1e-9
        for begun, timeout in zip(script.begun, script.timeouts, strict=True)
    )
    assert not patient.attempts or attempts.number <= patient.attempts


# a limit of attempts


def test_attempts_may_be_limited(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(attempts=3), clock), *forever(refused))
    with pytest.raises(TimedOutError) as caught:
        script.run()
    assert (script.attempts.number, clock.sleeps, len(script.failures)) == (3, [1, 2], 2)
    assert str(caught.value) == (
        "cannot connect to db:5432: connection refused (gave up after 3s, 3 attempts); check that it is running"
    )
    assert isinstance(caught.value.__cause__, TemporaryError)


def test_one_attempt_is_spoken_of_as_one(clock: VirtualClock) -> None:
    with pytest.raises(TimedOutError, match=r"\(gave up after 0s, 1 attempt\)"):
        Script(clock, Attempts(policy(attempts=1), clock), refused()).run()


# suspect answers


def test_wrong_password_is_given_up_after_a_minute(clock: VirtualClock) -> None:
    patient = policy(timeout=300.0, interval=10.0, backoff="fixed")
    script = Script(clock, Attempts(patient, clock), *forever(wrong_password))
    with pytest.raises(PermanentError) as caught:
        script.run()
    assert sum(clock.sleeps) == 60
    assert str(caught.value) == (
        "cannot connect to db:5432: wrong password (the same answer 7 times over 1m) (done before: 1 of 2)"
        "; check user and password"
    )
    assert isinstance(caught.value.__cause__, SuspectError)


def test_two_answers_are_too_few_however_far_apart(clock: VirtualClock) -> None:
    patient = policy(interval=100.0, max_interval=100.0)
    script = Script(clock, Attempts(patient, clock), *forever(wrong_password))
    with pytest.raises(PermanentError, match="the same answer 3 times over 3m20s"):
        script.run()


def test_a_suspect_answer_is_believed_at_once_where_asked_for(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(suspect_for=0.0), clock), wrong_password())
    with pytest.raises(PermanentError) as caught:
        script.run()
    assert caught.value.cause == "wrong password"
    assert clock.sleeps == []


def test_a_role_that_is_created_late_is_waited_for(clock: VirtualClock) -> None:
    patient = policy(interval=10.0, backoff="fixed")
    assert Script(clock, Attempts(patient, clock), *[wrong_password() for _ in range(6)]).run() == "done"


@pytest.mark.parametrize("between", [refused(), wrong_password("no such database")])
def test_a_different_answer_in_between_starts_over(clock: VirtualClock, between: InitkitError) -> None:
    patient = policy(interval=20.0, backoff="fixed")
    script = Script(clock, Attempts(patient, clock), wrong_password(), wrong_password(), wrong_password(), between)
    script.errors += forever(wrong_password)
    with pytest.raises(PermanentError, match=r"wrong password \(the same answer 4 times over 1m\)"):
        script.run()
    assert sum(clock.sleeps) == 40 + 20 + 20 + 60


def test_a_suspect_answer_that_is_not_believed_in_time_is_a_time_out(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(timeout=30.0), clock), *forever(wrong_password))
    with pytest.raises(TimedOutError, match="wrong password"):
        script.run()


# a server that says when


def put_off(seconds: float) -> TemporaryError:
    return TemporaryError(TASK, "busy", retry_after=seconds)


def test_a_server_that_asks_for_a_pause_gets_it(clock: VirtualClock) -> None:
    patient = policy(interval=10.0, backoff="fixed")
    assert Script(clock, Attempts(patient, clock), put_off(37.0), refused(), put_off(3.0)).run() == "done"
    assert clock.sleeps == [37, 10, 10]


def test_the_pause_that_a_server_asks_for_is_cut_to_the_deadline(clock: VirtualClock) -> None:
    script = Script(clock, Attempts(policy(timeout=20.0), clock), *forever(lambda: put_off(37.0)))
    with pytest.raises(TimedOutError, match=r"busy \(gave up after 20s, 1 attempt\)"):
        script.run()
    assert clock.sleeps == [20]


def test_a_server_that_asks_for_a_year_is_asked_again_in_an_hour(clock: VirtualClock) -> None:
    assert Script(clock, Attempts(policy(), clock), put_off(365 * 86400.0)).run() == "done"
    assert clock.sleeps == [3600]


def test_a_suspect_answer_may_ask_for_a_pause_too(clock: VirtualClock) -> None:
    error = SuspectError(TASK, "locked", retry_after=30.0)
    assert Script(clock, Attempts(policy(), clock), error).run() == "done"
    assert clock.sleeps == [30]
