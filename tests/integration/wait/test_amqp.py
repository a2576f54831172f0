"""Waiting for a broker of AMQP 0-9-1: RabbitMQ in every state, and what no real broker says."""

from __future__ import annotations

import io
import logging
import random
import re
import socket
import time
from typing import TYPE_CHECKING

import pika
import pytest
from fix_clock import make_context
from fix_peer import answers, begins, closes
from fix_program import initkit
from pika.frame import Method
from pika.spec import Connection

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.amqp_session import Session
from initkit.steps.wait.net.wire import Wire
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_peer import Behaviour
    from fix_rabbitmq import Rabbit
    from fix_tls import PrivateCa


def probed(url: str, *, limit: float = 5, **options: str) -> str:
    target = assemble(Wait, {"targets": [{"amqp": {"url": url, **options}}]}).targets[0]
    return target.probe(make_context(attempt_timeout=limit))


def failed(url: str, *, limit: float = 5, **options: str) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(url, limit=limit, **options)
    assert "hunter2" not in str(caught.value)
    return caught.value


# RabbitMQ


@pytest.mark.parametrize("path", ["", "/", "/%2F", "/%2f", "/shop", "/a%2Fb", "/shop?heartbeat=30"])
def test_login_and_vhost(rabbitmq: Rabbit, path: str) -> None:
    assert probed(rabbitmq.url("app:hunter2", path)) == "lets us in"


def test_without_a_user_it_is_guest(rabbitmq: Rabbit) -> None:
    assert probed(rabbitmq.url()) == "lets us in"
    assert failed(rabbitmq.url("", "/shop")).cause == "NOT_ALLOWED - access to vhost 'shop' refused for user 'guest'"


@pytest.mark.parametrize("userinfo", ["app:hunter2wrong", "app", "app:", "nobody:hunter2"])
def test_a_refused_login_is_suspect(rabbitmq: Rabbit, userinfo: str) -> None:
    error = failed(rabbitmq.url(userinfo, "/shop"))
    assert type(error) is SuspectError
    assert error.task == f"log in to {rabbitmq.url()}/shop"
    assert error.cause == "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN"
    assert error.advice.startswith("check user and password")


@pytest.mark.parametrize(
    ("userinfo", "vhost", "cause"),
    [
        ("app:hunter2", "missing", "NOT_ALLOWED - vhost missing not found"),
        ("stranger:hunter2", "shop", "NOT_ALLOWED - access to vhost 'shop' refused for user 'stranger'"),
    ],
)
def test_a_refused_vhost_is_suspect(rabbitmq: Rabbit, userinfo: str, vhost: str, cause: str) -> None:
    error = failed(rabbitmq.url(userinfo, f"/{vhost}"))
    assert (type(error), error.cause) == (SuspectError, cause)
    assert error.advice == "create the vhost, or give the user permissions there"


def test_a_vhost_without_room_is_waited_for(rabbitmq: Rabbit) -> None:
    error = failed(rabbitmq.url("app:hunter2", "/full"))
    assert type(error) is TemporaryError
    assert error.cause.endswith("connection limit (0) is reached")


def test_a_vhost_that_is_down_is_waited_for(rabbitmq: Rabbit) -> None:
    rabbitmq.evaluate('rabbit_vhost_sup_sup:delete_on_all_nodes(<<"down">>).')
    error = failed(rabbitmq.url("app:hunter2", "/down"))
    assert type(error) is TemporaryError
    assert error.cause.endswith("vhost 'down' is down")


@pytest.fixture
def alarmed(rabbitmq: Rabbit) -> Iterator[Rabbit]:
    rabbitmq.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.0).")
    yield rabbitmq
    rabbitmq.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.4).")


def test_a_broker_with_an_alarm_lets_us_in(alarmed: Rabbit) -> None:
    assert "resource_limit,memory" in alarmed.evaluate("rabbit_alarm:get_alarms().")
    assert probed(alarmed.url()) == "lets us in"


def test_it_leaves_without_a_warning_in_the_broker_s_log(rabbitmq: Rabbit) -> None:
    before = len(rabbitmq.log())
    assert probed(rabbitmq.url("app:hunter2", "/shop")) == "lets us in"
    until = time.monotonic() + 10
    while not re.search("closing AMQP connection .*vhost: 'shop', user: 'app'", rabbitmq.log()[before:]):
        assert time.monotonic() < until, rabbitmq.log()[before:]
        time.sleep(0.02)
    assert not re.search(r"\[(warning|error)\]", rabbitmq.log()[before:])


def test_tls(rabbitmq: Rabbit, private_ca: PrivateCa, other_ca: PrivateCa) -> None:
    pair = private_ca.client
    assert probed(rabbitmq.tls_url(), ca=private_ca.ca) == "lets us in"
    assert probed(rabbitmq.tls_url(), ca=private_ca.ca, cert=pair.cert, key=pair.key) == "lets us in"
    for error in (failed(rabbitmq.tls_url()), failed(rabbitmq.tls_url(), ca=other_ca.ca)):
        assert type(error) is SuspectError
        assert error.cause.startswith("certificate check failed: ")
    assert failed(rabbitmq.tls_url("app:hunter2wrong"), ca=private_ca.ca).cause.startswith("ACCESS_REFUSED")


def test_the_wrong_scheme_for_the_port(rabbitmq: Rabbit) -> None:
    assert failed(rabbitmq.tls_url().replace("amqps:", "amqp:")).cause == "it speaks TLS"
    assert failed(rabbitmq.url().replace("amqp:", "amqps:")).cause.startswith("TLS: ")


def test_the_program_says_what_is_wrong_and_the_driver_says_nothing(rabbitmq: Rabbit) -> None:
    ended = initkit("wait", rabbitmq.url("app:hunter2wrong"), "--suspect-for", "0")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 2
    assert "pika" not in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr


def test_the_driver_s_log_does_not_reach_handlers_of_others(rabbitmq: Rabbit) -> None:
    root, text = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(text)  # as a migration's env.py puts one there
    level = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    try:
        failed(rabbitmq.url("app:hunter2wrong"))
        assert probed(rabbitmq.url()) == "lets us in"
        root.debug("seen")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert text.getvalue() == "seen\n"


# brokers of another kind, and none

START = Connection.Start(0, 9, {}, b"PLAIN", b"en_US")
TUNE = Connection.Tune(2047, 131072, 60)


def framed(*methods: object) -> bytes:
    return b"".join(Method(0, method).marshal() for method in methods)


def told(peer: Callable[[Behaviour], int], *words: bytes, limit: float = 1) -> InitkitError:
    return failed(f"amqp://127.0.0.1:{peer(answers(*words))}", limit=limit)


@pytest.mark.parametrize(
    ("header", "version"), [(b"\0\1\0\0", "1.0.0"), (b"\3\1\0\0", "1.0.0"), (b"\1\1\x08\0", "1.8.0")]
)
def test_a_broker_of_another_version_is_suspect(peer: Callable[[Behaviour], int], header: bytes, version: str) -> None:
    port = peer(answers(b"AMQP" + header))
    error = failed(f"amqp://127.0.0.1:{port}")
    assert (type(error), error.cause) == (SuspectError, f"it speaks AMQP {version}, and not 0-9-1")


def test_a_start_of_another_version_is_suspect(peer: Callable[[Behaviour], int]) -> None:
    error = told(peer, framed(Connection.Start(0, 10, {}, b"PLAIN", b"en_US")))
    assert (type(error), error.cause) == (SuspectError, "it speaks another version of AMQP")


def test_a_broker_that_takes_no_passwords_is_suspect(peer: Callable[[Behaviour], int]) -> None:
    error = told(peer, framed(Connection.Start(0, 9, {}, b"EXTERNAL", b"en_US")))
    assert (type(error), error.cause) == (SuspectError, "it offers no login by user and password")


@pytest.mark.parametrize(
    ("code", "text", "cause"),
    [
        (320, "CONNECTION_FORCED - shutdown.", "CONNECTION_FORCED - shutdown"),
        (506, "", "it refuses with code 506"),
        (
            530,
            "NOT_ALLOWED - node connection limit (9) is reached",
            "NOT_ALLOWED - node connection limit (9) is reached",
        ),
    ],
)
def test_a_broker_that_cannot_just_now_is_waited_for(
    peer: Callable[[Behaviour], int], code: int, text: str, cause: str
) -> None:
    error = told(peer, framed(START), framed(TUNE), framed(Connection.Close(code, text, 0, 0)))
    assert (type(error), error.cause) == (TemporaryError, cause)


@pytest.mark.parametrize("words", [[], [framed(START)], [framed(START), framed(TUNE)]])
def test_silence_at_any_moment_ends_with_the_attempt(peer: Callable[[Behaviour], int], words: list[bytes]) -> None:
    began = time.monotonic()
    error = told(peer, *words, limit=0.3)
    assert (type(error), error.cause) == (TemporaryError, "no answer")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("words", [framed(START), framed(START)[:-1], framed(START, TUNE)])
def test_a_connection_that_ends_before_we_are_in(peer: Callable[[Behaviour], int], words: bytes) -> None:
    error = failed(f"amqp://127.0.0.1:{peer(begins(words, closes))}")
    assert (type(error), error.cause) == (TemporaryError, "it closes the connection")


def test_whoever_lets_us_in_need_not_say_good_bye(peer: Callable[[Behaviour], int]) -> None:
    began = time.monotonic()
    port = peer(answers(framed(START), framed(TUNE), framed(Connection.OpenOk(""))))
    assert probed(f"amqp://127.0.0.1:{port}", limit=60) == "lets us in"
    assert time.monotonic() - began < 20


def test_broken_frames_give_no_other_errors_than_ours() -> None:
    chance = random.Random(3)
    whole = framed(Connection.Start(0, 9, {"a": {"b": [1, "c", {"d": True}]}, "e": 7}, b"PLAIN", b"en_US"), TUNE)
    whole += framed(Connection.Close(320, "x", 0, 0))
    for _ in range(500):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(8, len(broken))] = chance.randrange(256)
        with pytest.raises(TemporaryError) as caught:
            _log_in(bytes(broken))
        assert caught.value.cause


def test_tables_nested_deeper_than_anyone_reads_are_nonsense() -> None:
    depth, table = 8000, b""
    for _ in range(depth):
        table = b"\1aF" + len(table).to_bytes(4, "big") + table
    body = b"\0\x0a\0\x0a\0\x09" + len(table).to_bytes(4, "big") + table
    with pytest.raises(TemporaryError) as caught:
        _log_in(b"\1\0\0" + len(body).to_bytes(4, "big") + body + b"\xce")
    assert caught.value.cause == "it does not speak AMQP 0-9-1"


def _log_in(words: bytes) -> None:
    ours, theirs = socket.socketpair()
    clock = make_context().clock
    with theirs, Wire(ours, clock, clock.now() + 5, "use it", "look at it") as wire:
        theirs.sendall(words)
        theirs.shutdown(socket.SHUT_WR)
        Session(wire, "app", "hunter2", "/").log_in()


def test_the_driver_is_the_one_whose_seam_this_uses() -> None:
    seam = {name for name in vars(pika.connection.Connection) if name.startswith("_adapter_")}
    assert seam == {name for name in vars(Session) if name.startswith("_adapter_")}
