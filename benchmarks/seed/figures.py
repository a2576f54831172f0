"""The options and the tables that these benchmarks share."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from typing import TYPE_CHECKING

from programs import ROOT, Cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# PostgreSQL for a benchmark is started there
sys.path.append(os.path.join(ROOT, "benchmarks", "migrate"))


def options(text: str) -> argparse.ArgumentParser:
    """Those that all of them have."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--folder", help="where files are kept for another time; by default they are not")
    parser.add_argument("--tree", default=ROOT, help="whose initkit is measured (default: this one's)")
    return parser


def timed(text: str) -> argparse.ArgumentParser:
    """The same, and those of comparisons of time."""
    parser = options(text)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of a file (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=7, help="of which medians are told (default: 7)")
    return parser


def circumstances(rows: int) -> str:
    """What figures depend on."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{rows:,} rows; Python {sys.version.split()[0]}; {os.cpu_count()} cores; load before: {load}"


def show(runs: Mapping[str, Sequence[Cost]], base: str, aims: Mapping[str, float]) -> None:
    """A table: medians, and the median of what each run is as a multiple of the base's in the same round."""
    print(f"{'':34} {'wall s':>8} {'CPU s':>8} {'x base':>7}  (min to max)   {'aim':>5}")
    for name, costs in runs.items():
        wall, cpu = (statistics.median(cost[part] for cost in costs) for part in (0, 1))
        ratios = [one.wall / other.wall for one, other in zip(costs, runs[base], strict=True)]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        aim = f"{aims[name]:5.2f}" if name in aims else ""
        print(f"{name:34} {wall:8.3f} {cpu:8.3f} {statistics.median(ratios):7.2f}  {spread:14} {aim}".rstrip())
