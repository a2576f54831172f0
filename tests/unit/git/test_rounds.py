"""When the next round comes, what is told of it, and when there is none any more."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context

from initkit.core.errors import PermanentError, Stopped, TemporaryError
from initkit.core.outcome import Finding, Outcome, Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.core.stop import Stop
from initkit.steps.git.staying import rounds as rounds_room
from initkit.steps.git.staying.rounds import Rounds, stay
from initkit.steps.git.staying.standing import Standing
from initkit.steps.git.staying.telling import UntoldError

if TYPE_CHECKING:
    from initkit.core.step import Around, Context
    from initkit.core.values import HostPort

DOWN = TemporaryError("read r", "connection refused")
AWAY = PermanentError("read r", "no such repository")


def same(sha: str = "a") -> Satisfied:
    return Satisfied(f"at {sha}", {"sha": sha})


def changed(sha: str, *, told: bool = True) -> Outcome:
    return Outcome.changed(f"at {sha}", {"sha": sha, "told": told})


@dataclass
class Fake:
    """Comes to what it is told, round after round; then the end is asked for."""

    comes_to: list[Satisfied | Outcome | Exception]
    retry: RetryPolicy = RetryPolicy(jitter=0.0, timeout=600)
    every: float = 60.0
    max_failures: int = 0
    listen: HostPort | None = None
    repository: str = "r"
    ref: str = "main"
    tells: list[Exception | None] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)

    def check(self, context: Context) -> Finding:
        self.contexts.append(context)
        self.moments.append(context.clock.now() - 1000)
        if not self.comes_to:
            raise Stopped(15)
        if isinstance(self.comes_to[0], Outcome):
            return Pending("would change")
        found = self.comes_to.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Satisfied)
        return found

    def apply(self, _context: Context) -> Outcome:
        found = self.comes_to.pop(0)
        assert isinstance(found, Outcome)
        return found

    def shown(self) -> str:
        return ""

    def tell(self, _context: Context, before: str) -> None:
        self.told.append(before)
        error = self.tells.pop(0) if self.tells else None
        if error:
            raise error


class World:
    """A run of rounds on a clock of its own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.stop = Stop()
        self.voice = RecordingVoice()
        self.context = make_context(clock=self.clock, stop=self.stop, voice=self.voice, timeout=0)
        self.standing = Standing(self.clock, {})

    def go(self, fake: Fake, first: Outcome | None = None) -> None:
        rounds = Rounds(fake, self.context, self.standing)
        rounds.measured(lambda: first or Outcome.changed("at a", {"sha": "a"}))
        with pytest.raises(Stopped):
            rounds.go_on()

    def health(self) -> tuple[int, dict[str, object]]:
        page = self.standing.page("/healthz")
        assert page is not None
        return page.status, json.loads(page.body)

    def metrics(self) -> str:
        page = self.standing.page("/metrics")
        assert page is not None
        return page.body.decode()


@pytest.fixture
def world() -> World:
    return World()


def test_rounds_come_at_the_interval_that_was_asked_for(world: World) -> None:
    fake = Fake([same(), same()])
    world.go(fake)
    assert fake.moments == [60, 120, 180]


def test_chance_moves_each_pause_either_way(world: World) -> None:
    world.clock.chances += [0.0, 1.0 - 1e-9]
    fake = Fake([same()], retry=RetryPolicy(jitter=0.5))
    world.go(fake)
    assert fake.moments == [30, pytest.approx(120)]


def test_after_failures_pauses_grow_up_to_the_interval_and_no_further(world: World) -> None:
    fake = Fake([DOWN] * 6, every=10, retry=RetryPolicy(jitter=0.0, interval=1, max_interval=2))
    world.go(fake)
    assert fake.moments == [10, 11, 13, 17, 25, 35, 45]


def test_after_a_success_all_is_as_at_first(world: World) -> None:
    fake = Fake([DOWN, DOWN, same(), DOWN])
    world.go(fake)
    assert fake.moments == [60, 61, 63, 123, 124]


def test_a_server_that_wants_to_be_left_alone_is(world: World) -> None:
    fake = Fake([TemporaryError("read r", "429", retry_after=500)])
    world.go(fake)
    assert fake.moments == [60, 560]


def test_a_nudge_brings_a_round_at_once_also_after_a_failure(world: World) -> None:
    world.clock.after(20, lambda: world.stop.nudges.put(1))
    world.clock.after(20.5, lambda: world.stop.nudges.put(1))
    fake = Fake([DOWN])
    world.go(fake)
    assert fake.moments == [20, 20.5]


def test_many_nudges_during_a_round_are_one_more_round(world: World) -> None:
    fake = Fake([same(), same()])
    for _ in range(5):
        world.stop.nudges.put(1)
    world.go(fake)
    assert fake.moments == [0, 60, 120]


def test_each_round_has_a_deadline_of_its_own(world: World) -> None:
    fake = Fake([same()], retry=RetryPolicy(jitter=0.0, timeout=5, attempt_timeout=7))
    world.go(fake)
    assert [(one.deadline - 1000, one.attempt_timeout) for one in fake.contexts] == [(65, 5), (125, 5)]


def test_a_failure_is_told_once_and_another_one_too_and_then_that_it_is_over(world: World) -> None:
    slow = [TemporaryError("read r", f"no answer within {seconds}s") for seconds in (59, 60)]
    world.go(Fake([DOWN, DOWN, slow[0], DOWN, slow[1], same(), DOWN]))
    assert world.voice.warnings == [str(DOWN), str(slow[0]), str(DOWN)]
    assert world.voice.notes == ["goes on well after 5 failures in a row over 31s"]


def test_what_changes_is_told(world: World) -> None:
    world.go(Fake([same(), changed("b")]))
    assert world.voice.notes == ["changed: at b"]


def test_too_many_failures_in_a_row_end_it_with_the_last(world: World) -> None:
    fake = Fake([DOWN, same(), DOWN, AWAY, DOWN], max_failures=3, every=4)
    rounds = Rounds(fake, world.context, world.standing)
    with pytest.raises(PermanentError, match=r"cannot read r: connection refused \(3 failures in a row over 3s\)"):
        rounds.go_on()
    assert not fake.comes_to


def test_failures_before_the_first_success_are_counted_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake([same(), same()], max_failures=2)

    def first(around: Around) -> Outcome:
        for _ in range(3):
            with pytest.raises(TemporaryError):
                around(_down)
        assert world_health()[0] == 503
        return around(lambda: Outcome.ok("at a", {"sha": "a"}))

    def _down() -> Outcome:
        raise DOWN

    def world_health() -> tuple[int, str]:
        page = standings[0].page("/healthz")
        assert page is not None
        return page.status, page.body.decode()

    standings: list[Standing] = []

    def remembered(*given: object) -> Standing:
        standings.append(Standing(*given))  # type: ignore[arg-type]
        return standings[0]

    monkeypatch.setattr(rounds_room, "Standing", remembered)
    with pytest.raises(Stopped):
        stay(fake, world.context, first)
    assert world_health()[0] == 200
    state = standings[0].state
    assert (state.failures, state.in_a_row, state.rounds) == (3, 0, 6)


def test_what_another_replica_published_and_told_its_own_is_told_here_too(world: World) -> None:
    fake = Fake([same("a"), same("b"), same("b"), changed("c", told=True)])
    world.go(fake)
    assert fake.told == ["a"]


def test_a_command_that_fails_then_is_run_again_in_the_next_round(world: World) -> None:
    fake = Fake([same("b"), same("b"), same("b")], tells=[UntoldError("run x", "exit code 1")])
    world.go(fake)
    assert fake.told == ["a", "a"]
    assert world.voice.warnings == ["cannot run x: exit code 1"]


def test_at_the_first_look_what_is_there_was_told(world: World) -> None:
    fake = Fake([same()])
    world.go(fake, Outcome.ok("at a", {"sha": "a"}))
    assert fake.told == []


def test_it_is_ready_once_something_is_published_even_if_the_command_fails(world: World) -> None:
    rounds = Rounds(Fake([]), world.context, world.standing)
    assert world.health() == (503, {"status": "nothing is published yet"})
    error = UntoldError("run reload", "exit code 1", done="a is published")
    error.sha = "aaaa"

    def fail() -> Outcome:
        raise error

    with pytest.raises(UntoldError):
        rounds.measured(fail)
    status, told = world.health()
    assert status == 200
    assert told["sha"] == "aaaa"
    assert told["error"] == str(error)


def test_it_stays_ready_while_the_server_is_away(world: World) -> None:
    world.go(Fake([DOWN, AWAY]))
    status, told = world.health()
    assert status == 200
    assert told == {
        "status": "ready",
        "sha": "a",
        "since": "2023-11-14T22:30:00Z",
        "succeeded": "2023-11-14T22:30:00Z",
        "error": str(AWAY),
        "failures": 2,
    }


def test_metrics_say_how_it_goes(world: World) -> None:
    world.standing = Standing(world.clock, {"repository": "https://user:hunter2hunter@h/r", "ref": "main"})
    world.go(Fake([DOWN, AWAY, same(), changed("b"), DOWN]))
    lines = world.metrics().splitlines()
    assert 'initkit_git_published_info{repository="https://user:***@h/r",ref="main",sha="b"} 1' in lines
    assert "initkit_git_last_success_timestamp_seconds 1700001123" in lines
    assert "initkit_git_round_duration_seconds_count 6" in lines
    assert "initkit_git_publishes_total 2" in lines
    assert "initkit_git_failures_total 3" in lines
    assert "initkit_git_failures_in_a_row 1" in lines


def test_no_page_stands_elsewhere(world: World) -> None:
    assert world.standing.page("/") is None


def test_kinds_of_failures_are_not_remembered_without_end(world: World) -> None:
    words = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(300)]
    rounds = Rounds(Fake([]), world.context, world.standing)
    for word in words:
        rounds._failed(TemporaryError("read r", word))
    assert len(rounds._trouble._kinds) <= rounds_room._MOST_TOLD


def test_a_fixed_pause_after_failures_stays_fixed(world: World) -> None:
    fake = Fake([DOWN] * 3)
    fake.retry = replace(fake.retry, backoff="fixed", interval=2)
    world.go(fake)
    assert fake.moments == [60, 62, 64, 66]
