"""SIGTERM and SIGINT are acted on within a second, wherever the program is; a second one ends it at once."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program
from fix_program import INITKIT, Running, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., Running]

PROMPT = 1.0 + 0.5  # seconds: the second that is promised, and what an exiting interpreter on a busy machine takes


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts nothing: its backlog is full, so that a connect hangs."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_wait(running: Start, signum: signal.Signals, code: int) -> None:
    program = running("wait", "127.0.0.1:1")
    program.line_with("waiting for")
    sent = program.signal(signum)
    assert program.ended() == code
    assert time.monotonic() - sent < PROMPT
    assert "stopped" in program.output


def test_a_signal_ends_a_long_pause(running: Start, tmp_path: Path) -> None:
    program = running("wait", "--interval", "1h", "--max-interval", "1h", f"file:{tmp_path}/never")
    program.line_with("waiting for")
    sent = program.signal(signal.SIGTERM)
    assert program.ended() == 143
    assert time.monotonic() - sent < PROMPT


def test_a_signal_ends_a_hung_connect(running: Start, silent_port: int) -> None:
    program = running("wait", "--attempt-timeout", "1h", f"127.0.0.1:{silent_port}", "127.0.0.1:1")
    program.line_with("waiting for tcp://127.0.0.1:1")
    sent = program.signal(signal.SIGTERM)
    assert program.ended() == 143
    assert time.monotonic() - sent < PROMPT


def test_a_signal_ends_a_hung_name_lookup(tmp_path: Path) -> None:
    """The resolver asks a DNS server that never answers: a call in C that no Python signal handler interrupts."""
    need_program("unshare", "util-linux")
    script = (
        "ip link set lo up; mount --bind $1/resolv.conf /etc/resolv.conf; "
        'mount --bind $1/nsswitch.conf /etc/nsswitch.conf; shift; exec "$@"'
    )
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:30\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: dns\n")
    wrapper = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", script, "sh", str(tmp_path)]
    program = Running([*wrapper, sys.executable, "-c", _SILENT_DNS])
    try:
        first = program.line_with("")
        need("cannot" not in first and "denied" not in first.lower(), "user and network namespaces")
        program.line_with("resolving")
        sent = program.signal(signal.SIGTERM)
        assert program.ended() == 143
        assert time.monotonic() - sent < PROMPT
    finally:
        if program.child.poll() is None:
            program.child.kill()
            program.child.wait()


_SILENT_DNS = """
import os, socket, sys, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
def announce():
    server.recv(512)
    print("resolving", flush=True)
threading.Thread(target=announce, daemon=True).start()
print("ready", flush=True)
sys.argv = ["initkit", "wait", "--attempt-timeout", "1h", "db.example:5432"]
from initkit.cli.main import main
main()
"""


def test_a_signal_ends_a_child_that_ignores_it(running: Start, tmp_path: Path) -> None:
    """The git step's child gets SIGTERM and then SIGKILL; the server that it asks never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        program = running("git", f"git://127.0.0.1:{server.getsockname()[1]}/site", str(tmp_path / "dest"))
        with server.accept()[0]:
            sent = program.signal(signal.SIGTERM)
            assert program.ended() == 143
            assert time.monotonic() - sent < PROMPT


def test_a_signal_that_comes_twice_is_one(running: Start, tmp_path: Path) -> None:
    """timeout(1) tells its child and then its child's group: the last words are still said."""
    log = tmp_path / "termination-log"
    log.touch()
    program = running("wait", "127.0.0.1:1", "--termination-log", str(log))
    program.line_with("waiting for")
    program.signal(signal.SIGTERM)
    program.signal(signal.SIGTERM)
    assert program.ended() == 143
    assert json.loads(log.read_text())["exit_code"] == 143


def test_a_second_signal_ends_at_once(running: Start, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"steps:\n- wait: file:{tmp_path}/never\n")
    program = running("--termination-log", str(tmp_path / "log"), "run", str(plan))
    program.line_with("waiting for")
    program.signal(signal.SIGTERM)
    program.signal(signal.SIGINT)
    assert program.ended() in {130, 143}


def test_a_stopped_run_says_what_was_not_done(running: Start, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    program = running("--termination-log", str(log), "wait", "127.0.0.1:1", "--then", "wait", "127.0.0.1:2")
    program.line_with("waiting for")
    program.signal(signal.SIGTERM)
    assert program.ended() == 143
    summary = json.loads(log.read_text())
    assert summary["exit_code"] == 143
    assert [step["status"] for step in summary["steps"]] == ["stopped", "skipped"]


def test_a_signal_that_comes_when_all_is_done_keeps_a_command_from_starting(tmp_path: Path) -> None:
    """The step takes the signal and succeeds all the same; COMMAND must not be started by who was asked to end."""
    code = (
        "import os, signal, sys\n"
        "from initkit.steps.wait.schemes import file\n"
        "def probe(self, context):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    while context.stop.signum is None: pass\n"
        "    return 'is there'\n"
        "file.File.probe = probe\n"
        "from initkit.cli.main import main\n"
        f"sys.argv = ['initkit', 'wait', 'file:{tmp_path}', '--', 'touch', '{tmp_path}/ran']\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment())
    assert ended.returncode == 143
    assert not (tmp_path / "ran").exists()


def test_a_signal_ends_a_run_whose_words_nobody_reads(tmp_path: Path) -> None:
    """Standard error is a pipe that is full: the reporter hangs in a write."""
    reader, writer = os.pipe()
    targets = [f"file:{tmp_path}/{i}{'x' * 200}" for i in range(600)]
    child = subprocess.Popen([*INITKIT, "wait", *targets], stderr=writer, env=environment())
    try:
        os.close(writer)
        _wait_until_full(reader)
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 143
    finally:
        os.close(reader)
        if child.poll() is None:
            child.kill()
            child.wait()


def _wait_until_full(reader: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        (held,) = array.array("i", fcntl.ioctl(reader, termios.FIONREAD, b"\0\0\0\0"))
        if held >= 60_000:  # of 65,536; a line that does not fit into a page leaves the rest of it empty
            return
    pytest.fail("the pipe never filled")
