"""The options, the rounds and the tables that these benchmarks share."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from programs import ROOT, Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Tasks = Mapping[str, Callable[[], Cost]]


def options(text: str) -> argparse.ArgumentParser:
    """Those that all of them have."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--wide", type=int, default=1_000_000, help="files in one folder (default: 1,000,000)")
    parser.add_argument("--folder", help="where trees are kept for another time; by default they are not")
    parser.add_argument("--tree", default=ROOT, help="whose initkit is measured (default: this one's)")
    return parser


@contextmanager
def place(folder: str | None) -> Iterator[str]:
    """Where the trees are."""
    if os.geteuid():
        raise SystemExit("cannot change owners: that takes root")
    if folder:
        os.makedirs(folder, exist_ok=True)
        yield folder
        return
    path = tempfile.mkdtemp(prefix="initkit-perms-")
    try:
        yield path
    finally:
        subprocess.run(["rm", "-rf", path], check=True)  # no depth is too much for it


def circumstances() -> str:
    """What figures depend on."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    return f"Python {sys.version.split()[0]}; Linux {os.uname().release}; {cores} cores; load before: {load}"


def rounds(tasks: Tasks, count: int) -> dict[str, list[Cost]]:
    """Everything by turns, each round beginning with another one."""
    for task in tasks.values():
        task()  # compiles, and brings the tree into memory
    runs: dict[str, list[Cost]] = {name: [] for name in tasks}
    names = list(tasks)
    for number in range(count):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            runs[name].append(tasks[name]())
    return runs


def show(title: str, runs: Mapping[str, Sequence[Cost]], base: str, aims: Mapping[str, float]) -> None:
    """A table: medians, and the median of what each run is as a multiple of the base's in the same round."""
    print(f"\n{title}")
    print(f"{'':40} {'wall s':>8} {'CPU s':>8} {'x base':>7}  (min to max)   {'aim':>5}")
    for name, costs in runs.items():
        wall, cpu = (statistics.median(cost[part] for cost in costs) for part in (0, 1))
        ratios = [one.wall / other.wall for one, other in zip(costs, runs[base], strict=True)]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        aim = f"{aims[name]:5.2f}" if name in aims else ""
        print(
            f"{name:40} {wall:8.3f} {cpu:8.3f} {statistics.median(ratios):7.2f}  {spread:14} {aim}".rstrip(), flush=True
        )
