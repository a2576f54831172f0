"""A network that breaks and mends in mid-wait: what is said meanwhile, and how soon the server is noticed again."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from fix_clock import RecordingVoice, make_context
from fix_need import need
from fix_network import until
from fix_proxy import CLOSES, PASSES, REFUSES, RESETS, STALLS, Fault, to_path, to_port

from initkit.core.assemble import assemble
from initkit.core.errors import TimedOutError
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_proxy import Connect, Proxy

    from initkit.core.outcome import Outcome

    Server = tuple[str, Connect]  # a URL with {} for the port, and how the proxy gets there
    By = Callable[[pytest.FixtureRequest], Server]
    Start = Callable[[Connect], Proxy]

SOON = (
    5.0  # seconds to notice in that all is well again; the longest pause and an attempt that hangs, and a busy machine
)
PACE = {"interval": "30ms", "max-interval": "60ms", "attempt-timeout": "300ms"}
BREAKS = Fault(stalls_after=3)  # in the middle of the first answer
TRICKLES = Fault(trickle=0.2)


class Waiting:
    """A wait under way in a thread."""

    def __init__(self, target: object, **options: object) -> None:
        retry = {**PACE, **options.pop("retry", {})}  # type: ignore[dict-item]
        step = assemble(Wait, {"targets": [target], "retry": retry, **options})
        self.voice = RecordingVoice()
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self._context = make_context(voice=self.voice, timeout=30)
        self._thread = threading.Thread(target=self._wait, args=(step,), daemon=True)
        self._thread.start()

    def _wait(self, step: Wait) -> None:
        try:
            self.outcome = step.watch(self._context)
        except BaseException as error:  # noqa: BLE001 - it is looked at by the test
            self.error = error

    def says(self, pattern: str, *, since: int) -> None:
        """Wait until a reason is told that matches, among those after the first `since`."""

        def said() -> bool:
            assert self._thread.is_alive(), f"it is over: {self.outcome or self.error}"
            return any(re.search(pattern, why) for _, why in self.voice.missed[since:])

        until(said, f"a reason like {pattern!r} (not {self.voice.missed[since:][-3:]})")

    @property
    def told(self) -> int:
        """How many reasons were told so far."""
        return len(self.voice.missed)

    def ready(self) -> float:
        """Wait until it is ready; the seconds that this took from now."""
        began = time.monotonic()
        self._thread.join(20)
        assert self.error is None, self.error
        assert self.outcome is not None
        return time.monotonic() - began


def http(request: pytest.FixtureRequest) -> Server:
    site = request.getfixturevalue("http_server")()
    return "http://127.0.0.1:{}/200", to_port(int(site.address.rpartition(":")[2]))


def postgres(request: pytest.FixtureRequest) -> Server:
    url = request.getfixturevalue("postgres_server")
    folder = re.search(r"host=([^&]+)", url)
    need(folder, "a PostgreSQL server on a unix socket")
    path = f"{unquote(folder[1]) if folder else ''}/.s.PGSQL.5432"
    return "postgres://postgres@127.0.0.1:{}/postgres", to_path(path)


def mysql(request: pytest.FixtureRequest) -> Server:
    return "mysql://app:hunter2@127.0.0.1:{}/shop", to_port(request.getfixturevalue("mariadb").port)


def redis(request: pytest.FixtureRequest) -> Server:
    return "redis://127.0.0.1:{}", to_port(request.getfixturevalue("redis_plain").port)


def amqp(request: pytest.FixtureRequest) -> Server:
    return "amqp://app:hunter2@127.0.0.1:{}/shop", to_port(request.getfixturevalue("rabbitmq").port)


def nats(request: pytest.FixtureRequest) -> Server:
    return "nats://127.0.0.1:{}", to_port(request.getfixturevalue("nats")())


def mqtt(request: pytest.FixtureRequest) -> Server:
    return "mqtt://127.0.0.1:{}", to_port(request.getfixturevalue("mosquitto").open)


def memcached(request: pytest.FixtureRequest) -> Server:
    url = request.getfixturevalue("memcached")
    return "memcached://127.0.0.1:{}", to_port(int(url.rpartition(":")[2]))


SERVERS = (http, postgres, mysql, redis, amqp, nats, mqtt, memcached)
_CLOSED = r"clos(es|ed) the connection"
FAULTS = (
    (REFUSES, "^connection refused$"),
    (CLOSES, _CLOSED),
    (RESETS, rf"{_CLOSED}|(?i:connection reset by peer)"),
    (STALLS, "no answer"),
    (BREAKS, "no answer|its answer (stops in the middle|breaks off)"),
    (TRICKLES, "no answer|its answer (stops in the middle|breaks off)"),
)


@pytest.mark.parametrize("server", SERVERS)
def test_each_fault_is_told_and_the_server_is_noticed_soon_after(
    request: pytest.FixtureRequest, proxy: Start, server: By
) -> None:
    url, connect = server(request)
    between = proxy(connect)
    between.become(REFUSES)
    waiting = Waiting(url.format(between.port))
    for fault, words in FAULTS:
        told = waiting.told
        between.become(fault)
        waiting.says(words, since=told)
    between.become(PASSES)
    assert waiting.ready() < SOON


@pytest.mark.parametrize("server", [http, postgres])
def test_only_a_refusal_shows_that_a_server_is_gone(request: pytest.FixtureRequest, proxy: Start, server: By) -> None:
    url, connect = server(request)
    between = proxy(connect)
    waiting = Waiting(url.format(between.port), **{"not": "true"})
    waiting.says("^it still ", since=0)
    for fault, words in FAULTS[1:]:
        told = waiting.told
        between.become(fault)
        waiting.says(words, since=told)
    between.become(REFUSES)
    assert waiting.ready() < SOON
    assert waiting.outcome is not None
    assert waiting.outcome.detail == "1 target gone"


@pytest.mark.parametrize(
    ("server", "fault", "words"), [(postgres, *FAULTS[0]), (redis, *FAULTS[1]), (http, *FAULTS[3])]
)
def test_a_fault_while_it_is_to_stay_ready_starts_the_time_anew(
    request: pytest.FixtureRequest, proxy: Start, server: By, fault: Fault, words: str
) -> None:
    url, connect = server(request)
    between = proxy(connect)
    waiting = Waiting(url.format(between.port), stable="600ms")
    waiting.says("is to hold for 600ms", since=0)
    told = waiting.told
    between.become(fault)
    waiting.says(words, since=told)
    between.become(PASSES)
    assert 0.5 < waiting.ready() < SOON


@pytest.mark.parametrize(("fault", "words"), FAULTS)
def test_a_timeout_tells_what_was_wrong(request: pytest.FixtureRequest, proxy: Start, fault: Fault, words: str) -> None:
    url, connect = redis(request)
    between = proxy(connect)
    between.become(fault)
    waiting = Waiting(url.format(between.port), retry={"attempts": "2"})
    until(lambda: waiting.error is not None, "the end of the attempts")
    assert isinstance(waiting.error, TimedOutError)
    assert re.search(words.strip("^$"), waiting.error.cause)
    assert "2 attempts)" in waiting.error.cause
    assert waiting.error.advice


def test_a_port_that_accepts_is_noticed_after_it_refused(request: pytest.FixtureRequest, proxy: Start) -> None:
    between = proxy(redis(request)[1])
    between.become(REFUSES)
    waiting = Waiting(f"127.0.0.1:{between.port}")
    waiting.says("connection refused", since=0)
    between.become(PASSES)
    assert waiting.ready() < SOON


def test_a_port_that_closes_is_gone(request: pytest.FixtureRequest, proxy: Start) -> None:
    between = proxy(redis(request)[1])
    waiting = Waiting(f"127.0.0.1:{between.port}", **{"not": "true"})
    waiting.says("it still accepts connections", since=0)
    between.become(REFUSES)
    assert waiting.ready() < SOON


@pytest.mark.parametrize("server", [http, postgres, mysql, redis])
def test_a_slow_network_is_no_fault(request: pytest.FixtureRequest, proxy: Start, server: By) -> None:
    url, connect = server(request)
    between = proxy(connect)
    between.become(Fault(delay=0.1))
    waiting = Waiting(url.format(between.port), retry={"attempt-timeout": "5s", "attempts": "1"})
    waiting.ready()
    assert waiting.voice.missed == []
    assert between.accepted == 1, "a connection that was accepted is not joined by another"
