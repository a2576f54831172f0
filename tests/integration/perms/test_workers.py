"""Several processes over one tree: they come to the same as one, also where one of them is lost."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import RecordingVoice, make_context
from fix_guard import eventually

from initkit.core.assemble import assemble
from initkit.core.errors import Stopped, TemporaryError
from initkit.core.outcome import Pending, Satisfied
from initkit.core.stop import Stop
from initkit.steps.perms.step import STEP
from initkit.steps.perms.walking import crew, others, pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from initkit.core.step import Context
    from initkit.steps.perms.step import Perms

LOST = (
    "import os, sys; sys.path.append({!r}); from initkit.steps.perms.walking import worker; "
    "worker.Walk.run = lambda walk: os.kill(os.getpid(), 9); worker.main()"
)
BROKEN = (
    "import sys; sys.path.append({!r}); from initkit.steps.perms.walking import worker; "
    "worker.Walk.run = lambda walk: 1 / 0; worker.main()"
)


CALL = crew.Crew._call


def context(**given: Any) -> Context:
    """As usual, and with what has workers counted where coverage is measured."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return make_context(environ=measured, **given)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """So many, and none between those that are in use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    highest = max(map(int, os.listdir("/proc/self/fd")))
    while not taken or taken[-1] < highest:
        taken.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


def children() -> str:
    """Of this process, those that have ended and were not waited for too."""
    found = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
            found.append(file.read())
    return "".join(found)


@pytest.fixture(autouse=True)
def together(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three processes from the first entries on: the one that begins waits until all others wait for work."""

    def call_and_wait(self: crew.Crew) -> None:
        CALL(self)
        shared = self.pool
        assert shared is not None
        eventually(lambda: shared._page[pool._IDLE : pool._IDLE + 3] == b"\0\1\1")

    monkeypatch.setattr(crew, "_WORTH", 1)
    monkeypatch.setattr(crew, "cores", lambda: 3)
    monkeypatch.setattr(crew.Crew, "_call", call_and_wait)
    before = descriptors(), children()
    yield
    assert (descriptors(), children()) == before


@pytest.fixture
def giving(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that begins takes back nothing that it gives away, however late another comes to it."""
    monkeypatch.setattr(pool.Pool, "taken", lambda _: None)


def make(path: Path, mode: int = 0o644) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode))


@pytest.fixture
def wide(volume: Path) -> Path:
    """Folders in folders, one of them with thousands of files, and one that is deep."""
    make(volume / "first")
    for outer in range(8):
        for inner in range(12):
            folder = volume / f"{outer}" / f"{inner}"
            folder.mkdir(parents=True)
            for file in range(2):
                make(folder / f"{file}")
    flat = volume / "flat"
    flat.mkdir()
    for file in range(2500):
        make(flat / f"{file}")
    make(volume / "flat" / os.fsdecode(b"\xff\n\xfe"))
    deep = volume / "deep"
    for _ in range(150):
        deep /= "d"
    deep.mkdir(parents=True)
    make(deep / "file")
    return volume


def step_of(volume: Path, **more: object) -> Perms:
    given = {"paths": [str(volume)], "dir-mode": "0750", "file-mode": "0640", "umask": "0022"}
    step: Perms = assemble(STEP, given | more)
    return step


def modes(volume: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"folders": set(), "files": set()}
    for folder, _, files in os.walk(os.fsencode(volume)):
        found["folders"].add(f"{os.lstat(folder).st_mode & 0o7777:04o}")
        found["files"] |= {f"{os.lstat(os.path.join(folder, file)).st_mode & 0o7777:04o}" for file in files}
    return found


def test_three_come_to_the_same_as_one(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = step_of(
        wide, exclude=["3/**"], rules=[{"path": "4/**", "file-mode": "0600"}, {"path": "**/7", "file-mode": "0400"}]
    )
    found = step.check(context(looking=True))
    monkeypatch.setattr(crew, "cores", lambda: 1)
    monkeypatch.setattr(crew, "_WORTH", 10**9)
    alone = step.check(context(looking=True))
    assert isinstance(found, Pending)
    assert isinstance(alone, Pending)
    assert {**found.facts, "paths": 0} == {**alone.facts, "paths": 0}
    assert found.facts["changed"] == found.facts["seen"]


def test_three_change_everything_and_then_find_nothing(wide: Path) -> None:
    done = step_of(wide).apply(context())
    assert done.facts["changed"] == done.facts["seen"] == 1 + 192 + 2501 + 1 + 1 + 8 + 96 + 1 + 151
    assert modes(wide) == {"folders": {"0750"}, "files": {"0640"}}
    again = step_of(wide).apply(context())
    assert (again.status, again.facts["seen"]) == ("ok", done.facts["seen"])


def test_a_folder_comes_after_all_that_is_in_it_whoever_does_it(wide: Path) -> None:
    step_of(wide).apply(context())
    for folder, folders, files in os.walk(os.fsencode(wide)):
        newest = max([os.lstat(os.path.join(folder, name)).st_ctime_ns for name in folders + files], default=0)
        assert os.lstat(folder).st_ctime_ns >= newest, folder


def test_the_first_difference_is_enough_whoever_finds_it(wide: Path) -> None:
    step_of(wide).apply(context())
    assert isinstance(step_of(wide).check(context()), Satisfied)
    (wide / "flat/2471").chmod(0o600)
    found = step_of(wide).check(context())
    assert isinstance(found, Pending)
    assert found.changes == (f"{wide}/flat/2471: mode 0600 -> 0640",)


def test_progress_counts_what_all_have_seen(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_TOLD", 0.0)
    monkeypatch.setattr(crew, "_WORTH", 500)
    voice = RecordingVoice()
    step_of(wide).apply(context(voice=voice))
    counts = [int(text.split()[0]) for _, text, _ in voice.progressed]
    assert {name for name, _, _ in voice.progressed} == {str(wide)}
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


@pytest.mark.usefixtures("giving")
def test_a_worker_that_is_killed_is_told_and_the_next_attempt_finishes_it(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(others, "_START", LOST)
        with pytest.raises(TemporaryError) as caught:
            step_of(wide).apply(context())
    assert "one of them was killed; look for a limit of memory" in str(caught.value)
    step_of(wide).apply(context())
    assert modes(wide) == {"folders": {"0750"}, "files": {"0640"}}


@pytest.mark.usefixtures("giving")
def test_what_a_worker_did_not_foresee_is_a_bug_with_its_traceback(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "_START", BROKEN)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        step_of(wide).apply(context())


def test_a_signal_ends_all_of_them(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()

    class Stopping(RecordingVoice):
        def progress(self, name: str, text: str, *, share: float | None = None) -> None:
            super().progress(name, text, share=share)
            stop.request(signal.SIGTERM)

    monkeypatch.setattr(crew, "_TOLD", 0.0)
    with pytest.raises(Stopped):
        step_of(wide).apply(context(stop=stop, voice=Stopping()))
    assert not stop.has_work_in_flight
    assert step_of(wide).apply(context()).status == "changed"


def test_where_no_other_process_can_be_started_one_does_it_all(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "posix_spawn", refuse)
    monkeypatch.setattr(crew.Crew, "_call", CALL)
    assert step_of(wide).apply(context()).status == "changed"
    assert modes(wide) == {"folders": {"0750"}, "files": {"0640"}}


def test_what_nobody_takes_is_walked_with_few_descriptors(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    opened = []

    class Counting(RecordingVoice):
        def progress(self, name: str, text: str, *, share: float | None = None) -> None:
            super().progress(name, text, share=share)
            opened.append(descriptors())

    folder = wide / "deep"
    for _ in range(150):
        for aside in range(2):
            (folder / f"aside-{aside}" / "below").mkdir(parents=True)
        folder /= "d"
    monkeypatch.setattr(socket, "send_fds", refuse)
    monkeypatch.setattr(crew, "_WORTH", 0)
    monkeypatch.setattr(crew, "_TOLD", 0.0)
    before = descriptors()
    done = step_of(wide).apply(make_context(voice=Counting()))
    assert (done.facts["failed"], done.facts["vanished"]) == (0, 0)
    assert modes(wide) == {"folders": {"0750"}, "files": {"0640"}}
    assert max(opened) - before < 100


def test_a_terminals_interrupt_is_left_to_the_process_that_began(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for signum in ("SIGINT", "SIGTERM"):
        interrupted = f"import os, signal; os.kill(os.getpid(), signal.{signum}); {others._START}"
        with monkeypatch.context() as patch:
            patch.setattr(others, "_START", interrupted)
            found = step_of(wide).check(make_context(looking=True))
        assert isinstance(found, Pending)
        assert found.facts["changed"] == found.facts["seen"]


@pytest.mark.parametrize("free", range(4))
def test_what_could_not_be_started_leaves_no_descriptor_open(free: int) -> None:
    """The fixture counts them."""
    with pytest.raises(OSError, match="Too many open files"), descriptors_left(free):
        pool.Pool.opened(2)
    with pytest.raises(OSError, match="Too many open files"), descriptors_left(free):
        others.start(b"", [], {})
