"""Waiting for real programs: what they answer, and that nothing of them is left, whatever they do."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import RecordingVoice, make_context
from fix_files import are_gone, pids_in, zombies
from fix_need import need, need_program
from fix_program import INITKIT, Running, environment, initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, Stopped, TemporaryError
from initkit.core.redact import KNOWN
from initkit.core.stop import Stop
from initkit.steps.wait.schemes.command import Command
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAST = {"retry": {"timeout": "10s", "interval": "10ms", "max-interval": "20ms"}}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    KNOWN.forget()
    assert zombies() == []


def command(line: str, **options: object) -> Command:
    return assemble(Command, {"line": line, **{key.replace("_", "-"): value for key, value in options.items()}})


def python(code: str, *words: object) -> str:
    return shlex.join([sys.executable, "-c", code, *map(str, words)])


def sh(script: str) -> str:
    return shlex.join(["sh", "-c", script])


def failed(
    line: str, *, attempt_timeout: float = 10.0, environ: dict[str, str] | None = None, **more: object
) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        command(line, **more).probe(make_context(attempt_timeout=attempt_timeout, environ=environ))
    return caught.value


# what it answers


def test_a_program_that_exits_0() -> None:
    began: list[bool] = []
    context = ProbeContext(**vars(make_context()), reached=lambda: began.append(True))
    assert command("true").probe(context) == "exits 0"
    assert began == [True], "it is not run twice at a time"


def test_another_exit_code_is_told_with_the_last_line_of_its_output() -> None:
    error = failed(sh("echo no; echo trying >&2; echo connection refused >&2; exit 2"))
    assert isinstance(error, AbsentError)
    assert str(error) == "cannot run sh: it exits 2: connection refused; see what it waits for"
    assert failed(sh("echo no response; exit 2")).cause == "it exits 2: no response"
    assert failed("false").cause == "it exits 1"


def test_exit_codes_may_be_chosen() -> None:
    assert command(sh("exit 3"), exit_codes="0,2-4").probe(make_context()) == "exits 3"
    assert failed("true", exit_codes="1-255").cause == "it exits 0"


def test_a_program_whose_answer_changes(tmp_path: Path) -> None:
    voice = RecordingVoice()
    timer = threading.Timer(0.2, (tmp_path / "ready").touch)
    timer.start()
    target = f"command:test -e {tmp_path}/ready"
    outcome = assemble(Wait, {"targets": [target], **FAST}).watch(make_context(timeout=10.0, voice=voice))
    timer.join()
    assert outcome.facts == {"ready": ["command:test …"]}
    assert voice.missed[0] == ("command:test …", "it exits 1")


def test_until_it_fails(tmp_path: Path) -> None:
    target = f"command:test -e {tmp_path}/lock"
    assert assemble(Wait, {"targets": [target], "not": "yes", **FAST}).watch(make_context()).detail == "1 target gone"


def test_its_standard_output_can_be_matched() -> None:
    options: dict[str, Any] = {"output_matches": r"^replicas: [1-9]"}
    assert command("echo replicas: 3", **options).probe(make_context()) == "exits 0"
    error = failed("echo replicas: 0", **options)
    assert isinstance(error, AbsentError)
    assert error.cause == "its output does not match: replicas: 0"
    assert failed(sh("echo replicas: 3 >&2"), **options).cause == "its output does not match: replicas: 3"
    assert failed(sh("echo replicas: 3; exit 1"), **options).cause == "it exits 1: replicas: 3"


def test_a_pattern_that_never_ends_does_not_outlast_the_attempt() -> None:
    began = time.monotonic()
    error = failed(f"echo {'a' * 40}b", output_matches="(a+)+c", attempt_timeout=1.0)
    assert time.monotonic() - began < 10
    assert type(error) is TemporaryError
    assert error.cause == "its output could not be searched in time"


def test_secrets_escapes_and_times_are_not_shown() -> None:
    KNOWN.learn("hunter2-known")
    assert failed(sh("echo wrong password hunter2-known; exit 1")).cause == "it exits 1: wrong password ***"
    assert failed(sh("echo postgres://app:hunter2@db; exit 1")).cause == "it exits 1: postgres://app:***@db"
    assert failed(sh(r"printf '\033[31mbad\033[0m\a\tnews\n'; exit 1")).cause == "it exits 1: bad  news"
    for moment in ("2024-05-01T10:00:00.123Z", "[2024-05-01 10:00:00,5 +0200]", "2024/05/01 10:00:00", "10:00:00"):
        assert failed(sh(f"echo '{moment} down'; exit 1")).cause == "it exits 1: down"


def test_a_long_line_is_cut_and_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert failed(sh("printf '%0300d' 7; exit 1")).cause == f"it exits 1: {'0' * 119}…"
    assert failed(sh(r"printf 'a\377b'; exit 1")).cause == "it exits 1: a\ufffdb"


def test_it_has_nothing_to_read_no_terminal_and_the_environment_of_the_step(tmp_path: Path) -> None:
    assert command("cat").probe(make_context()) == "exits 0"
    assert command(python("import os; exit(os.getsid(0) != os.getpid())")).probe(make_context()) == "exits 0"
    (tmp_path / "mine").write_text('#!/bin/sh\ntest "$COLOUR" = blue && test -z "$PYTEST_CURRENT_TEST"\n')
    (tmp_path / "mine").chmod(0o755)
    context = make_context(environ={"PATH": f"{tmp_path}:{os.environ['PATH']}", "COLOUR": "blue"})
    assert command("mine").probe(context) == "exits 0"


# what cannot be run


def test_a_program_that_is_not_found(tmp_path: Path) -> None:
    error = failed("no-such-program -x hunter2")
    assert isinstance(error, PermanentError)
    assert (
        str(error) == "cannot run no-such-program: it is not found on PATH; use an image that has it, or mend the line"
    )
    assert failed(f"{tmp_path}/none").cause == "there is no such file"
    (tmp_path / "file").touch()
    assert failed(f"{tmp_path}/file/none").cause == "there is no such file"
    assert failed("test -e /", environ={"PATH": f"{tmp_path}/file"}).cause == "it is not found on PATH"


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    error = failed(str(script))
    assert isinstance(error, PermanentError)
    assert error.cause == "it may not be executed"
    script.chmod(0o755)
    assert failed(str(script)).cause == "the interpreter in its first line is missing"
    script.write_text("exit 0\n")
    error = failed("script", environ={"PATH": str(tmp_path)})
    assert isinstance(error, PermanentError)
    assert error.cause == "exec format error"
    assert failed(str(tmp_path)).cause == "it may not be executed"
    assert failed("/" + "x" * 300).cause == "file name too long"


def test_a_program_that_is_still_being_written_will_do_later(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy(need_program("true", "coreutils"), program)
    with program.open("ab"):
        error = failed(str(program))
    assert type(error) is TemporaryError
    assert error.cause == "text file busy"
    assert command(str(program)).probe(make_context()) == "exits 0"


# that it ends


def test_a_program_that_does_not_end_is_ended_in_time() -> None:
    began = time.monotonic()
    error = failed(sh("echo waiting for db; exec sleep 100"), attempt_timeout=0.5)
    assert time.monotonic() - began < 10
    assert type(error) is TemporaryError
    assert str(error) == (
        "cannot run sh: it does not end in time: waiting for db; see why it hangs, or raise --attempt-timeout"
    )


def test_a_program_that_is_killed_has_not_answered() -> None:
    error = failed(sh("kill -SEGV $$"))
    assert type(error) is TemporaryError
    assert error.cause.startswith("it is killed by SIGSEGV")
    assert failed(python(f"import os; os.kill(os.getpid(), {signal.SIGRTMIN + 3})")).cause.startswith(
        f"it is killed by signal {signal.SIGRTMIN + 3}"
    )


DEAF = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
REPORT = "import os; print(os.getpid(), file=open(sys.argv[1], 'a'), flush=True); "


def test_a_program_that_is_deaf_to_sigterm_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    began = time.monotonic()
    failed(python(f"{DEAF}{REPORT}time.sleep(100)", pids), attempt_timeout=1.0)
    assert time.monotonic() - began < 10
    assert are_gone(pids_in(pids, 1), timeout=0)


def test_a_program_that_ends_on_sigterm_may_do_so(tmp_path: Path) -> None:
    script = f"trap 'touch {tmp_path}/tidy; exit 0' TERM; sleep 100 & wait"
    # the shell may say that its sleep was terminated
    assert failed(sh(script), attempt_timeout=1.0).cause.startswith("it does not end in time")
    assert (tmp_path / "tidy").exists()


GRANDCHILDREN = """
echo $$ >> {pids}
sleep 100 & echo $! >> {pids}
(trap '' TERM; sleep 100) & echo $! >> {pids}
timeout 100 sh -c 'echo $$ >> {pids}; sleep 100' &
until test $(wc -l < {pids}) -ge 4; do sleep 0.01; done
{last}
"""


@pytest.mark.parametrize("last", ["exit 0", "exit 7", "sleep 100"])
def test_what_it_started_ends_with_it(tmp_path: Path, last: str) -> None:
    """Also those in groups of their own, those that are deaf, and those that hold its output open."""
    pids = tmp_path / "pids"
    began = time.monotonic()
    target = command(sh(GRANDCHILDREN.format(pids=pids, last=last)))
    try:
        assert target.probe(make_context(attempt_timeout=2.0)) == "exits 0"
    except TemporaryError:
        assert last != "exit 0"
    assert time.monotonic() - began < 10
    assert are_gone(pids_in(pids, 4), timeout=0)


def test_a_daemon_that_holds_its_output_open_is_not_waited_for(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    daemon = python(f"import sys, time; {REPORT}time.sleep(100)", pids)
    setsid = need_program("setsid", "util-linux")
    script = f"{setsid} {daemon} & until test -s {pids}; do sleep 0.01; done; echo up"
    began = time.monotonic()
    try:
        assert command(sh(script), output_matches="up").probe(make_context()) == "exits 0"
        assert time.monotonic() - began < 10
    finally:
        for pid in pids_in(pids, 1):
            os.kill(pid, signal.SIGKILL)
    assert are_gone(pids_in(pids, 1))


def test_a_program_that_prints_for_ever_costs_no_memory() -> None:
    began = time.monotonic()
    target = command("yes", output_matches="^n")
    with pytest.raises(TemporaryError) as caught:
        target.probe(make_context(attempt_timeout=0.5))
    assert time.monotonic() - began < 10
    assert caught.value.cause == "it does not end in time: y"


def test_a_program_that_prints_much_is_read_to_its_end() -> None:
    code = "import sys; sys.stdout.write('begin ' + 'x' * 5_000_000 + '\\nend\\n')"
    assert command(python(code), output_matches="^begin x").probe(make_context()) == "exits 0"
    assert failed(python(code), output_matches="end").cause == "its output does not match: end", "it looks at 1 MiB"


@pytest.mark.parametrize("knows_pidfd", [True, False])
def test_a_program_that_closes_its_output_early_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    knows_pidfd: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if not knows_pidfd:

        def unknown(_pid: int) -> int:
            raise OSError(38, "Function not implemented")  # as in a sandbox without pidfd_open(2)

        monkeypatch.setattr(os, "pidfd_open", unknown)
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(5)"
    assert failed(python(code)).cause == "it exits 5"


# that it ends with us


@pytest.mark.parametrize("deaf", ["", DEAF])
def test_a_stop_ends_it_and_is_passed_on(tmp_path: Path, deaf: str) -> None:
    stop, pids, answers = Stop(), tmp_path / "pids", list[BaseException]()

    def probe() -> None:
        try:
            command(python(f"import sys, time; {deaf}{REPORT}time.sleep(100)", pids)).probe(make_context(stop=stop))
        except Stopped as stopped:
            answers.append(stopped)

    thread = threading.Thread(target=probe)
    thread.start()
    started = pids_in(pids, 1)
    assert stop.has_work_in_flight
    stop.request(signal.SIGTERM)
    thread.join(5)
    assert [type(answer) for answer in answers] == [Stopped]
    assert not stop.has_work_in_flight
    assert are_gone(started, timeout=0)


def test_nothing_is_started_once_the_end_was_asked_for(tmp_path: Path) -> None:
    stop = Stop()
    stop.request(signal.SIGTERM)
    with pytest.raises(Stopped):
        command(f"touch {tmp_path}/made").probe(make_context(stop=stop))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("deaf", ["", DEAF])
def test_a_signal_to_initkit_leaves_no_child(running: Callable[..., Running], tmp_path: Path, deaf: str) -> None:
    pids = tmp_path / "pids"
    program = running("wait", "command", python(f"import sys, time; {deaf}{REPORT}time.sleep(100)", pids))
    started = pids_in(pids, 1)
    program.signal(signal.SIGTERM)
    assert program.ended() == 143
    assert are_gone(started, timeout=0)


def test_a_program_that_is_not_needed_any_more_is_ended_before_what_follows(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    line = sh(f"echo $$ >> {pids}; exec sleep 100")
    until = f"command:test -s {pids}"
    ended = initkit("wait", f"command:{line}", until, "--any", "--", "true")
    assert ended.returncode == 0
    assert are_gone(pids_in(pids, 1), timeout=0)


def test_as_the_child_of_process_1_it_has_its_exit_code() -> None:
    """Process 1 reaps whoever dies; but not who belongs to its own child."""
    unshare = need_program("unshare", "util-linux")
    namespace = [unshare, "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    tried = subprocess.run([*namespace, "true"], check=False, capture_output=True, text=True)
    need(tried.returncode == 0, f"user and process namespaces ({tried.stderr.strip()})")
    line = sh("sleep 100 & exit 3")
    ended = subprocess.run(
        [*namespace, *INITKIT, "wait", "command", line, "--exit-codes", "3"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(),
    )
    assert ended.returncode == 0, ended.stderr
    assert "command:sh … exits 3" in ended.stderr


def test_an_exit_code_that_the_kernel_drops_is_not_taken_for_success() -> None:
    """Whoever ignores SIGCHLD when starting us has all our children forgotten (wait(2))."""
    start = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", start, *INITKIT, "wait", "command", "false"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, env=environment())
    assert ended.returncode == 1
    assert "SIGCHLD is ignored, so its exit code is lost" in ended.stderr


def test_on_the_command_line(tmp_path: Path) -> None:
    assert initkit("wait", f"command:test -d {tmp_path}").returncode == 0
    ended = initkit("wait", "command", "redis-cli-x -a hunter2 ping")
    assert ended.returncode == 1
    assert "cannot run redis-cli-x: it is not found on PATH" in ended.stderr
    assert "hunter2" not in ended.stderr
    assert initkit("wait", "command", "x 'y").returncode == 2
    assert initkit("--check", "wait", "command", "false").returncode == 3
