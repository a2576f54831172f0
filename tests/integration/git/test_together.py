"""Many runs at once, readers in between, and kills at any instant: whole or not at all."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from fix_clock import make_context
from fix_git import arguments_of
from fix_need import need, need_program

from initkit.core.errors import TemporaryError
from initkit.core.outcome import Satisfied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fix_git import GitOverHttp, Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]
    Run = subprocess.Popen[str]
    Start = Callable[..., Run]

_FILES = 40
_ROOT = Path(__file__).parents[3]


def _generation(number: int) -> dict[str, str]:
    return {f"folder{i % 5}/file{i}": f"generation {number}\n" for i in range(_FILES)}


@pytest.fixture
def start(dest: Path) -> Iterator[Start]:
    """Start the step as a program of its own; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def begin(repository: str, before: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Run:
            script = str(Path(__file__).with_name("run_step.py"))
            argv = [*before, sys.executable, script, f"repository={repository}", f"dest={dest}", "ref=main"]
            inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)}
            run = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=inherited | dict(environ or {}))
            stack.enter_context(run)
            stack.callback(run.kill)
            return run

        yield begin


def _read_all(dest: Path) -> set[str] | None:
    """The contents of all files below `current`, as a reader sees them that went in once; None when it went away."""
    try:
        root = os.open(dest / "current", os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        found = []
        for _, _, names, folder in os.fwalk(".", dir_fd=root, onerror=_raise):
            for name in names:
                with open(os.open(name, os.O_RDONLY, dir_fd=folder), encoding="utf-8") as file:
                    found.append(file.read())
    except FileNotFoundError:
        return None
    finally:
        os.close(root)
    assert len(found) == _FILES
    return set(found)


def _raise(error: OSError) -> None:
    raise error


def test_a_reader_never_sees_a_mixed_tree(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.git("rm", "--quiet", "-r", ".")
    origin.commit(_generation(0))
    step = make_git()
    step.apply(make_context())
    done = threading.Event()
    seen: list[set[str] | None] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                seen.append(_read_all(dest))
                time.sleep(0.001)  # leaves the interpreter to the publisher
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 31):
            origin.commit(_generation(number))
            step.apply(make_context())
    finally:
        done.set()
        reader.join(10)
    whole = [contents for contents in seen if contents is not None]
    assert failures == []
    assert all(len(contents) == 1 for contents in whole)
    assert len({next(iter(contents)) for contents in whole}) > 10
    assert len(seen) - len(whole) <= len(seen) // 10


def test_five_replicas_at_once_do_the_work_once(origin: Origin, git_daemon: str, start: Start) -> None:
    origin.commit(_generation(1))
    replicas = [start(git_daemon) for _ in range(5)]
    ends = [replica.communicate(timeout=30)[0].split()[1:] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0] * 5
    words = [end[0] for end in ends]
    assert words.count("changed") == 1
    assert set(words) <= {"changed", "ok", "satisfied"}


def test_after_a_kill_at_any_instant_the_next_run_converges(
    make_git: MakeGit, origin: Origin, dest: Path, start: Start
) -> None:
    origin.git("rm", "--quiet", "-r", ".")
    chance = random.Random(20250101)
    step = make_git(ref="main")
    for number in range(30):
        origin.commit(_generation(number))
        run = start(str(origin.path))
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.12))
        children = psutil.Process(run.pid).children(recursive=True) if number % 2 else []
        run.kill()
        for child in children:  # as a container ends; every other time git lives on for a while
            with suppress(psutil.NoSuchProcess):
                child.kill()
        run.communicate(timeout=10)
        contents = _read_all(dest)
        assert contents is None or len(contents) == 1
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    assert _read_all(dest) == {"generation 29\n"}
    house = dest / ".initkit"
    assert [path for path in house.rglob("*") if path.name.startswith("tmp") or path.name.endswith(".lock")] == []
    assert len(list(house.glob("*-*/"))) <= 2


def test_a_git_that_outlives_its_killed_run_keeps_the_lock(
    make_git: MakeGit, git_over_http: GitOverHttp, dest: Path, start: Start
) -> None:
    git_over_http.stall.set()
    run = start(git_over_http.url)
    _wait_until(lambda: any("fetch" in arguments_of(child) for child in psutil.Process(run.pid).children()))
    orphans = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.communicate(timeout=10)
    step = make_git(repository=git_over_http.url, ref="main")
    with pytest.raises(TemporaryError, match=f"process {run.pid} holds it"):
        step.apply(make_context(timeout=0.2))
    git_over_http.stall.clear()
    git_over_http.release.set()
    psutil.wait_procs(orphans, timeout=10)
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def _wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def _as_nobody_known() -> list[str]:
    """A user that has no passwd entry, as a container's arbitrary UID has none; it has this user's rights to files."""
    command = [need_program("unshare", "util-linux"), "--user", "--map-user=12345", "--map-group=0"]
    probe = subprocess.run([*command, "true"], check=False, capture_output=True)
    need(probe.returncode == 0, "user namespaces for ordinary users (sysctl kernel.unprivileged_userns_clone)")
    return command


@pytest.mark.parametrize("home", [None, "/"])
def test_a_user_without_a_passwd_entry_can_do_it_all(
    origin: Origin, git_daemon: str, dest: Path, start: Start, home: str | None
) -> None:
    for url in (git_daemon, str(origin.path)):
        run = start(url, _as_nobody_known(), {} if home is None else {"HOME": home})
        assert run.communicate(timeout=30)[0].split()[0] == "ready"
        assert run.returncode == 0
    assert (dest / "current" / "index.html").read_text() == "one"
    assert sorted(os.listdir(dest)) == [".initkit", "current"]


def test_a_folder_without_the_right_to_write_is_named(origin: Origin, dest: Path, start: Start) -> None:
    dest.mkdir(mode=0o555)
    run = start(str(origin.path), _as_nobody_known())
    said = run.communicate(timeout=30)[0]
    assert (
        f"PermanentError cannot publish in {dest}: Permission denied: {dest}/.initkit; make the folder writable" in said
    )
