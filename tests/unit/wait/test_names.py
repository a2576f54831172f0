"""Look-ups that many share: at most one a second for a name, and never a wait where an older answer is there."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from fix_dns import until

from initkit.core.clock import SystemClock
from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.stop import Stop
from initkit.steps.wait.net import names
from initkit.steps.wait.net.names import Address, Names, look_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_clock import VirtualClock

ONE, OTHER = (Address(socket.AF_INET, (where, 0)) for where in ("10.0.0.7", "10.0.0.8"))


class Resolver:
    """Stands in for the system's resolver, whose answers no test can change."""

    def __init__(self) -> None:
        self.answer: tuple[Address, ...] | Exception = (ONE,)
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, host: str) -> tuple[Address, ...]:
        self.asked.append(host)
        assert self.may_answer.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver()
    monkeypatch.setattr(names, "look_up", resolver)
    return resolver


def nothing() -> None:
    """Wake nobody."""


class Later:
    """Keeps what is launched until the test has it done."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def __call__(self, job: Callable[[], None]) -> None:
        self.jobs.append(job)

    def work(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()


def test_a_name_is_looked_up_at_most_once_a_second(resolver: Resolver, clock: VirtualClock) -> None:
    shared = Names(clock)
    for _ in range(20):
        assert shared.resolve("db") == (ONE,)
        clock.sleep(0.25)
    assert len(resolver.asked) == 5


def test_a_new_answer_is_used_after_a_second(resolver: Resolver, clock: VirtualClock) -> None:
    shared = Names(clock)
    shared.resolve("db")
    resolver.answer = (OTHER,)
    clock.sleep(0.9)
    assert shared.resolve("db") == (ONE,)
    clock.sleep(0.2)
    assert shared.resolve("db") == (OTHER,)


def test_each_name_has_an_answer_of_its_own(resolver: Resolver, clock: VirtualClock) -> None:
    shared = Names(clock)
    shared.resolve("db")
    resolver.answer = (OTHER,)
    assert (shared.resolve("cache"), shared.resolve("db")) == ((OTHER,), (ONE,))
    assert resolver.asked == ["db", "cache"]


def test_an_error_is_shared_too_until_it_is_old(resolver: Resolver, clock: VirtualClock) -> None:
    shared = Names(clock)
    resolver.answer = TemporaryError("connect to db", "cannot resolve db", "check the name")
    errors = []
    for _ in range(3):
        with pytest.raises(TemporaryError) as caught:
            shared.resolve("db")
        errors.append(caught.value)
    assert len(resolver.asked) == 1
    assert len(set(map(str, errors))) == 1
    assert len(set(map(id, errors))) == 3, "each thread has an error of its own to raise"
    resolver.answer = (ONE,)
    clock.sleep(1.1)
    assert shared.resolve("db") == (ONE,)


def test_a_name_that_can_be_none_keeps_its_kind_of_error(resolver: Resolver, clock: VirtualClock) -> None:
    shared = Names(clock)
    resolver.answer = PermanentError("connect to db", "it can be no name", "mend it")
    for _ in range(2):
        with pytest.raises(PermanentError):
            shared.resolve("db")


def test_many_threads_share_one_look_up(resolver: Resolver, clock: VirtualClock) -> None:
    shared, found = Names(clock), []
    resolver.may_answer.clear()
    threads = [threading.Thread(target=lambda: found.append(shared.resolve("db"))) for _ in range(30)]
    for thread in threads:
        thread.start()
    until(lambda: resolver.asked)
    resolver.may_answer.set()
    for thread in threads:
        thread.join(10)
    assert found == [(ONE,)] * 30
    assert resolver.asked == ["db"]


def test_many_threads_share_one_error(resolver: Resolver, clock: VirtualClock) -> None:
    shared, causes = Names(clock), []
    resolver.may_answer.clear()
    resolver.answer = TemporaryError("connect to db", "cannot resolve db")

    def ask() -> None:
        try:
            shared.resolve("db")
        except TemporaryError as error:
            causes.append(error.cause)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    until(lambda: resolver.asked)
    resolver.may_answer.set()
    for thread in threads:
        thread.join(10)
    assert causes == ["cannot resolve db"] * 10
    assert resolver.asked == ["db"]


def test_a_slow_name_does_not_hold_up_another(resolver: Resolver, clock: VirtualClock) -> None:
    shared = Names(clock)
    resolver.may_answer.clear()
    slow = threading.Thread(target=lambda: shared.resolve("slow"))
    slow.start()
    until(lambda: resolver.asked == ["slow"])
    later = Later()
    assert shared.peek("db", later, nothing) is None
    assert len(later.jobs) == 1
    assert slow.is_alive()
    resolver.may_answer.set()
    slow.join(10)
    assert not slow.is_alive()


def test_peek_begins_a_look_up_and_does_not_wait_for_it(resolver: Resolver, clock: VirtualClock) -> None:
    shared, later, woken = Names(clock), Later(), []
    assert shared.peek("db", later, lambda: woken.append(1)) is None
    assert shared.peek("db", later, lambda: woken.append(1)) is None
    assert (len(later.jobs), resolver.asked, woken) == (1, [], [])
    later.work()
    assert (resolver.asked, woken) == (["db"], [1, 1])  # whoever was told to wait
    assert shared.peek("db", later, nothing) == (ONE,)
    assert not later.jobs


def test_peek_keeps_the_old_addresses_while_it_asks_anew(resolver: Resolver, clock: VirtualClock) -> None:
    shared, later = Names(clock), Later()
    shared.resolve("db")
    resolver.answer = (OTHER,)
    clock.sleep(1.1)
    assert shared.peek("db", later, nothing) == (ONE,)
    assert len(later.jobs) == 1
    assert shared.peek("db", later, nothing) == (ONE,)
    assert len(later.jobs) == 1
    later.work()
    assert shared.peek("db", later, nothing) == (OTHER,)


def test_peek_raises_what_the_last_look_up_met_and_wakes_all_the_same(resolver: Resolver, clock: VirtualClock) -> None:
    shared, later, woken = Names(clock), Later(), []
    resolver.answer = TemporaryError("connect to db", "cannot resolve db")
    assert shared.peek("db", later, lambda: woken.append(1)) is None
    later.work()
    assert woken == [1]
    with pytest.raises(TemporaryError, match="cannot resolve db"):
        shared.peek("db", later, nothing)
    resolver.answer = (ONE,)
    clock.sleep(1.1)
    with pytest.raises(TemporaryError):
        shared.peek("db", later, nothing)
    later.work()
    assert shared.peek("db", later, nothing) == (ONE,)


def test_resolve_waits_for_a_look_up_that_peek_has_begun(resolver: Resolver, clock: VirtualClock) -> None:
    shared, later, found = Names(clock), Later(), []
    shared.peek("db", later, nothing)
    thread = threading.Thread(target=lambda: found.append(shared.resolve("db")))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    later.work()
    thread.join(10)
    assert found == [(ONE,)]
    assert resolver.asked == ["db"]


@pytest.mark.parametrize("host", ["10.0.0.7", "::1"])
def test_a_numeric_address_is_there_at_once(resolver: Resolver, clock: VirtualClock, host: str) -> None:
    shared, later = Names(clock), Later()
    found = shared.peek(host, later, nothing)
    assert found is not None
    assert [str(address) for address in found] == [host]
    assert not later.jobs
    assert not resolver.asked


def test_the_system_knows_itself() -> None:
    assert "127.0.0.1" in {str(address) for address in look_up("localhost")}
    (address,) = look_up("::1")
    assert address.at(53)[:2] == ("::1", 53)
    assert look_up("10.0.0.7")[0].at(53) == ("10.0.0.7", 53)


def test_a_name_that_the_system_does_not_know_or_that_can_be_none() -> None:
    with pytest.raises(TemporaryError, match=r"cannot resolve db\.invalid: "):
        look_up("db.invalid")
    with pytest.raises(PermanentError, match="can be no host's name"):
        look_up("ü" * 63)


def test_a_look_up_that_hangs_ends_with_the_time_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def hang(_host: str) -> tuple[Address, ...]:
        go_on.wait(10)
        return (ONE,)

    monkeypatch.setattr(names, "look_up", hang)
    shared = names.Names(SystemClock(Stop()))
    with pytest.raises(TemporaryError, match="cannot resolve db: no answer"):
        shared.resolve("db", 0.05)
    go_on.set()
    assert shared.resolve("db") == (ONE,)


def test_a_look_up_that_cannot_be_begun_leaves_the_next_one_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_job: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(names, "look_up", lambda _host: (ONE,))
    shared = names.Names(SystemClock(Stop()))
    with pytest.raises(RuntimeError, match="new thread"):
        shared.peek("db", refuse, lambda: None)
    assert shared.resolve("db", 5) == (ONE,)


def test_a_bug_in_a_look_up_is_an_error_and_still_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_host: str) -> tuple[Address, ...]:
        raise ZeroDivisionError

    monkeypatch.setattr(names, "look_up", bug)
    shared = names.Names(SystemClock(Stop()))
    woken: list[bool] = []

    def launch(job: Callable[[], None]) -> None:
        with pytest.raises(ZeroDivisionError):
            job()

    with pytest.raises(TemporaryError, match="cannot resolve db"):
        shared.peek("db", launch, lambda: woken.append(True))
    assert woken
