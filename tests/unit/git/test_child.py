"""A child ends with all of its own children, whatever ends it."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from initkit.core.errors import Stopped
from initkit.core.stop import Stop
from initkit.steps.git.calling import child, running
from initkit.steps.git.calling.kept import TooMuch

if TYPE_CHECKING:
    from pathlib import Path

_WITH_GRANDCHILD = """
import signal, subprocess, sys, time
if sys.argv[2:] == ["deaf"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen(["sleep", "60"])
print(grandchild.pid, file=open(sys.argv[1], "w"), flush=True)
time.sleep(60)
"""


def _run(stop: Stop, *argv: str, seconds: float | None = None) -> child.Finished:
    return child.run(
        [sys.executable, "-c", *argv],
        environment={"PATH": os.environ["PATH"]},
        directory="/",
        stop=stop,
        seconds=seconds,
    )


def _request_once_written(stop: Stop, path: Path) -> None:
    until = time.monotonic() + 30
    while not (path.exists() and path.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.01)
    stop.request(15)


def _is_gone(path: Path) -> bool:
    until = time.monotonic() + 20
    pid = int(path.read_text())
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def test_output_and_exit_code_come_back() -> None:
    finished = _run(Stop(), "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (finished.code, finished.out, finished.err) == (3, b"out\n", "err\n")


def test_a_child_has_no_terminal_and_its_own_group() -> None:
    finished = _run(Stop(), "import os; print(os.getpgrp() == os.getpid() == os.getsid(0))")
    assert finished.out == b"True\n"


def test_a_stop_ends_the_child_and_its_children_within_a_second(tmp_path: Path) -> None:
    stop = Stop()
    pid = tmp_path / "pid"
    threading.Thread(target=_request_once_written, args=(stop, pid)).start()
    with pytest.raises(Stopped):
        _run(stop, _WITH_GRANDCHILD, str(pid))
    assert _is_gone(pid)


def test_a_child_that_is_deaf_to_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE", 0.2)
    stop = Stop()
    pid = tmp_path / "pid"
    threading.Thread(target=_request_once_written, args=(stop, pid)).start()
    with pytest.raises(Stopped):
        _run(stop, _WITH_GRANDCHILD, str(pid), "deaf")
    assert _is_gone(pid)


def test_a_child_whose_time_is_over_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(child.Overdue):
        _run(Stop(), "import time; time.sleep(60)", seconds=0.2)
    assert time.monotonic() - started < 30


def test_nothing_is_started_once_the_end_was_asked_for(tmp_path: Path) -> None:
    stop = Stop()
    stop.request(2)
    with pytest.raises(Stopped):
        _run(stop, f"open({str(tmp_path / 'made')!r}, 'w')")
    assert not (tmp_path / "made").exists()


def test_what_a_child_complains_of_is_kept_by_its_ends() -> None:
    script = "import sys; [print(f'line {n}', 'x' * 90, file=sys.stderr) for n in range(100_000)]"
    finished = _run(Stop(), script)
    assert finished.err.startswith("line 0 ")
    assert finished.err.splitlines()[-1].startswith("line 99999 ")
    assert len(finished.err) < 100_000
    assert all(line.startswith("line ") and line.endswith("x" * 90) for line in finished.err.splitlines())


def test_a_child_that_prints_without_end_is_ended() -> None:
    with pytest.raises(TooMuch):
        _run(Stop(), "while True: print('x' * 1000)")


def test_as_much_as_is_allowed_comes_back_whole() -> None:
    finished = _run(Stop(), f"import sys; sys.stdout.write('x' * {child.MOST})")
    assert len(finished.out) == child.MOST


def test_who_only_holds_its_pipes_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE", 0.2)
    pid = tmp_path / "pid"
    left = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, file=open(sys.argv[1], 'w'))"
    finished = _run(Stop(), left, str(pid))
    assert finished.code == 0
    assert _is_gone(pid)


def test_members_of_its_session_end_with_it_whatever_their_group(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '60'], process_group=0, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, file=open(sys.argv[1], 'w'), flush=True)\n"
        "time.sleep(60)"
    )
    stop = Stop()
    threading.Thread(target=_request_once_written, args=(stop, pid)).start()
    with pytest.raises(Stopped):
        _run(stop, script, str(pid))
    assert _is_gone(pid)


def test_what_a_pipe_brings_besides_is_heard_to_the_end() -> None:
    reading, writing = os.pipe()
    heard: list[bytes] = []
    try:
        finished = child.run(
            [sys.executable, "-c", f"import os; os.write({writing}, b'x' * 60_000)"],
            environment={},
            directory="/",
            stop=Stop(),
            keep_open=(writing,),
            ears={reading: heard.append},
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert finished.code == 0
    assert b"".join(heard) == b"x" * 60_000
