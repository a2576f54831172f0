"""Trees to set permissions on, and the step run as another user, without capabilities or in other namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fix_need import need, need_program

from initkit.core.assemble import assemble
from initkit.steps.perms.step import STEP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from initkit.steps.perms.step import Perms

NOBODY_IN_PARTICULAR = 23456  # no passwd entry
_HERE = Path(__file__).parent
# what the step may need of its own while it runs: the interpreter may lie where an ordinary user may not look
LOADED = """
import importlib, json, os, pkgutil, sys
sys.path[:0] = json.loads(sys.argv[1])
from fix_clock import make_context
from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError
from initkit.steps import perms
from initkit.steps.perms.step import STEP
for module in pkgutil.walk_packages(perms.__path__, perms.__name__ + "."):
    importlib.import_module(module.name)
"""
_CHILD = f"""{LOADED}
uid = int(sys.argv[3])
if uid:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
given = json.loads(sys.argv[2])
for line in sys.stdin:
    try:
        step = assemble(STEP, given)
        result = getattr(step, line.strip())(make_context())
    except InitkitError as error:
        print(json.dumps(dict(kind=type(error).__name__, text=str(error), facts={{}})), flush=True)
    else:
        kind = getattr(result, "status", type(result).__name__)
        print(json.dumps(dict(kind=kind, text=result.detail, facts=dict(result.facts))), flush=True)
"""


@dataclass
class Told:
    """What a step in another process answered: its finding, its outcome or its error, by name."""

    kind: str
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


def perms(*paths: Path | str, **options: Any) -> Perms:
    """The step with these options, by the names that Python allows: `file_mode`."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return assemble(STEP, {"paths": [str(path) for path in paths]} | named)


def import_places() -> str:
    """Where a child finds `initkit` and the fixtures, as `LOADED` takes it."""
    return json.dumps([str(_HERE), str(_HERE.parent)])


def command(given: Mapping[str, object], prefix: Sequence[str] = (), *, uid: int = 0) -> list[str]:
    """A program that runs `check` or `apply` for each line of its input, and answers in JSON."""
    return [*prefix, sys.executable, "-c", _CHILD, import_places(), json.dumps(given), str(uid)]


def ask(question: str, given: Mapping[str, object], prefix: Sequence[str] = (), *, uid: int = 0) -> Told:
    """The answer of `check` or `apply` in a process of its own; with `uid` as that user and group."""
    return ask_all([question], given, prefix, uid=uid)[0]


def ask_all(
    questions: Sequence[str], given: Mapping[str, object], prefix: Sequence[str] = (), *, uid: int = 0
) -> list[Told]:
    """The answers to several questions to one process: what `prefix` has mounted goes with it."""
    program = command(given, prefix, uid=uid)
    lines = "".join(f"{question}\n" for question in questions)
    done = subprocess.run(program, input=lines, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [Told(**json.loads(line)) for line in done.stdout.splitlines()]


def replicas(count: int, given: Mapping[str, object]) -> list[Told]:
    """What so many that run side by side answer to `apply`, once all of them have looked."""
    running = [
        subprocess.Popen(
            command(given), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for question in ("check", "apply"):
        for one in running:
            assert one.stdin is not None
            one.stdin.write(f"{question}\n")
            one.stdin.flush()
        if question == "check":
            for one in running:
                assert one.stdout is not None
                assert Told(**json.loads(one.stdout.readline())).kind in {"Pending", "Satisfied"}
    ended = [one.communicate(timeout=60) for one in running]
    assert {err for _, err in ended} == {""}
    return [Told(**json.loads(out)) for out, _ in ended]


def ordinary_user() -> int:
    """The UID to pass to `ask` so that it runs as an ordinary user: 0, no other, if this process is one already."""
    return NOBODY_IN_PARTICULAR if os.geteuid() == 0 else 0


def need_root() -> None:
    """Changing owners is for root."""
    need(os.geteuid() == 0, "root")


def mounting(script: str, what: str = "mount namespaces") -> list[str]:
    """A prefix for a command that runs where `script` has mounted something, which needs `what`; it is tried once."""
    unshare = [need_program("unshare", "util-linux"), "-m" if os.geteuid() == 0 else "-Urm"]
    shell = [*unshare, "sh", "-e", "-c", f'{script}\nexec "$@"', "sh"]
    tried = subprocess.run([*shell, "true"], capture_output=True, check=False)
    need(tried.returncode == 0, what)
    return shell


def to_and_fro(volume: Path) -> list[dict[str, object]]:
    """Two to go back and forth between, as root with owners: each takes something away that the other gives."""
    one: dict[str, object] = {"paths": [str(volume)], "file-mode": "0460", "dir-mode": "2750"}
    other: dict[str, object] = {"paths": [str(volume)], "file-mode": "u=rwX,go=rX", "dir-mode": "u=rwx,g=rxs,o=rx"}
    return [one | {"owner": "1:2"}, other | {"owner": "3:4"}] if os.geteuid() == 0 else [one, other]


@contextlib.contextmanager
def held_to(cores: int) -> Iterator[None]:
    """Let this thread, and what it starts, run on so many cores only, or on all that it has where there are fewer."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def shared_from(entries: int) -> Iterator[None]:
    """Have walks share their work with other processes from so many entries on; of themselves it is some thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("initkit.steps.perms.walking.crew._WORTH", entries)
        yield


def fill(top: str | os.PathLike[str], folders: int, files: int, *, mode: int = 0o644) -> None:
    """So many folders with so many empty files in each."""
    for folder in range(folders):
        path = os.path.join(top, str(folder))
        os.mkdir(path, 0o755)
        inside = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        for file in range(files):
            os.mknod(str(file), mode | stat.S_IFREG, dir_fd=inside)
        os.close(inside)


def snapshot(root: str | os.PathLike[str]) -> dict[bytes, tuple[int, ...]]:
    """Everything that a writing call would change, by path, without following links."""
    found: dict[bytes, tuple[int, ...]] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in [b".", *folders, *files]:
            path = os.path.join(folder, name)
            one = os.lstat(path)
            found[path] = (one.st_ino, one.st_mode, one.st_uid, one.st_gid, one.st_ctime_ns, one.st_mtime_ns)
    return found


def mode_of(path: str | os.PathLike[str]) -> str:
    """The twelve bits, in octal."""
    return f"{stat.S_IMODE(os.lstat(path).st_mode):04o}"


@pytest.fixture
def volume() -> Iterator[Path]:
    """An empty folder that other users may reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="initkit-perms-"))
    path.chmod(0o755)
    top = path / "volume"
    top.mkdir()
    yield top
    # neither modes that lock their owner out nor a depth of thousands stop this one
    subprocess.run(["chmod", "-R", "u+rwx", str(path)], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", str(path)], check=False, capture_output=True)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def tree(volume: Path) -> Path:
    """A small tree of folders, files, a link that leads out of it, and a fifo."""
    for folder in ("bin", "etc/deep"):
        (volume / folder).mkdir(parents=True, mode=0o755)
    for file in ("bin/run", "etc/app.conf", "etc/deep/key", "readme"):
        (volume / file).write_text(file)
        (volume / file).chmod(0o644)
    outside = volume.parent / "outside"
    outside.write_text("not yours")
    outside.chmod(0o604)
    (volume / "link").symlink_to(outside)
    os.mkfifo(volume / "fifo", 0o644)
    return volume
