"""Programs under measurement: their command lines, and what one run of each costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[str, int], list[str]]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLICK = [sys.executable, "-c", "import click"]
_SLOWING = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
_LOOKED = 0.005  # seconds between two looks at memory


class Cost(NamedTuple):
    """Of one run: seconds, and MiB where they were watched: the sum of the peaks of it and all that it started."""

    wall: float
    cpu: float
    peak: float


def environment(tree: str = ROOT) -> dict[str, str]:
    """Nothing in it steers a program or slows it down."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("INITKIT_")}
    return {**{name: text for name, text in kept.items() if name not in _SLOWING}, "PYTHONPATH": tree}


def ours(path: str, owner: int, *more: str) -> list[str]:
    """The command line of ``initkit perms``."""
    return [sys.executable, "-m", "initkit", "perms", path, "--owner", f"{owner}:{owner}", *more]


def others() -> dict[str, Command]:
    """Those that are here, by name."""
    found: dict[str, Command] = {
        "chown -R": lambda path, owner: ["chown", "-R", f"{owner}:{owner}", path],
        "find -exec chown +": lambda path, owner: ["find", path, "-exec", "chown", "-h", f"{owner}:{owner}", "{}", "+"],
    }
    if shutil.which("busybox"):
        found["busybox chown -R"] = lambda path, owner: ["busybox", "chown", "-R", f"{owner}:{owner}", path]
    return found


def measure(
    command: Sequence[str], tree: str = ROOT, *, cores: int = 0, watched: bool = False, expected: int = 0
) -> Cost:
    """Run it once, held to so many cores, or 0: to none; `watched` is for memory only, for looking takes time."""
    allowed = os.sched_getaffinity(0)
    with tempfile.TemporaryFile("w+") as log:
        os.sched_setaffinity(0, sorted(allowed)[: cores or None])
        began = time.perf_counter()
        child = subprocess.Popen(
            command, env=environment(tree), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        os.sched_setaffinity(0, allowed)
        peak = _watch(child.pid) if watched else 0.0
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        words = log.read()
    if child.returncode != expected:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {child.returncode}: {words[-1000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak)


def _watch(pid: int) -> float:
    """The sum of the highest VmHWM that was seen of each process until the program ends."""
    highest: dict[int, float] = {}
    while True:
        for one in (pid, *_below(pid)):
            with suppress(OSError, StopIteration):
                highest[one] = max(highest.get(one, 0.0), _peak(one))
        if _ended(pid):
            return sum(highest.values())
        time.sleep(_LOOKED)


def _peak(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:"))


def _below(pid: int) -> list[int]:
    with suppress(psutil.Error):
        return [one.pid for one in psutil.Process(pid).children(recursive=True)]
    return []


def _ended(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"
