"""Many runs at once, readers in between, and kills at any instant: whole or not at all."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil
import pytest
from fix_clock import make_context
from fix_git import arguments_of
from fix_need import need, need_program

from initkit.core.errors import TemporaryError
from initkit.core.outcome import Satisfied
from initkit.steps.git.publish.dressing import dress
from initkit.steps.git.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fix_git import Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]
    Run = subprocess.Popen[str]
    Start = Callable[..., Run]

_FILES = 40
_ROOT = Path(__file__).parents[3]


def _generation(number: int) -> dict[str, str]:
    return {f"folder{i % 5}/file{i}": f"generation {number}\n" for i in range(_FILES)}


def _generations(origin: Origin, count: int) -> list[str]:
    """Commit so many generations, one after the other; returns their SHAs."""
    stream = ["feature done"]
    for number in range(count):
        stream.append("blob")
        stream.append(_text(f"generation {number}\n", mark=2 * number + 1))
        stream.append(f"commit refs/heads/generations\nmark :{2 * number + 2}\ncommitter A <a@x.org> {number} +0000")
        stream.append(_text("x") + "\ndeleteall")
        stream += [f"M 100644 :{2 * number + 1} {path}" for path in _generation(number)]
    marks = origin.path / "marks"
    feed = "\n".join([*stream, "done", ""])
    origin.git("fast-import", "--quiet", "--force", f"--export-marks={marks}", feed=feed.encode())
    shas = dict(line.split() for line in marks.read_text().splitlines())
    marks.unlink()
    return [shas[f":{2 * number + 2}"] for number in range(count)]


def _text(text: str, mark: int = 0) -> str:
    return (f"mark :{mark}\n" if mark else "") + f"data {len(text)}\n{text}"


def _push(origin: Origin, sha: str) -> None:
    """Let the branch lead to a commit, as a push does."""
    path = origin.path / ".git" / "refs" / "heads" / "main"
    path.with_name("next").write_text(f"{sha}\n")
    path.with_name("next").replace(path)


@pytest.fixture
def start(dest: Path) -> Iterator[Start]:
    """Start the step as a program of its own; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def begin(
            repository: str,
            before: Sequence[str] = (),
            environ: Mapping[str, str] | None = None,
            given: Sequence[str] = (),
        ) -> Run:
            script = str(Path(__file__).with_name("run_step.py"))
            argv = [*before, sys.executable, script, f"repository={repository}", f"dest={dest}", "ref=main", *given]
            inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)}
            run = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=inherited | dict(environ or {}))
            stack.enter_context(run)
            stack.callback(run.kill)
            return run

        yield begin


def _read_all(folder: Path) -> set[str] | None:
    """The contents of all files below a folder, as a reader sees them that went in once; None when it went away."""
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        found = []
        for _, folders, names, descriptor in os.fwalk(".", dir_fd=root, onerror=_raise):
            folders[:] = [name for name in folders if name != ".initkit"]
            for name in names:
                with open(os.open(name, os.O_RDONLY, dir_fd=descriptor), encoding="utf-8") as file:
                    found.append(file.read())
    except FileNotFoundError:
        return None
    finally:
        os.close(root)
    assert len(found) == _FILES
    return set(found)


def _raise(error: OSError) -> None:
    raise error


class Reader:
    """Walks a folder again and again, in a thread.

    Attributes:
        seen: what it read each time; None where the tree that it was in was removed.
        failures: what it met besides.
    """

    def __init__(self, folder: Path) -> None:
        self.seen: list[set[str] | None] = []
        self.failures: list[BaseException] = []
        self._folder = folder
        self._done = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)

    def _read(self) -> None:
        try:
            while not self._done.wait(0.001):  # leaves the interpreter to the publisher
                self.seen.append(_read_all(self._folder))
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            self.failures.append(error)


_APPLIED = 50  # publishes by the whole step; git takes most of the time, and the switch is the same in the others


def test_a_reader_never_sees_a_mixed_tree_during_500_publishes(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    shas = _generations(origin, _APPLIED)
    step = make_git(ref="main")
    _push(origin, shas[0])
    step.apply(make_context())
    with Reader(dest / "current") as reader:
        for sha in shas[1:]:
            _push(origin, sha)
            step.apply(make_context())
        for number in range(_APPLIED, 500):
            _publish_directly(step, number)
    assert reader.failures == []
    assert None not in reader.seen  # the tree that a reader is in stays for --keep-for
    generations = [contents for contents in reader.seen if contents]
    assert all(len(contents) == 1 for contents in generations)
    assert len({next(iter(contents)) for contents in generations}) > 30
    assert _read_all(dest / "current") == {"generation 499\n"}


def _publish_directly(step: Git, number: int) -> None:
    """Publish a generation as the step does, from a tree that no git has written."""
    work, context = Work(step), make_context()
    layout = work.layout()
    tree = layout.new_tree()
    for name, text in _generation(number).items():
        path = Path(tree, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    manifest = dress(tree, "", step, 0, context)
    layout.publish(tree, manifest, work.record(f"{number:040x}", context), context)
    layout.retire(context)


def test_five_replicas_at_once_do_the_work_once(origin: Origin, git_daemon: str, start: Start) -> None:
    origin.commit(_generation(1))
    replicas = [start(git_daemon) for _ in range(5)]
    ends = [replica.communicate(timeout=120)[0].split()[1:] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0] * 5
    words = [end[0] for end in ends]
    assert words.count("changed") == 1
    assert set(words) <= {"changed", "ok", "satisfied"}


class Killable:
    """Runs the step in children of one program that is loaded already: starting it takes longer than the step."""

    def __init__(self, *words: str) -> None:
        self._words = words
        script = str(Path(__file__).with_name("run_step.py"))
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)}
        self.program = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )

    def start(self) -> psutil.Process:
        assert self.program.stdin is not None
        self.program.stdin.write(f"{json.dumps(self._words)}\n")
        self.program.stdin.flush()
        word, number = self._line().split()
        assert word == "ready"
        return psutil.Process(int(number))

    def wait(self) -> list[str]:
        """Wait for the end; returns what it printed."""
        lines = [self._line()]
        while not lines[-1].startswith("ended "):
            lines.append(self._line())
        return lines

    def _line(self) -> str:
        assert self.program.stdout is not None
        return self.program.stdout.readline()


@pytest.fixture
def killable(origin: Origin, dest: Path) -> Iterator[Callable[..., Killable]]:
    with ExitStack() as stack:

        def begin(**given: str) -> Killable:
            values = {"repository": str(origin.path), "dest": str(dest), "ref": "main"} | given
            made = Killable(*(f"{key}={value}" for key, value in values.items()))
            stack.enter_context(made.program)
            stack.callback(made.program.kill)
            return made

        yield begin


_KILLS = 50  # in each case, so 200


@pytest.mark.parametrize("layout", ["link", "plain"])
@pytest.mark.parametrize("with_children", [False, True])
def test_after_a_kill_at_any_instant_the_next_run_converges(
    make_git: MakeGit,
    origin: Origin,
    dest: Path,
    killable: Callable[..., Killable],
    layout: str,
    *,
    with_children: bool,
) -> None:
    shas = _generations(origin, _KILLS + 3)
    runs = killable(layout=layout, **{"keep-for": "0"})
    chance = random.Random(f"{layout} {with_children}")
    length = _length(origin, shas[:3], runs)
    interrupted = 0
    for sha in shas[3:]:
        _push(origin, sha)
        run = runs.start()
        moment = chance.uniform(0, length)
        time.sleep(moment)
        _kill(run, with_children=with_children)
        was_interrupted = runs.wait()[-1] == "ended -9\n"
        interrupted += was_interrupted
        length = 1.05 * length if was_interrupted else moment  # the machine is not always equally quick
        assert _is_whole(dest, layout)
    assert interrupted > _KILLS // 3
    step = make_git(ref="main", layout=layout, keep_for="0")
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    root = dest / "current" if layout == "link" else dest
    assert _read_all(root) == {f"generation {_KILLS + 2}\n"}
    house = dest / ".initkit"
    assert [path for path in house.rglob("*") if path.name.startswith("tmp") or path.name.endswith(".lock")] == []
    trees = {path.name.partition(".")[0] for path in house.glob("*-*") if not path.name.startswith("repository")}
    assert len(trees) == (layout == "link")
    assert layout == "plain" or sorted(os.listdir(dest)) == [".initkit", "current"]


def _length(origin: Origin, shas: list[str], runs: Killable) -> float:
    """How long a run takes here and now, in seconds: the longest of a few."""
    lengths = []
    for sha in shas:
        _push(origin, sha)
        began = time.monotonic()
        runs.start()
        assert runs.wait()[0] == "changed\n"
        lengths.append(time.monotonic() - began)
    return max(lengths)


def _kill(run: psutil.Process, *, with_children: bool) -> None:
    """Kill a run, with its children as a container ends, or alone: then git lives on for a while."""
    with suppress(psutil.NoSuchProcess):
        children = run.children(recursive=True) if with_children else []
        run.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def _is_whole(dest: Path, layout: str) -> bool:
    """Whether readers have nothing or one generation; without a link as long as the marker is there."""
    if layout == "link":
        contents = _read_all(dest / "current")
        return contents is None or len(contents) == 1
    if not (dest / ".initkit" / "published").exists():
        return True
    contents = _read_all(dest)
    return contents is not None and len(contents) == 1


def test_a_git_that_outlives_its_killed_run_keeps_the_lock(
    make_git: MakeGit, silent_git_port: int, dest: Path, start: Start
) -> None:
    run = start(f"git://127.0.0.1:{silent_git_port}/origin")
    _wait_until(lambda: any("fetch" in arguments_of(child) for child in psutil.Process(run.pid).children()))
    orphans = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.communicate(timeout=60)
    step = make_git(ref="main")
    with pytest.raises(TemporaryError, match=f"process {run.pid} holds it"):
        step.apply(make_context(timeout=0.2))
    for orphan in orphans:
        orphan.kill()
    psutil.wait_procs(orphans, timeout=30)
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def _wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
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
        assert run.communicate(timeout=120)[0].split()[0] == "ready"
        assert run.returncode == 0
    assert (dest / "current" / "index.html").read_text() == "one"
    assert sorted(os.listdir(dest)) == [".initkit", "current"]


def test_a_folder_without_the_right_to_write_is_named(origin: Origin, dest: Path, start: Start) -> None:
    dest.mkdir(mode=0o555)
    run = start(str(origin.path), _as_nobody_known())
    said = run.communicate(timeout=120)[0]
    assert (
        f"PermanentError cannot publish in {dest}: Permission denied: {dest}/.initkit; make the folder writable" in said
    )


def test_an_owner_that_may_not_be_given_is_told_and_nothing_is_left(origin: Origin, dest: Path, start: Start) -> None:
    run = start(str(origin.path), _as_nobody_known(), given=["owner=4242"])
    said = run.communicate(timeout=120)[0]
    assert "PermanentError cannot give the content to 4242: " in said
    assert "capability CHOWN, or leave --owner out" in said
    assert os.listdir(dest) == [".initkit"]
    assert [path.name for path in (dest / ".initkit").iterdir() if path.name.startswith("tmp")] == []
