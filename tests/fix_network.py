"""A network namespace of a test's own, where packets get lost, and names and ports are as the test has them."""

from __future__ import annotations

import array
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# hands out sockets of the namespace, until the other side of its standard input is closed
_HOLDER = """
import array, socket
line = socket.socket(fileno=0)
line.send(b"!")
while what := line.recv(1):
    kind = socket.SOCK_DGRAM if what == b"u" else socket.SOCK_STREAM
    made = socket.socket(socket.AF_INET6 if what == b"6" else socket.AF_INET, kind)
    fds = array.array("i", [made.fileno()])
    line.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    made.close()
"""
_SYN_SENT = "02"  # state in /proc/net/tcp, as include/net/tcp_states.h of Linux numbers them


class Network:
    """Its loopback device is up, and nothing else is there; every 127.x.x.x and ::1 is its own.

    Attributes:
        folder: for files that stand in for those of /etc.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._nsenter = need_program("nsenter", "util-linux")
        self._iptables = {4: need_program("iptables"), 6: need_program("ip6tables", "iptables")}
        self._line, theirs = socket.socketpair()
        self._line.settimeout(20)
        self._is_root = os.geteuid() == 0
        ours = [] if self._is_root else ["--user", "--map-root-user"]
        words = [need_program("unshare", "util-linux"), *ours, "--net", "--mount", sys.executable, "-c", _HOLDER]
        self.holder = subprocess.Popen(words, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        if self._line.recv(1) != b"!":
            reason = self.holder.communicate()[1].decode().strip()
            self.close()
            need(None, f"a network namespace, as root or with user namespaces ({reason})")
        self.run(need_program("ip", "iproute2"), "link", "set", "lo", "up")

    def inside(self, *words: str) -> list[str]:
        """The command line that runs `words` in here; the PID stays the same."""
        ours = [] if self._is_root else ["--user", "--preserve-credentials"]
        where = [f"--target={self.holder.pid}", *ours, "--net", "--mount"]
        return [self._nsenter, *where, *words]

    def run(self, *words: str) -> str:
        """Run a command in here to its end; what it prints."""
        ended = subprocess.run(self.inside(*words), capture_output=True, text=True, check=False, timeout=30)
        assert ended.returncode == 0, f"{words}: {ended.stderr}"
        return ended.stdout

    def rule(self, *words: str, version: int = 4) -> None:
        """Change what is done with packets that come in: ``rule("-A", "--dport", "80", "-j", "DROP")``, of TCP."""
        action, *rest = words
        self.run(self._iptables[version], "-w", action, "INPUT", "-p", "tcp", *rest)

    def drop(self, *ports: int, version: int = 4) -> None:
        """Have all packets to these ports vanish."""
        for port in ports:
            self.rule("-A", "--dport", str(port), "-j", "DROP", version=version)

    def lift(self, *, version: int = 4) -> None:
        """Let everything pass again."""
        self.run(self._iptables[version], "-w", "-F", "INPUT")

    def lift_for_new(self, port: int) -> None:
        """Let connections to `port` pass that begin from now on; those that wait for an answer will get none."""
        for ours in self.connecting(port):
            self.rule("-I", "--sport", str(ours), "--dport", str(port), "-j", "DROP")
        self.rule("-D", "--dport", str(port), "-j", "DROP")

    def connecting(self, port: int) -> list[int]:
        """The ports of those who have asked to connect to `port` and got no answer so far."""
        lines = [line.split() for line in Path(f"/proc/{self.holder.pid}/net/tcp").read_text().splitlines()[1:]]
        ends = [(words[1], words[2]) for words in lines if words[3] == _SYN_SENT]
        return [_port(ours) for ours, theirs in ends if _port(theirs) == port]

    def stand_in(self, path: str, text: str) -> None:
        """Have `path` hold this text in here."""
        file = self.folder / path.replace("/", "-").strip("-")
        file.write_text(text)
        file.chmod(0o644)
        self.run(need_program("mount"), "--bind", str(file), path)

    def set(self, name: str, value: str) -> None:
        """Set a parameter of this network: ``net.ipv4.ip_local_port_range``."""
        # a shell: the file belongs to the network of who opens it
        self.run("sh", "-c", f"echo '{value}' > /proc/sys/{name.replace('.', '/')}")

    def new_socket(self, kind: str = "4") -> socket.socket:
        """A socket of this network: TCP over IPv4 or IPv6, or ``u`` for UDP."""
        self._line.send(kind.encode())
        fds = array.array("i")
        _, [(_, _, received)], *_ = self._line.recvmsg(1, socket.CMSG_SPACE(fds.itemsize))
        fds.frombytes(received[: fds.itemsize])
        return socket.socket(fileno=fds[0])

    def listen(self, address: str, port: int = 0) -> socket.socket:
        """A listening socket of this network."""
        server = self.new_socket("6" if ":" in address else "4")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((address, port))
        server.listen(100)
        return server

    def close(self) -> None:
        """Leave nothing."""
        self._line.close()
        with suppress(subprocess.TimeoutExpired):
            self.holder.wait(5)
        self.holder.kill()
        self.holder.wait()
        if self.holder.stderr:
            self.holder.stderr.close()


def _port(end: str) -> int:
    return int(end.rpartition(":")[2], 16)


def sockets_of(pid: int) -> int:
    """How many sockets a program has open; none once it has ended."""
    count = 0
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                count += os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:")
    return count


def until(condition: Callable[[], object], what: str, *, seconds: float = 20.0) -> None:
    """Ask again and again until `condition` says yes."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.01)


@contextmanager
def _made(folder: Path) -> Iterator[Network]:
    network = Network(folder)
    try:
        yield network
    finally:
        network.close()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with _made(tmp_path) as network:
        yield network
