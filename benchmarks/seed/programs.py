"""Programs under measurement: their command lines, and what one run of each costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_STEERING = ("INITKIT_", "PG", "DATABASE_")
_SLOWING = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
_LOOKED = 0.02  # seconds between two looks at a child's memory

HASH = """
import hashlib, sys, psycopg
with psycopg.connect(sys.argv[1]) as connection, open(sys.argv[2], "rb") as file:
    connection.execute("select 1").fetchone()
    print(hashlib.file_digest(file, "sha256").hexdigest())
"""
ROW_WISE = """
import csv, sys, psycopg
with psycopg.connect(sys.argv[1]) as connection, open(sys.argv[2], newline="") as file:
    found = csv.reader(file)
    columns = next(found)
    connection.cursor().executemany(
        f"insert into users ({', '.join(columns)}) values ({', '.join(['%s'] * len(columns))})",
        ([text or None for text in row] for row in found),
    )
"""


class Cost(NamedTuple):
    """Of one run: seconds, and the peak of its memory in MiB, as the kernel tells it at the end and meanwhile."""

    wall: float
    cpu: float
    peak: float
    seen: float


def environment(tree: str = ROOT) -> dict[str, str]:
    """Nothing in it steers a program or slows it down."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_STEERING) and name not in _SLOWING}
    return {**kept, "PYTHONPATH": tree}


def ours(path: str, url: str, *more: str) -> list[str]:
    """The command line of ``initkit seed``."""
    return [sys.executable, "-m", "initkit", "seed", path, "--url", url, *more]


def python(script: str, *words: str) -> list[str]:
    """A script of a few lines."""
    return [sys.executable, "-c", script, *words]


def measure(command: Sequence[str], tree: str = ROOT, *, stdin: str | None = None, watched: bool = False) -> Cost:
    """Run it once, in an empty folder; with `stdin` it is told that much.

    Looking at its memory all the time would cost others their time: `watched` is for memory only.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        source = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed below
        source.write(stdin or "")
        source.seek(0)
        began = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, env=environment(tree), stdin=source, stdout=log, stderr=subprocess.STDOUT
        )
        seen = _watch(child.pid) if watched else 0.0
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        source.close()
        log.seek(0)
        words = log.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {child.returncode}: {words[-1000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, seen)


def _watch(pid: int) -> float:
    """The highest VmHWM that is seen until the program ends.

    What the kernel tells at the end may be what the parent had when the child was made of it.
    """
    highest = 0.0
    while True:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file)
        if "VmHWM" not in fields:
            return highest
        highest = max(highest, int(fields["VmHWM"].split()[0]) / 1024)
        time.sleep(_LOOKED)
