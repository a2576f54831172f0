"""Name servers for tests: one whose records and manners a test may change at any moment, and a real dnsmasq."""

from __future__ import annotations

import os
import pwd
import select
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from fix_daemon import daemon, free_port, listens
from fix_need import need, need_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Manners:
    """How a server behaves; by default as an authority for all names should.

    Attributes:
        rcode: what it answers instead of an answer: ``SERVFAIL``, ``REFUSED``.
        silent_about: types, or names without the last dot, about which it says nothing; ``*`` is all.
        truncates: whether no answer fits into a datagram.
        tcp: how it is over TCP: ``good``, ``closed``, ``silent``, ``trickling``, ``breaks off``, ``garbage``.
        garbage: datagrams that it sends before the answer.
        is_authority: whether it sets AA; without it, and without recursion, an empty answer refers to others.
        loses: how many datagrams it loses first.
    """

    rcode: str = ""
    silent_about: set[str] = field(default_factory=set)
    truncates: bool = False
    tcp: str = "good"
    garbage: list[bytes] = field(default_factory=list)
    is_authority: bool = True
    loses: int = 0


class DnsServer:
    """A small name server in a thread, over UDP and TCP."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.manners = Manners()
        self.asked: list[tuple[str, str, str]] = []  # name, type, udp or tcp
        self._zone: dict[str, dict[str, list[str]]] = {}
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._tcp = socket.create_server((host, port), family=family)
        self.host, self.port = host, int(self._tcp.getsockname()[1])
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._wake, self._bell = socket.socketpair()
        try:
            self._udp.bind((host, self.port))
        except OSError:
            self._close()
            raise
        self._talks: list[threading.Thread] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def put(self, name: str, kind: str, *values: str) -> None:
        """Have these records, and no other ones, of that name and type; none: the name alone exists."""
        with self._lock:
            self._zone.setdefault(name.lower(), {})[kind] = list(values)

    def drop(self, name: str) -> None:
        """Know the name no more."""
        with self._lock:
            self._zone.pop(name.lower(), None)

    def names_asked(self) -> list[str]:
        """Each name, in the order in which it was first asked for."""
        return list(dict.fromkeys(name for name, _, _ in self.asked))

    def end(self) -> None:
        """Stop, and leave the port refusing."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._bell.send(b".")
        self._thread.join(10)
        for talk in self._talks:
            talk.join(10)
        self._close()

    def _close(self) -> None:
        for one in (self._tcp, self._udp, self._wake, self._bell):
            one.close()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._wake, self._udp, self._tcp], [], [])
            if self._wake in ready:
                return
            if self._udp in ready:
                self._datagram()
            if self._tcp in ready:
                talk = threading.Thread(target=self._talk, args=(self._tcp.accept()[0],), daemon=True)
                self._talks.append(talk)
                talk.start()

    def _datagram(self) -> None:
        wire, peer = self._udp.recvfrom(65535)
        if self.manners.loses:
            self.manners.loses -= 1
            return
        answer = self._answer(wire, "udp")
        for garbage in self.manners.garbage:
            self._udp.sendto(garbage, peer)
        if answer is not None:
            self._udp.sendto(answer.to_wire(), peer)

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            manner = self.manners.tcp
            if manner == "closed":
                return
            length = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
            answer = self._answer(connection.recv(length, socket.MSG_WAITALL), "tcp")
            wire = answer.to_wire() if answer else b""
            framed = len(wire).to_bytes(2, "big") + wire
            if manner == "good":
                connection.sendall(framed)
            elif manner == "garbage":
                connection.sendall(b"\x00\x0chello, world")
            elif manner == "breaks off":
                connection.sendall(framed[:5])
            else:
                self._dawdle(connection, framed if manner == "trickling" else b"")

    def _dawdle(self, connection: socket.socket, wire: bytes) -> None:
        for byte in wire:
            connection.sendall(bytes([byte]))
            if self._ending.wait(0.2):
                return
        self._ending.wait(10)

    def _answer(self, wire: bytes, over: str) -> dns.message.Message | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, over))
        manners = self.manners
        if manners.silent_about & {"*", name, kind}:
            return None
        answer = dns.message.make_response(query)
        if manners.is_authority:
            answer.flags |= dns.flags.AA
        if manners.rcode:
            answer.set_rcode(dns.rcode.from_text(manners.rcode))
        elif manners.truncates and over == "udp":
            answer.flags |= dns.flags.TC
        else:
            with self._lock:
                self._fill(answer, name, kind)
        return answer

    def _fill(self, answer: dns.message.Message, name: str, kind: str) -> None:
        met: set[str] = set()
        while name not in met:
            met.add(name)
            here = self._zone.get(name)
            if here is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
                return
            if kind in here or "CNAME" not in here:
                if here.get(kind):
                    answer.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", kind, *here[kind]))
                return
            alias = here["CNAME"][0]
            answer.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", "CNAME", alias))
            name = alias.rstrip(".").lower()


@pytest.fixture
def start_dns() -> Iterator[Callable[..., DnsServer]]:
    """Starts name servers: ``start_dns(host="127.0.0.1", port=0)``."""
    with ExitStack() as ends:

        def start(host: str = "127.0.0.1", port: int = 0) -> DnsServer:
            server = _bound(host, port)
            ends.callback(server.end)
            return server

        yield start


def _bound(host: str, port: int) -> DnsServer:
    """A server on a port that is free over UDP as well as over TCP."""
    if ":" in host:
        need(_has_ipv6(), "IPv6 on the loopback device")
    for _ in range(0 if port else 20):
        with suppress(OSError):
            return DnsServer(host)
    return DnsServer(host, port)


def _has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.fixture
def dns_server(start_dns: Callable[..., DnsServer]) -> DnsServer:
    """A name server that knows nothing yet."""
    return start_dns()


@contextmanager
def dnsmasq(folder: Path, *options: str) -> Iterator[str]:
    """A real dnsmasq with these options, on 127.0.0.1; ``host:port`` of it."""
    program = need_program("dnsmasq", "dnsmasq-base")
    port = free_port()
    own = pwd.getpwuid(os.getuid()).pw_name if _has_name() else "nobody"
    words = [
        *(program, "-k", "-C", "/dev/null", "--bind-interfaces", "--pid-file=", f"--user={own}", "--no-resolv"),
        *("--no-hosts", "--listen-address=127.0.0.1", f"--port={port}", "--log-facility=-", *options),
    ]
    with daemon(words, lambda: listens(port), folder / "dnsmasq.log"):
        yield f"127.0.0.1:{port}"


def _has_name() -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwuid(os.getuid()))
    return False


def until(condition: Callable[[], object], timeout: float = 10) -> None:
    """Wait until `condition` holds, or fail."""
    ends = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > ends:
            pytest.fail("what the test waits for did not come")
        time.sleep(0.005)
