"""Whatever answers on the port of a small protocol: the look at it ends in time, and in words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_peer import begins, closes, echoes, floods, garbage, http, resets, silent, trickles

from initkit.core.assemble import assemble
from initkit.core.errors import SuspectError, TemporaryError
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_peer import Behaviour

LIMIT = 0.3  # seconds for an attempt
# the beginning of a right answer, and something of it that may come again and again
BEGINNINGS = {
    "amqp": (b"\1\0\0\0\0\1\xff\0\x0a\0", b"\x08\0\0\0\0\0\0\xce"),
    "memcached": (b"VERS", b"VERSION"),
    "mqtt": (b"\x20\xff\xff\3", b"\x20\xff"),
    "nats": (b"INFO {", b"INFO {"),
}
BEHAVIOURS: dict[str, Callable[[bytes, bytes], Behaviour]] = {
    "silent": lambda _start, _more: silent,
    "closes at once": lambda _start, _more: closes,
    "resets at once": lambda _start, _more: resets,
    "garbage": lambda _start, _more: garbage,
    "echoes": lambda _start, _more: echoes,
    "a web server": lambda _start, _more: http,
    "trickles": lambda _start, _more: trickles,
    "begins and trickles": lambda start, _more: begins(start, trickles),
    "begins and closes": lambda start, _more: begins(start, closes),
    "begins and resets": lambda start, _more: begins(start, resets),
    "begins and is silent": lambda start, _more: begins(start, silent),
    "does not end": lambda start, more: begins(start, floods(more * 500)),
    "floods with zeros": lambda _start, _more: floods(bytes(5000)),
}


def looked(url: str) -> tuple[TemporaryError, float]:
    target = assemble(Wait, {"targets": [url]}).targets[0]
    began = time.monotonic()
    with pytest.raises(TemporaryError) as caught:
        target.probe(make_context(attempt_timeout=LIMIT))
    return caught.value, time.monotonic() - began


@pytest.mark.parametrize("scheme", BEGINNINGS)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_peer_that_does_not_keep_to_the_protocol(
    peer: Callable[[Behaviour], int], scheme: str, behaviour: str
) -> None:
    port = peer(BEHAVIOURS[behaviour](*BEGINNINGS[scheme]))
    error, took = looked(f"{scheme}://127.0.0.1:{port}")
    assert type(error) is TemporaryError
    assert error.cause in {
        "no answer",
        "its answer stops in the middle",
        "its answer does not end",
        "it closes the connection",
        "it does not speak AMQP 0-9-1",
        "it does not speak memcached's protocol",
        "it does not speak MQTT",
        "it does not speak NATS",
    }
    assert error.advice.endswith("listens on this port") or error.task.startswith("connect to ")
    assert took < LIMIT + 15


@pytest.mark.parametrize("scheme", ["amqps", "mqtts"])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_peer_that_does_not_speak_tls(peer: Callable[[Behaviour], int], scheme: str, behaviour: str) -> None:
    port = peer(BEHAVIOURS[behaviour](*BEGINNINGS[scheme[:-1]]))
    error, took = looked(f"{scheme}://127.0.0.1:{port}")
    assert type(error) is TemporaryError
    assert "TLS" in error.cause or error.cause == "it closes the connection"
    assert took < LIMIT + 15


@pytest.mark.parametrize("scheme", BEGINNINGS)
def test_a_port_that_refuses_is_certainly_not_there(scheme: str) -> None:
    error, _ = looked(f"{scheme}://127.0.0.1:1")
    assert type(error) is AbsentError
    assert error.cause == "connection refused"


@pytest.mark.parametrize("scheme", BEGINNINGS)
def test_a_server_that_speaks_tls_is_told_from_nonsense(peer: Callable[[Behaviour], int], scheme: str) -> None:
    alert = b"\x15\x03\x03\0\2\2\x46"  # what OpenSSL says to what is no TLS, before it closes
    error, _ = looked(f"{scheme}://127.0.0.1:{peer(begins(alert, closes))}")
    assert not isinstance(error, SuspectError)
    assert error.cause == "it speaks TLS"
