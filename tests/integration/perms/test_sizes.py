"""Large trees: depth, width and descriptors are bounded only by the file system."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from fix_clock import make_context
from fix_perms import LOADED, fill, import_places, perms, shared_from

from initkit.core.outcome import Pending, Satisfied

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MEMORY = "/dev/shm"
_DEPTH = 10_000
_WIDTH = 100_000
_PEAK = f"""{LOADED}
import resource
from initkit.steps.perms.walking import crew
crew._WORTH = int(sys.argv[2])
def peak():
    with open("/proc/self/status") as file:
        own = next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    return [own / 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]
for line in sys.stdin:
    step = assemble(STEP, json.loads(line))
    kind = type(step.check(make_context(looking=True))).__name__
    step.apply(make_context())
    print(json.dumps([kind, *peak()]), flush=True)
"""


class Peak(NamedTuple):
    """After a walk: what looking found, and the most MiB of that process and of any other that it started."""

    found: str
    own: float
    other: float


def peaks(given: Sequence[Mapping[str, object]], worth: int, prefix: Sequence[str] = ()) -> list[Peak]:
    """Of walks to look and to change, in a process that has others help it after `worth` entries."""
    program = [*prefix, sys.executable, "-c", _PEAK, import_places(), str(worth)]
    lines = "".join(json.dumps(one) + "\n" for one in given)
    done = subprocess.run(program, input=lines, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [Peak(*json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture
def place(volume: Path) -> Iterator[Path]:
    """An empty folder in memory, where there is one to be had: it is filled and emptied in no time."""
    if not os.access(_MEMORY, os.W_OK):
        yield volume
        return
    path = Path(tempfile.mkdtemp(prefix="initkit-perms-", dir=_MEMORY))
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+rwx", str(path)], check=True)
    subprocess.run(["rm", "-rf", str(path)], check=True)


def dig(top: Path, depth: int) -> None:
    """Folders within one another; a path that long has no name."""
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", 0o755, dir_fd=folder)
        os.mknod("file", 0o644 | stat.S_IFREG, dir_fd=folder)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)


def test_a_depth_of_ten_thousand_needs_neither_descriptors_nor_recursion(place: Path) -> None:
    dig(place, _DEPTH)
    before = len(os.listdir("/proc/self/fd"))
    step = perms(place, dir_mode="0700", file_mode="0600")
    found = step.check(make_context(looking=True))
    assert isinstance(found, Pending)
    assert len(found.changes) == 11
    assert step.apply(make_context()).facts["changed"] == 2 * _DEPTH + 1
    assert step.check(make_context()).facts["seen"] == 2 * _DEPTH + 1
    with shared_from(500):
        again = perms(place, dir_mode="0750", file_mode="0640")
        assert again.apply(make_context()).facts["changed"] == 2 * _DEPTH + 1
        assert isinstance(again.check(make_context()), Satisfied)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_depth_of_ten_thousand_takes_little_memory(place: Path) -> None:
    for name in ("flat", "deep"):
        (place / name).mkdir()
    dig(place / "deep", _DEPTH)
    flat, deep = peaks([{"paths": [f"{place}/{name}"], "dir-mode": "0700"} for name in ("flat", "deep")], sys.maxsize)
    assert deep.found == "Pending"
    assert deep.own - flat.own < 16


def test_a_hundred_thousand_files_in_one_folder_take_little_memory(place: Path) -> None:
    """Their names alone would be 16 MiB, what is known of them more."""
    for name, count in (("few", 3000), ("many", _WIDTH)):
        (place / name).mkdir()
        folder = os.open(place / name, os.O_RDONLY | os.O_DIRECTORY)
        for number in range(count):
            os.mknod(f"{number:0150}", 0o644 | stat.S_IFREG, dir_fd=folder)
        os.close(folder)
    for mode, worth in (("0600", sys.maxsize), ("0640", 1000)):
        few, many = peaks([{"paths": [f"{place}/{name}"], "file-mode": mode} for name in ("few", "many")], worth)
        assert many.found == "Pending"
        assert many.own - few.own < 8
        assert many.other - few.other < 8


@pytest.mark.parametrize("worth", [sys.maxsize, 200], ids=["alone", "together"])
def test_a_limit_of_64_descriptors_is_enough(volume: Path, worth: int) -> None:
    dig(volume, 200)
    fill(volume, 100, 2)
    bound = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]
    given = {"paths": [str(volume)], "dir-mode": "0750", "file-mode": "0640"}
    assert peaks([given], worth, bound)[0].found == "Pending"
    found = perms(volume, dir_mode="0750", file_mode="0640").check(make_context())
    assert (type(found), found.facts["seen"]) == (Satisfied, 1 + 2 * 200 + 3 * 100)
