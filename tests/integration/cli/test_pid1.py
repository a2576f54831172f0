"""As a container's first process: signals are acted on, orphans are reaped, a COMMAND takes its place."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program
from fix_program import INITKIT, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., Running]


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """The words that run a command as process 1 of a namespace of its own."""
    unshare = need_program("unshare", "util-linux")
    words = [unshare, "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    tried = subprocess.run([*words, "true"], check=False, capture_output=True, text=True)
    need(tried.returncode == 0, f"user and process namespaces ({tried.stderr.strip()})")
    return words


@pytest.fixture
def as_pid1(namespace: list[str]) -> Iterator[Start]:
    started: list[Running] = []

    def start(*words: str) -> Running:
        started.append(Running([*namespace, *words]))
        return started[-1]

    yield start
    for program in started:
        if program.child.poll() is None:
            program.child.kill()
        program.child.wait()


# Process 1 cannot be signalled from outside of its namespace through unshare, which waits for it; so a sibling inside
# does it: this becomes process 1, and what it forks first sends the signal.
_SIGNALLED = """
import os, sys, time
if os.fork() == 0:
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    print("signalled", flush=True)
    os.kill(1, int(sys.argv[2]))
    os._exit(0)
os.execvp(sys.executable, [sys.executable, "-m", "initkit", *sys.argv[3:]])
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_process_1_is_acted_on(as_pid1: Start, tmp_path: Path, signum: signal.Signals, code: int) -> None:
    go = tmp_path / "go"
    program = as_pid1(sys.executable, "-c", _SIGNALLED, str(go), str(int(signum)), "wait", "127.0.0.1:1")
    program.line_with("waiting for")
    go.touch()
    program.line_with("signalled")
    sent = time.monotonic()
    assert program.ended() == code
    assert time.monotonic() - sent < 1.5


_ORPHAN = """
import os, sys
if os.fork() == 0:
    if os.fork() == 0:          # an orphan once its parent has gone; it ends when the pipe's other side is gone
        os.execvp("sleep", ["sleep", LIFE])
    os._exit(0)
os.wait()
while LIFE == "0" and "Z" not in dead():
    pass
os.execvp(sys.executable, [sys.executable, "-m", "initkit", *sys.argv[1:]])
"""
_DEAD = """
import os, sys, time
def dead():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                text = file.read()
        except OSError:
            continue
        if "sleep" in text:
            found.append(text.rpartition(")")[2].split()[0])
    return found
"""
_NO_ZOMBIES = """
until = time.monotonic() + 10
while not dead() and time.monotonic() < until - 5:
    pass  # it is to be seen first, or this would look before there is anything to see
while (left := dead()) and time.monotonic() < until:
    time.sleep(0.02)
print("left", left, flush=True)
open(sys.argv[1], "w").close()
"""


@pytest.mark.parametrize("life", ["0.3", "0"], ids=["dies meanwhile", "is dead already"])
def test_orphans_are_reaped(as_pid1: Start, tmp_path: Path, life: str) -> None:
    script = tmp_path / "look.py"
    script.write_text(_DEAD + _NO_ZOMBIES)
    done = tmp_path / "done"
    # the looker runs beside, started before process 1 becomes initkit
    start = (
        f"{_DEAD}\nLIFE = {life!r}\n"
        f"if os.fork() == 0: os.execvp(sys.executable, [sys.executable, {str(script)!r}, {str(done)!r}])\n" + _ORPHAN
    )
    program = as_pid1(sys.executable, "-c", start, "wait", f"file:{done}")
    assert program.line_with("left").endswith("left []")
    assert program.ended() == 0


def test_the_exit_code_of_the_work_is_the_container_s(as_pid1: Start, tmp_path: Path) -> None:
    assert as_pid1(*INITKIT, "wait", "--timeout", "300ms", f"file:{tmp_path}/never").ended() == 124
    assert as_pid1(*INITKIT, "wait", "nonsense").ended() == 2


def test_a_command_becomes_process_1(as_pid1: Start, tmp_path: Path) -> None:
    program = as_pid1(*INITKIT, "wait", f"file:{tmp_path}", "--", "sh", "-c", "echo pid $$; exit 9")
    assert program.ended() == 9
    assert "pid 1" in program.output


def test_no_command_follows_a_mere_question(as_pid1: Start) -> None:
    program = as_pid1(*INITKIT, "--version", "--", "echo", "it followed")
    assert program.ended() == 0
    assert "initkit 0" in program.output
    assert "it followed" not in program.output
