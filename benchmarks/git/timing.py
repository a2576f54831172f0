"""Programs under measurement: what one run of each costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLICK = [sys.executable, "-c", "import click"]
_SLOWING = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


class Cost(NamedTuple):
    """Seconds of one run."""

    wall: float
    cpu: float


def ours(url: str, path: str, *more: str) -> list[str]:
    """The command line of ``initkit git``."""
    return [sys.executable, "-m", "initkit", "git", url, path, "--ref", "main", "--log-level", "error", *more]


def measure(commands: Sequence[Sequence[str]], tree: str = ROOT) -> Cost:
    """Run programs one after another."""
    environment = _environment(tree)
    wall = cpu = 0.0
    with tempfile.TemporaryFile("w+") as log:
        for command in commands:
            began = time.perf_counter()
            child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            _, status, usage = os.wait4(child.pid, 0)
            wall += time.perf_counter() - began
            cpu += usage.ru_utime + usage.ru_stime
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                log.seek(0)
                raise SystemExit(f"{' '.join(command)[:200]} ended with {child.returncode}: {log.read()[-1000:]}")
    return Cost(wall, cpu)


def peak(command: Sequence[str], tree: str = ROOT) -> float:
    """MiB that a program itself needs at most, without its children: the last VmHWM that is seen, every millisecond."""
    child = subprocess.Popen(command, env=_environment(tree), stdin=subprocess.DEVNULL)
    highest = 0
    while child.poll() is None:
        with suppress(OSError), open(f"/proc/{child.pid}/status", encoding="utf-8") as file:
            highest = max([highest, *(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))])
        time.sleep(0.001)
    return highest / 1024


def _environment(tree: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("INITKIT_", "GIT_"))}
    chosen = {name: text for name, text in kept.items() if name not in _SLOWING}
    return chosen | {"PYTHONPATH": tree, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
