"""The command of --exec as a real child: what it is given, what is heard of it, and that nothing of it is left."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.clock import SystemClock
from initkit.core.errors import Stopped
from initkit.core.stop import Stop
from initkit.steps.git.asked.values import Words
from initkit.steps.git.publish.record import Record
from initkit.steps.git.staying.running import Ended, run
from initkit.steps.git.staying.telling import NotStartedError, Teller, UntoldError, published_by

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SHA = "c0ffee" + "0" * 34
_OTHER = "decade" + "0" * 34


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def finished(code: str, voice: RecordingVoice | None = None) -> Ended:
    return run(python(code), dict(os.environ), make_context(voice=voice), 60)


class _OverOnce(SystemClock):
    """All time is over once something has come true, however long that took."""

    def __init__(self, condition: Callable[[], object]) -> None:
        super().__init__(Stop())
        self._condition = condition
        self._skipped = 0.0

    def now(self) -> float:
        if not self._skipped and self._condition():
            self._skipped = 1000.0
        return super().now() + self._skipped


def overdue(code: str, once: Callable[[], object], voice: RecordingVoice | None = None) -> Ended:
    """How it ends if its time is over as soon as `once` is true."""
    return run(python(code), dict(os.environ), make_context(clock=_OverOnce(once), voice=voice), 500)


def test_what_it_writes_is_told_line_by_line_and_the_last_is_kept() -> None:
    voice = RecordingVoice()
    code = "import sys; print('one', flush=True); print('two \\x1b[2J', file=sys.stderr, flush=True); print('  ')"
    assert finished(code, voice=voice) == Ended(0, "two ?[2J")
    assert voice.details == ["exec: one", "exec: two ?[2J"]


@pytest.mark.parametrize(("code", "expected"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9)])
def test_how_it_ended_is_known(code: str, expected: int) -> None:
    assert finished(code).code == expected


def test_it_has_nothing_to_read_and_a_session_of_its_own() -> None:
    assert (
        finished("import os, sys; print(sys.stdin.read() == '', os.getsid(0) == os.getpid())").last_line == "True True"
    )


def test_much_output_is_neither_waited_on_nor_kept() -> None:
    ended = finished("import sys; [sys.stdout.write('x' * 99999) for _ in range(300)]; print(); print('end')")
    assert ended == Ended(0, "end")


def test_a_line_without_an_end_is_cut() -> None:
    assert len(finished("print('x' * 1000000, end='')").last_line) == 4096


def _gone(pid: int) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


_STUBBORN = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = os.fork()\n"
    "if child: print(os.getpid(), child, flush=True)\n"
    "time.sleep(600)\n"
)


def test_what_takes_too_long_is_ended_with_all_its_children() -> None:
    voice = RecordingVoice()
    ended = overdue(_STUBBORN, lambda: voice.details, voice)
    assert ended.code is None
    assert [_gone(int(pid)) for pid in ended.last_line.split()] == [True, True]


def test_the_end_s_request_ends_it_with_all_its_children(tmp_path: Path) -> None:
    stop = Stop()
    file = tmp_path / "pids"
    context = make_context(stop=stop)
    code = _STUBBORN.replace(
        "print(os.getpid(), child, flush=True)", f"open({str(file)!r}, 'w').write(f'{{os.getpid()}} {{child}} ')"
    )

    def request() -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and (not file.exists() or file.read_text().count(" ") < 2):
            time.sleep(0.02)
        stop.request(15)

    asking = threading.Thread(target=request)
    asking.start()
    with pytest.raises(Stopped):
        run(python(code), dict(os.environ), context, 0)
    asking.join()
    assert [_gone(int(pid)) for pid in file.read_text().split()] == [True, True]
    assert not stop.has_work_in_flight


_CLEANS_UP = (
    "import os, signal, sys, time\n"
    "def clean(*_):\n"
    "    until = time.monotonic() + 0.2\n"
    "    while time.monotonic() < until: {meanwhile}\n"
    "    open({file!r}, 'w').close()\n"
    "    os._exit(0)\n"
    "signal.signal(signal.SIGTERM, clean)\n"
    "{first}\n"
    "open({file!r} + '.begun', 'w').close()\n"
    "time.sleep(600)\n"
)


@pytest.mark.parametrize(
    ("first", "meanwhile"),
    [("os.close(1); os.close(2)", "time.sleep(0.01)"), ("pass", "print('still at it', flush=True)")],
    ids=["says nothing more", "says much"],
)
def test_what_is_ended_has_time_to_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, meanwhile: str
) -> None:
    monkeypatch.setattr("initkit.steps.git.staying.running.GRACE", 15.0)
    file, begun = tmp_path / "clean", tmp_path / "clean.begun"
    assert overdue(_CLEANS_UP.format(file=str(file), first=first, meanwhile=meanwhile), begun.exists).code is None
    assert file.exists()


def test_what_it_left_running_is_not_waited_for_and_goes_on() -> None:
    code = "import os, time\nchild = os.fork()\nif child: print(child, flush=True)\nelse: time.sleep(60)"
    began = time.monotonic()
    ended = finished(code)
    assert time.monotonic() - began < 30
    left = psutil.Process(int(ended.last_line))
    assert left.status() != psutil.STATUS_ZOMBIE
    left.kill()


def record(sha: str = _SHA, moment: int = 1) -> Record:
    return Record(f"{sha}-0123456789ab", "r", "main", sha, "", "current", moment)


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    code = (
        "import os; print(*(os.environ['INITKIT_' + name] or '-' for name in ('SHA', 'PREVIOUS_SHA', 'PATH', 'REF')),"
        " os.environ['MORE'])"
    )
    return Teller(Words(python(code)), 30, "/d/current", str(tmp_path / "told"))


def test_a_command_knows_what_was_published_and_what_before(teller: Teller) -> None:
    voice = RecordingVoice()
    context = make_context(voice=voice, environ={"MORE": "more"})
    teller.tell(record(), context)
    teller.tell(record(_OTHER), context, before="unheard")
    assert voice.details == [f"exec: {_SHA} - /d/current main more", f"exec: {_OTHER} {_SHA} /d/current main more"]


def test_what_was_told_is_not_owed_any_more_until_something_changes(teller: Teller) -> None:
    assert teller.owes(record())
    teller.tell(record(), make_context(environ={"MORE": ""}))
    assert not teller.owes(record())
    assert teller.owes(record(_OTHER))
    assert teller.owes(record(moment=2)), "it was made whole"


def test_what_another_replica_told_is_not_taken_for_what_was_before(teller: Teller) -> None:
    voice = RecordingVoice()
    context = make_context(voice=voice, environ={"MORE": ""})
    for before in ("", _OTHER):
        teller.tell(record(), context, before=before)
    assert [line.split()[2] for line in voice.details] == ["-", _OTHER]


def test_the_memory_holds_nothing_of_what_was_there_before(teller: Teller, tmp_path: Path) -> None:
    (tmp_path / "told").write_text("x" * 1000)
    teller.tell(record(), make_context(environ={"MORE": ""}))
    assert (tmp_path / "told").read_text() == f"{record().key} 1\n"
    assert not teller.owes(record())


def failing(tmp_path: Path, *words: str, seconds: float = 30) -> Teller:
    return Teller(Words(words), seconds, "/d/current", str(tmp_path / "told"))


def test_a_command_that_fails_is_told_by_its_code_and_last_words_and_owed_still(tmp_path: Path) -> None:
    teller = failing(tmp_path, *python("print('password=hunter2hunter ' + 'x' * 999); raise SystemExit(3)"))
    with pytest.raises(
        UntoldError, match=r"exit code 3: password=\*\*\* x+ \(done before: c0ffee0 is published\)"
    ) as caught:
        teller.tell(record(), make_context())
    assert len(str(caught.value)) < 400
    assert published_by(caught.value) == _SHA
    assert teller.owes(record())


def test_a_command_whose_time_is_over_is_told_so(tmp_path: Path) -> None:
    teller = failing(tmp_path, *python("import time; time.sleep(60)"), seconds=0.2)
    with pytest.raises(UntoldError, match="it was not done after 200ms"):
        teller.tell(record(), make_context())


def test_a_command_that_is_not_there_is_no_use_trying_again(tmp_path: Path) -> None:
    with pytest.raises(NotStartedError, match=r"cannot run nowhere: there is no such program \(.*\); give its path"):
        failing(tmp_path, "/bin/nowhere", "--token=hunter2hunter").tell(record(), make_context())


def test_a_file_that_is_no_program_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with pytest.raises(NotStartedError, match="make it executable"):
        failing(tmp_path, str(tmp_path / "text")).tell(record(), make_context())


def test_a_script_without_an_interpreter_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("echo changed\n")
    (tmp_path / "script").chmod(0o755)
    with pytest.raises(NotStartedError, match="let it begin with #!"):
        failing(tmp_path, str(tmp_path / "script")).tell(record(), make_context())
