"""UDP targets against servers that echo, change their answers, refuse, or say nothing, and a real one."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import dns.message
import pytest
from fix_clock import RecordingVoice, make_context
from fix_dns import dnsmasq, until
from fix_need import need
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, TemporaryError
from initkit.steps.wait.octets import show_bytes
from initkit.steps.wait.schemes.udp import Udp
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class UdpServer:
    """Answers each datagram with those that `reply` makes of it."""

    def __init__(self, host: str, reply: Callable[[bytes], list[bytes]], port: int = 0) -> None:
        self.reply = reply
        self.heard: list[bytes] = []
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(0.05)
        self.port = int(self._socket.getsockname()[1])
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ending.is_set():
            with suppress(OSError):
                datagram, peer = self._socket.recvfrom(65535)
                self.heard.append(datagram)
                for answer in self.reply(datagram):
                    self._socket.sendto(answer, peer)

    def end(self) -> None:
        self._ending.set()
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., UdpServer]]:
    with ExitStack() as ends:

        def start(reply: Callable[[bytes], list[bytes]], host: str = "127.0.0.1", port: int = 0) -> UdpServer:
            server = UdpServer(host, reply, port)
            ends.callback(server.end)
            return server

        yield start


@pytest.fixture
def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def echo(datagram: bytes) -> list[bytes]:
    return [datagram]


def silence(_datagram: bytes) -> list[bytes]:
    return []


def look(address: str, timeout: float = 5.0, **options: object) -> str:
    target = assemble(Udp, {"address": address, "send": "ping", **options})
    return target.probe(make_context(attempt_timeout=timeout))


def failed(address: str, **options: Any) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        look(address, **options)
    return caught.value


def test_what_is_sent_comes_back(serve: Callable[..., UdpServer]) -> None:
    server = serve(echo)
    assert look(f"127.0.0.1:{server.port}", send=r"a\x00b\xff", expect="hex:0062ff") == "answers"
    assert server.heard == [b"a\0b\xff"]


def test_any_answer_will_do_without_an_expectation(serve: Callable[..., UdpServer]) -> None:
    server = serve(lambda _: [b""])
    assert look(f"127.0.0.1:{server.port}") == "answers"


def test_an_empty_datagram_can_be_sent(serve: Callable[..., UdpServer]) -> None:
    server = serve(lambda _: [b"hello"])
    assert look(f"127.0.0.1:{server.port}", send="", expect="ell") == "answers"
    assert server.heard == [b""]


def test_another_answer_is_certainly_not_the_right_one(serve: Callable[..., UdpServer]) -> None:
    server = serve(lambda _: [b"LOADING\x00"])
    began = time.monotonic()
    error = failed(f"127.0.0.1:{server.port}", expect="READY", timeout=30)
    assert time.monotonic() - began < 10, "it does not use up the attempt"
    assert type(error) is AbsentError
    assert error.cause == "it answers something else than expected"
    assert error.advice == r"compare --expect with the answer: LOADING\x00"


def test_the_right_answer_may_follow_a_wrong_one(serve: Callable[..., UdpServer]) -> None:
    server = serve(lambda _: [b"HELLO", b"READY"])
    assert look(f"127.0.0.1:{server.port}", expect="READY") == "answers"


def test_a_flood_of_wrong_answers_takes_no_longer_than_an_attempt(serve: Callable[..., UdpServer]) -> None:
    server = serve(lambda _: [b"x" * 60000] * 200)
    began = time.monotonic()
    error = failed(f"127.0.0.1:{server.port}", expect="READY", timeout=0.5)
    assert time.monotonic() - began < 10
    assert type(error) is AbsentError
    assert len(error.advice) < 120


def test_a_lost_datagram_is_sent_again_within_the_attempt(serve: Callable[..., UdpServer]) -> None:
    server = serve(silence)
    server.reply = lambda _: [b"pong"] if len(server.heard) > 2 else []
    assert look(f"127.0.0.1:{server.port}", timeout=20) == "answers"
    assert len(server.heard) == 3


def test_silence_is_not_certain(serve: Callable[..., UdpServer]) -> None:
    server = serve(silence)
    began = time.monotonic()
    error = failed(f"127.0.0.1:{server.port}", timeout=0.4)
    assert 0.3 < time.monotonic() - began < 10
    assert type(error) is TemporaryError
    assert error.cause == f"no answer from 127.0.0.1:{server.port}"


def test_a_closed_port_is_certainly_absent(closed_port: int) -> None:
    began = time.monotonic()
    error = failed(f"127.0.0.1:{closed_port}", timeout=30)
    assert time.monotonic() - began < 10
    assert (type(error), error.cause) == (AbsentError, "connection refused")
    assert str(error).startswith(f"cannot reach udp://127.0.0.1:{closed_port}: ")


def test_an_address_that_may_not_be_sent_to_is_not_certainly_absent() -> None:
    error = failed("255.255.255.255:9")  # broadcasting must be asked for: SO_BROADCAST of socket(7)
    assert (type(error), error.cause) == (TemporaryError, "permission denied")


def test_an_ipv6_address(serve: Callable[..., UdpServer]) -> None:
    try:
        server = serve(echo, "::1")
    except OSError:
        need(None, "IPv6 on the loopback device")
        return
    assert look(f"[::1]:{server.port}") == "answers"


def test_every_address_of_a_name_is_tried(serve: Callable[..., UdpServer]) -> None:
    server = serve(echo)
    assert look(f"localhost:{server.port}") == "answers"


def test_a_name_that_is_not_known() -> None:
    error = failed("db.invalid:53")
    assert type(error) is TemporaryError
    assert error.cause.startswith("cannot resolve db.invalid: ")


def test_an_answer_is_reported_as_soon_as_there_is_one(serve: Callable[..., UdpServer]) -> None:
    server, reached = serve(echo), threading.Event()
    context = ProbeContext(**vars(make_context()), reached=reached.set)
    target = assemble(Udp, {"address": f"127.0.0.1:{server.port}", "send": "ping", "expect": "pong"})
    with pytest.raises(AbsentError):
        target.probe(context)
    assert reached.is_set()


def test_a_server_that_starts_and_ends_while_it_is_waited_for(
    serve: Callable[..., UdpServer], closed_port: int
) -> None:
    def watching(**more: object) -> tuple[threading.Thread, RecordingVoice]:
        word = {"udp": {"address": f"127.0.0.1:{closed_port}", "send": "ping", "expect": "pong"}}
        step = assemble(Wait, {"targets": [word], "retry": {"timeout": "20s"}, **more})
        voice = RecordingVoice()
        thread = threading.Thread(target=lambda: step.watch(make_context(voice=voice)))
        thread.start()
        return thread, voice

    thread, voice = watching()
    until(lambda: (f"udp://127.0.0.1:{closed_port}", "connection refused") in voice.missed)
    server = serve(echo, "127.0.0.1", closed_port)
    until(lambda: any("something else" in why for _, why in voice.missed))
    server.reply = lambda _: [b"pong"]
    thread.join(10)
    assert voice.founds == [f"udp://127.0.0.1:{closed_port}"]

    thread, voice = watching(**{"not": "true"})
    until(lambda: voice.missed)
    server.end()
    thread.join(10)
    assert voice.founds == [f"udp://127.0.0.1:{closed_port}"]


def test_a_real_server_is_asked_in_its_own_bytes(tmp_path: Path) -> None:
    query = dns.message.make_query("db.shop.", "A", id=0x1234).to_wire()
    with dnsmasq(tmp_path, "--host-record=db.shop,10.0.0.7") as server:
        words = ("wait", "udp", f"udp://{server}", "--send", f"hex:{query.hex()}", "--timeout", "10s")
        run = initkit(*words, "--expect", r"\x0a\x00\x00\x07")
        assert run.returncode == 0, run.stderr
        run = initkit(*words[:-1], "1s", "--expect", show_bytes(b"\x0a\x00\x00\x08"))
        assert run.returncode == 124
        assert "it answers something else than expected" in run.stderr + run.stdout


def test_the_program_wants_something_to_send() -> None:
    run = initkit("wait", "udp://127.0.0.1:9")
    assert run.returncode == 2
    assert "expected something to --send" in run.stderr
