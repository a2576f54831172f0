"""Servers that are none, are silent, trickle, flood or break off: an attempt ends in time, with a cause that stays."""

from __future__ import annotations

import gzip
import resource
import time
from typing import TYPE_CHECKING

import pytest
from fix_http import failed, probed
from fix_peer import begins, closes, floods, garbage, resets, silent, trickles

from initkit.core.errors import TemporaryError
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

    from fix_peer import Behaviour
    from fix_tls import PrivateCa

    Peer = Callable[[Behaviour], int]

OK = b"HTTP/1.1 200 OK\r\n"


def asked(then: Behaviour) -> Behaviour:
    """Read the question first."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        heard = b""
        while b"\r\n\r\n" not in heard:
            more = connection.recv(4096)
            if not more:
                return
            heard += more
        then(connection, over)

    return behave


def secured(then: Behaviour, private_ca: PrivateCa) -> Behaviour:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        with private_ca.server_context().wrap_socket(connection, server_side=True) as secure:
            then(secure, over)

    return behave


def trickling(words: bytes) -> Behaviour:
    """Say this, then a byte now and then without end."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(words)
        while not over.wait(0.02):
            connection.sendall(b"x")

    return behave


ENDLESS = {
    "silence": silent,
    "silence after the question": asked(silent),
    "an endless status line": trickling(b""),
    "endless headers": trickling(OK + b"X: "),
    "headers that stop": asked(begins(OK + b"X: y\r\n", silent)),
    "endless 100 Continue": asked(floods(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "an endless body": trickling(OK + b"Content-Length: 1000000\r\n\r\n"),
    "an endless body without a length": trickling(OK + b"\r\n"),
    "a chunk that does not come": asked(begins(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", silent)),
    "an endless chunk's length": trickling(OK + b"Transfer-Encoding: chunked\r\n\r\n"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_does_not_end_is_ended(peer: Peer, what: str) -> None:
    began = time.monotonic()
    error = failed(f"http://127.0.0.1:{peer(ENDLESS[what])}/", seconds=0.5, body_matches="y")
    assert time.monotonic() - began < 15
    assert type(error) is TemporaryError
    assert error.cause == "no answer"


@pytest.mark.parametrize("what", ["silence", "an endless status line", "endless headers", "an endless body"])
def test_what_does_not_end_within_tls_is_ended(peer: Peer, private_ca: PrivateCa, what: str) -> None:
    began = time.monotonic()
    url = f"https://127.0.0.1:{peer(secured(ENDLESS[what], private_ca))}/"
    error = failed(url, seconds=0.5, body_matches="y", insecure="yes")
    assert time.monotonic() - began < 15
    assert (type(error), error.cause) == (TemporaryError, "no answer")


@pytest.mark.parametrize("behaviour", [silent, begins(b"\x16\x03\x03\x40\x00", trickles)])
def test_a_handshake_that_does_not_end_is_ended(peer: Peer, behaviour: Behaviour) -> None:
    began = time.monotonic()
    error = failed(f"https://127.0.0.1:{peer(behaviour)}/", seconds=0.5)
    assert time.monotonic() - began < 15
    assert type(error) is TemporaryError


def test_a_server_that_does_not_read_is_not_waited_for(peer: Peer) -> None:
    def deaf(_connection: socket.socket, over: threading.Event) -> None:
        over.wait(20)

    began = time.monotonic()
    error = failed(f"http://127.0.0.1:{peer(deaf)}/", seconds=0.5, method="POST", body="x" * 10_000_000)
    assert time.monotonic() - began < 15
    assert (type(error), error.cause) == (TemporaryError, "no answer")


def test_a_body_that_nothing_is_asserted_of_is_not_waited_for(peer: Peer) -> None:
    began = time.monotonic()
    behaviour = asked(trickling(OK + b"Content-Length: 9999999\r\n\r\n"))
    assert probed(f"http://127.0.0.1:{peer(behaviour)}/") == "answers 200"
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "head", [b"\r\n", b"Content-Length: 99999999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n10000\r\n"]
)
def test_a_flood_is_read_up_to_the_limit(peer: Peer, head: bytes) -> None:
    error = failed(f"http://127.0.0.1:{peer(asked(begins(OK + head, floods(b'x' * 65536))))}/", body_matches="y")
    assert type(error) is TemporaryError
    assert error.cause in {
        "its body, of which 1048576 bytes were read, does not match 'y'",
        "its answer is no proper HTTP: got more than 65536 bytes when reading chunk size",
    }


def test_a_bomb_is_unpacked_up_to_the_limit(peer: Peer) -> None:
    bomb = gzip.compress(bytes(300 << 20), compresslevel=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    error = failed(f"http://127.0.0.1:{peer(asked(begins(head + bomb)))}/", body_matches="y")
    assert error.cause == "its body, of which 1048576 bytes were read, does not match 'y'"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (closes, "it closes the connection"),
        (asked(closes), "it closes the connection"),
        (asked(resets), "it closes the connection"),
        (begins(b"SSH-2.0-OpenSSH\r\n"), "it answers no HTTP: SSH-2.0-OpenSSH"),
        (garbage, "it answers no HTTP"),
        (asked(begins(b"\r\n")), "it answers no HTTP"),
        (begins(b"\x15\x03\x01\0\x02\x02F\n"), "it speaks TLS"),
        (asked(begins(b"HTTP/9.9 200 OK\r\n\r\n")), "its answer is no proper HTTP: HTTP/9.9"),
        (asked(begins(b"HTTP/1.1 abc OK\r\n\r\n")), "it answers no HTTP: HTTP/1.1 abc OK"),
        (asked(begins(OK + b"X: y\r\n" * 200 + b"\r\n")), "its answer is no proper HTTP: got more than 100 headers"),
        (asked(begins(OK + b"X: " + b"y" * 99999)), "its answer is no proper HTTP: got more than 65536 bytes"),
        (asked(begins(OK + b"Content-Length: 9\r\n\r\nabc", closes)), "its answer breaks off"),
        (asked(begins(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", closes)), "its answer breaks off"),
        (asked(begins(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc")), "its answer breaks off"),
        (asked(begins(OK + b"Content-Encoding: br\r\n\r\nabc", closes)), "its body is packed as br"),
        (asked(begins(OK + b"Content-Encoding: gzip\r\n\r\nplain text", closes)), "its body is not packed as it says"),
    ],
)
def test_what_is_no_proper_answer_is_told(peer: Peer, behaviour: Behaviour, cause: str) -> None:
    url = f"http://app:hunter2@127.0.0.1:{peer(behaviour)}/"
    errors = [failed(url, body_matches="y") for _ in range(2)]
    assert type(errors[0]) is TemporaryError
    assert errors[0].cause.startswith(cause)
    assert errors[0].cause == errors[1].cause


def test_an_answer_that_comes_before_the_question_was_read_counts(peer: Peer) -> None:
    def early(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    error = failed(f"http://127.0.0.1:{peer(early)}/", method="POST", body="x" * 10_000_000)
    assert (type(error), error.cause) == (AbsentError, "it answers 413, expected 200-299")


def test_a_header_in_another_encoding_is_no_bug(peer: Peer) -> None:
    answer = OK + b"X-Name: \xff\xfe\r\nX-City: K\xc3\xb6ln\r\nContent-Length: 0\r\n\r\n"
    url = f"http://127.0.0.1:{peer(asked(begins(answer)))}/"
    assert probed(url, header_matches="X-City: ^Köln$") == "answers 200"
    assert failed(url, header_matches="X-Name: ^x").cause == "its header X-Name: \ufffd\ufffd does not match '^x'"
