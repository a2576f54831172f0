"""Trees to set permissions on, and the step run as another user, without capabilities or in other namespaces."""

from __future__ import annotations

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
from fix_need import need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NOBODY_IN_PARTICULAR = 23456  # no passwd entry
_HERE = Path(__file__).parent
_CHILD = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
from fix_clock import make_context
from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError
from initkit.core.outcome import Satisfied
from initkit.steps.perms import run
from initkit.steps.perms.step import STEP
uid = int(sys.argv[3])
if uid:
    # only now: the interpreter may lie where that user may not look
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
given = json.loads(sys.argv[2])
answer = {}
for line in sys.stdin:
    try:
        step = assemble(STEP, given)
        result = getattr(step, line.strip())(make_context())
    except InitkitError as error:
        print(json.dumps({"kind": type(error).__name__, "text": str(error), "facts": {}}), flush=True)
    else:
        kind = getattr(result, "status", type(result).__name__)
        print(json.dumps({"kind": kind, "text": result.detail, "facts": dict(result.facts)}), flush=True)
"""


@dataclass
class Told:
    """What a step in another process answered: its finding, its outcome or its error, by name."""

    kind: str
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


def command(given: Mapping[str, object], prefix: Sequence[str] = (), *, uid: int = 0) -> list[str]:
    """A program that runs `check` or `apply` for each line of its input, and answers in JSON."""
    places = json.dumps([str(_HERE), str(_HERE.parent)])
    return [*prefix, sys.executable, "-c", _CHILD, places, json.dumps(given), str(uid)]


def ask(question: str, given: Mapping[str, object], prefix: Sequence[str] = (), *, uid: int = 0) -> Told:
    """The answer of `check` or `apply` in a process of its own; with `uid` as that user and group."""
    program = command(given, prefix, uid=uid)
    done = subprocess.run(program, input=question + "\n", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return Told(**json.loads(done.stdout))


def ordinary_user() -> int:
    """The UID to pass to `ask` so that it runs as an ordinary user: 0, no other, if this process is one already."""
    return NOBODY_IN_PARTICULAR if os.geteuid() == 0 else 0


def need_root() -> None:
    """Changing owners is for root."""
    need(os.geteuid() == 0, "root")


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
