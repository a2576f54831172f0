"""The sidecar as it runs in a pod: a real program, signals, HTTP, a command that is told of changes."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from fix_git_staying import until
from fix_program import initkit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import Origin
    from fix_git_staying import Hook, Sidecar
    from fix_program import Running

_SOON = 15.0  # seconds: a second as it was asked for, on a machine that is busy


def _head(origin: Origin) -> str:
    return origin.git("rev-parse", "HEAD")


def _shown(dest: Path) -> str:
    return (dest / "current" / "index.html").read_text()


def test_a_change_is_published_and_told_and_seen_from_outside(
    sidecar: Sidecar, origin: Origin, dest: Path, hook: Hook
) -> None:
    first = _head(origin)
    sidecar.start("--exec", str(hook.path), "--ref", "main", every="100ms")
    sidecar.program.line_with("changed: main at")
    until(lambda: sidecar.is_at(first), "the first commit")
    second = origin.commit({"index.html": "two"})
    until(lambda: sidecar.is_at(second), "the second commit")
    assert _shown(dest) == "two"
    assert hook.lines == [f"{first} - main one", f"{second} {first} main two"]
    assert f'ref="main",sha="{second}"}} 1' in sidecar.get("/metrics")[1]
    assert sidecar.metric("publishes_total") == 2
    assert sidecar.metric("failures_total") == 0
    assert sidecar.metric("round_duration_seconds_count") >= 2
    assert abs(sidecar.metric("last_success_timestamp_seconds") - time.time()) < 60


def test_a_hangup_brings_a_round_at_once(sidecar: Sidecar, origin: Origin, dest: Path) -> None:
    sidecar.start()
    until(sidecar.is_ready, "readiness")
    second = origin.commit({"index.html": "two"})
    sidecar.nudge()
    until(lambda: sidecar.is_at(second), "the second commit")
    assert _shown(dest) == "two"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_at_once_with_its_own_code(sidecar: Sidecar, signum: signal.Signals, code: int) -> None:
    sidecar.start()
    until(sidecar.is_ready, "readiness")
    began = sidecar.program.signal(signum)
    assert sidecar.program.ended() == code
    assert time.monotonic() - began < _SOON
    assert f"stopped       git  by signal {int(signum)}" in sidecar.program.output


def test_without_every_a_hangup_ends_it_as_it_does_any_program(
    running: Callable[..., Running], silent_git_port: int, dest: Path
) -> None:
    program = running("git", f"git://127.0.0.1:{silent_git_port}/r", str(dest), "--log-level", "debug")
    program.line_with("begins")
    program.signal(signal.SIGHUP)
    assert program.ended() == -signal.SIGHUP


def test_a_signal_ends_the_command_that_runs_too(sidecar: Sidecar, hook: Hook, origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    hook.does(f"import time; open({str(file)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(600)")
    sidecar.start("--exec", str(hook.path), "--exec-timeout", "0")
    until(lambda: file.exists() and file.read_text().endswith("."), "the command")
    began = sidecar.program.signal(signal.SIGTERM)
    assert sidecar.program.ended() == 143
    assert time.monotonic() - began < _SOON
    assert not psutil.pid_exists(int(file.read_text()[:-1]))

    hook.does("")  # and it is told by the next run, since it was not done
    sidecar.start("--exec", str(hook.path))
    sidecar.program.line_with("ran hook")
    assert [line.split()[0] for line in hook.lines] == [_head(origin)] * 2


def test_killed_between_the_switch_and_the_command_it_tells_the_change_after_all(
    sidecar: Sidecar, hook: Hook, origin: Origin, dest: Path
) -> None:
    hook.does("os.kill(os.getppid(), 9)")
    sidecar.start("--exec", str(hook.path))
    assert sidecar.program.ended() == -9
    assert _shown(dest) == "one"
    hook.does("")
    for _ in range(2):  # once again, and then no more
        assert initkit("git", str(origin.path), str(dest), "--exec", str(hook.path)).returncode == 0
    assert hook.lines == [f"{_head(origin)} - HEAD one"] * 2


def test_a_restart_with_nothing_new_is_ready_after_one_look_and_tells_nobody(
    sidecar: Sidecar, hook: Hook, origin: Origin
) -> None:
    sidecar.start("--exec", str(hook.path))
    until(sidecar.is_ready, "readiness")
    sidecar.program.signal(signal.SIGTERM)
    sidecar.program.ended()
    sidecar.start("--exec", str(hook.path))
    until(sidecar.is_ready, "readiness")
    assert sidecar.metric("publishes_total") == 0
    assert sidecar.metric("round_duration_seconds_count") == 1
    sidecar.program.line_with("ok: HEAD at")
    assert hook.lines == [f"{_head(origin)} - HEAD one"]


def test_a_restart_while_the_server_is_away_is_ready_by_what_is_there(
    sidecar: Sidecar, origin: Origin, dest: Path
) -> None:
    sidecar.start("--ref", "main", "--interval", "100ms")
    until(sidecar.is_ready, "readiness")
    sidecar.program.signal(signal.SIGTERM)
    sidecar.program.ended()
    first = _head(origin)
    away = origin.path.rename(origin.path.with_name("away"))
    sidecar.start(
        "--ref", "main", "--interval", "100ms", "--max-interval", "100ms", "--attempt-timeout", "5s", every="200ms"
    )
    until(lambda: sidecar.is_at(first), "readiness without a server")
    assert sidecar.metric("failures_total") >= 1
    assert sidecar.metric("last_success_timestamp_seconds") == 0
    away.rename(origin.path)
    second = origin.commit({"index.html": "two"})
    until(lambda: sidecar.is_at(second), "the second commit")
    assert _shown(dest) == "two"


def test_a_restart_for_another_ref_is_not_ready_by_what_is_there(sidecar: Sidecar, origin: Origin) -> None:
    sidecar.start("--ref", "main")
    until(sidecar.is_ready, "readiness")
    sidecar.program.signal(signal.SIGTERM)
    sidecar.program.ended()
    origin.path.rename(origin.path.with_name("away"))
    sidecar.start("--ref", "v2", "--interval", "100ms")
    sidecar.program.line_with("does not appear to be a git repository")
    assert not sidecar.is_ready()


def test_it_listens_before_it_can_publish_and_says_why_it_is_not_ready(sidecar: Sidecar, origin: Origin) -> None:
    away = origin.path.rename(origin.path.with_name("away"))
    sidecar.start("--interval", "100ms", "--max-interval", "100ms")
    until(lambda: "error" in sidecar.health()[1], "the first failure")
    status, told = sidecar.health()
    assert status == 503
    assert "does not appear to be a git repository" in str(told["error"])
    assert sidecar.metric("last_success_timestamp_seconds") == 0
    assert "published_info{" not in sidecar.get("/metrics")[1]
    away.rename(origin.path)
    until(sidecar.is_ready, "readiness")


def test_a_server_that_goes_and_comes_again_is_told_of_twice(sidecar: Sidecar, origin: Origin, dest: Path) -> None:
    sidecar.start(every="50ms")
    until(sidecar.is_ready, "readiness")
    away = origin.path.rename(origin.path.with_name("away"))
    until(lambda: sidecar.metric("failures_in_a_row") > 8, "failures")
    assert sidecar.is_ready()
    assert _shown(dest) == "one"
    away.rename(origin.path)
    second = origin.commit({"index.html": "two"})
    until(lambda: sidecar.is_at(second), "the second commit")
    sidecar.program.line_with("goes on well after")
    assert sidecar.program.output.count("warning: cannot read") <= 3  # it may go and come in the middle of a look
    assert "error" not in sidecar.health()[1]


def test_too_many_failures_end_it(sidecar: Sidecar, origin: Origin) -> None:
    sidecar.start("--max-failures", "3", every="20ms")
    until(sidecar.is_ready, "readiness")
    origin.path.rename(origin.path.with_name("away"))
    assert sidecar.program.ended() == 1
    assert "(3 failures in a row over" in sidecar.program.output


def test_a_command_that_fails_is_run_again_until_it_does_not_and_readers_are_not_kept_waiting(
    sidecar: Sidecar, hook: Hook, origin: Origin
) -> None:
    hook.does("print('not running yet'); raise SystemExit(5)")
    sidecar.start("--exec", str(hook.path), "--interval", "50ms", "--max-interval", "50ms")
    sidecar.program.line_with("cannot run hook: exit code 5: not running yet")
    until(sidecar.is_ready, "readiness")  # in a native sidecar, what the command reloads starts only now
    assert sidecar.metric("failures_total") >= 1
    hook.does("")
    sidecar.program.line_with("ran hook")
    assert len(set(hook.lines)) == 1
    assert hook.lines[0].startswith(_head(origin))


def test_once_publishes_tells_and_ends_with_the_same_flags(origin: Origin, dest: Path, hook: Hook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = ("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        flags = ("git", str(origin.path), str(dest), "--every", "1h", "--exec", str(hook.path), *listen)
        assert initkit(*flags, "--once").returncode == 0
    assert hook.lines == [f"{_head(origin)} - HEAD one"]


def test_an_address_that_is_taken_ends_it_before_anything_is_attempted(origin: Origin, dest: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = initkit("git", str(origin.path), str(dest), "--every", "1h", "--listen", listen)
    assert ended.returncode == 1
    assert f"cannot listen on {listen}" in ended.stderr
    assert not dest.exists()


def test_check_looks_once(origin: Origin, dest: Path, hook: Hook) -> None:
    flags = ("git", str(origin.path), str(dest), "--every", "1h", "--exec", str(hook.path))
    assert initkit(*flags, "--check").returncode == 3
    assert initkit("git", str(origin.path), str(dest)).returncode == 0
    owed = initkit(*flags, "--check")
    assert (owed.returncode, "would run hook" in owed.stdout) == (3, True)
    assert initkit(*flags, "--once").returncode == 0
    assert initkit(*flags, "--check").returncode == 0
    assert len(hook.lines) == 1


@pytest.mark.parametrize("rest", [["--then", "wait", "tcp://127.0.0.1:1"], ["--", "nginx"]])
def test_nothing_can_stand_behind_it(origin: Origin, dest: Path, rest: list[str]) -> None:
    ended = initkit("git", str(origin.path), str(dest), "--every", "1m", *rest)
    assert ended.returncode == 2
    assert "never ends" in ended.stderr
    assert not dest.exists()


def test_several_hundred_rounds_leave_nothing_behind(sidecar: Sidecar, origin: Origin) -> None:
    sidecar.start("--jitter", "0", every="1ms")
    until(lambda: sidecar.is_ready() and sidecar.metric("round_duration_seconds_count") >= 100, "the first hundred")
    process = psutil.Process(sidecar.program.child.pid)
    before = process.memory_info().rss
    for number in range(4):  # in between something is published, too
        origin.commit({"index.html": f"{number}"})
        goal = 200 + 75 * number
        until(lambda goal=goal: sidecar.metric("round_duration_seconds_count") >= goal, "more rounds")  # type: ignore[misc]
    grown = process.memory_info().rss - before
    assert grown < 2 << 20
    assert process.num_threads() == 3  # signals, work, serve
    assert len(process.children(recursive=True)) <= 4
    assert not [one for one in process.children() if one.status() == psutil.STATUS_ZOMBIE][1:]
    assert len(os.listdir(f"/proc/{process.pid}/fd")) < 30
    assert sidecar.metric("failures_total") == 0
