"""A bounded exchange: reads of lines and counted bytes, an end in time and in length."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.errors import TemporaryError
from initkit.steps.wait.net.tls import TlsOptions
from initkit.steps.wait.net.trust import CONTEXTS
from initkit.steps.wait.net.wire import LIMIT, Wire, said

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from initkit.steps.wait.net.trust import Trust

Pair = tuple[Wire, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A wire that ends after 0.3 s, and the other end of it."""
    ours, theirs = socket.socketpair()
    clock = make_context().clock
    with theirs, Wire(ours, clock, clock.now() + 0.3, "use it", "look at it") as wire:
        yield wire, theirs


def cause_of(wire: Wire, count: int = 1) -> str:
    with pytest.raises(TemporaryError) as caught:
        wire.exactly(count)
    assert (caught.value.task, caught.value.advice) == ("use it", "look at it")
    return caught.value.cause


def test_lines_end_in_lf_or_crlf(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"one\r\ntwo\n\r\nrest")
    assert [wire.line() for _ in range(3)] == [b"one", b"two", b""]
    assert wire.exactly(4) == b"rest"


def test_counted_bytes_come_in_pieces(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"ab")
    timer = threading.Timer(0.05, theirs.sendall, [b"cdef"])
    timer.start()
    assert wire.exactly(3) == b"abc"
    timer.join()
    assert wire.some() in {b"d", b"de", b"def"}


def test_what_is_sent_arrives(pair: Pair) -> None:
    wire, theirs = pair
    wire.send(b"hello")
    assert theirs.recv(10) == b"hello"


def test_silence_is_told_from_an_answer_that_stops(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"x")
    assert cause_of(wire, 2) == "its answer stops in the middle"
    wire.ends += 0.1
    wire.send(b"again")
    assert cause_of(wire, 2) == "no answer"


def test_the_end_counts_from_the_beginning_and_not_from_the_last_byte(pair: Pair) -> None:
    wire, theirs = pair
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.02):
            theirs.sendall(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    began = time.monotonic()
    try:
        assert cause_of(wire, 10_000) == "its answer stops in the middle"
    finally:
        over.set()
        thread.join()
    assert time.monotonic() - began < 15


def test_a_peer_that_takes_nothing_holds_nobody_up(pair: Pair) -> None:
    wire, _theirs = pair
    with pytest.raises(TemporaryError) as caught:
        wire.send(bytes(10_000_000))
    assert caught.value.cause == "no answer"


def test_an_answer_without_end_is_cut_off(pair: Pair) -> None:
    wire, theirs = pair
    wire.ends += 5
    thread = threading.Thread(target=theirs.sendall, args=[bytes(LIMIT + 1)])
    thread.start()
    assert cause_of(wire, LIMIT + 1) == "its answer does not end"
    thread.join()


def test_last_words_are_read_after_a_send_that_fails(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"go away\n")
    theirs.close()
    wire.send(b"hello")
    assert wire.line() == b"go away"
    assert cause_of(wire) == "it closes the connection"


def test_nothing_may_come_before_tls_is_spoken(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"line\nmore")
    assert wire.line() == b"line"
    with pytest.raises(TemporaryError) as caught:
        wire.secure(TlsOptions(), "localhost")
    assert caught.value.cause == "it goes on without TLS"


def test_tls_is_not_begun_once_the_time_is_over(pair: Pair) -> None:
    wire, _theirs = pair
    wire.ends -= 1
    with pytest.raises(TemporaryError) as caught:
        wire.secure(TlsOptions(), "localhost")
    assert caught.value.cause == "no answer"


def test_the_time_that_certificates_take_to_load_counts(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    wire, _theirs = pair
    get = CONTEXTS.get

    def slow(trust: Trust) -> ssl.SSLContext:
        time.sleep(0.4)
        return get(trust)

    monkeypatch.setattr(CONTEXTS, "get", slow)
    with pytest.raises(TemporaryError) as caught:
        wire.secure(TlsOptions(), "localhost")
    assert caught.value.cause == "no answer"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (b"plain", "plain"),
        (b"two\r\nlines\x1b[31m", "two  lines [31m"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        ("x" * 500, "x" * 200 + "…"),
    ],
)
def test_a_server_s_words_fit_into_a_line(words: bytes | str, shown: str) -> None:
    assert said(words) == shown
