"""How fast `initkit git` publishes, and how cheap nothing to do is, next to the `git` program alone.

    python benchmarks/git/speed.py [--files 10000] [--rounds 15] [--folder /dev/shm] [--over daemon|http]...

All run by turns. A one-time run is told as a multiple of `git init; git fetch --depth 1; git checkout` with the time of
`import click` taken off; a run that finds nothing to do as what is left of it after 1.5 times `import click`, as a
multiple of `git ls-remote`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from servers import SERVERS
from timing import CLICK, ROOT, Cost, measure, ours, peak

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Task = Callable[[], Cost]

AIM_ONCE, AIM_NOTHING, AIM_MEMORY = 1.08, 1.3, 25
_A_FOLDER = 100  # files
_TMPFS = "/dev/shm"  # noqa: S108 - what is made in it has a name of its own


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help=f"{_A_FOLDER} in each folder (default: 10,000)")
    parser.add_argument("--rounds", type=int, default=15, help="of which medians are told (default: 15)")
    parser.add_argument("--folder", default=_TMPFS, help="a folder on tmpfs, or creating files drowns all else")
    parser.add_argument("--over", action="append", choices=list(SERVERS), help="only this protocol")
    parser.add_argument("--tree", default=ROOT, help="whose initkit is measured (default: this one's)")
    asked = parser.parse_args()
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{git}; Python {sys.version.split()[0]}; {len(os.sched_getaffinity(0))} cores; load before: {load}")
    with tempfile.TemporaryDirectory(prefix="initkit-git-", dir=asked.folder) as place:
        origin = make_origin(os.path.join(place, "origin"), asked.files)
        for name in asked.over or SERVERS:
            with SERVERS[name](origin) as url:
                Bench(place, url, asked.tree, asked.rounds).run(f"{asked.files:,} files over {name}")


def make_origin(path: str, files: int) -> str:
    """A bare repository with so many files of about 2 KiB."""
    work = f"{path}.work"
    for number in range(files):
        folder = os.path.join(work, f"folder{number // _A_FOLDER:04}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"file{number:06}.txt"), "w", encoding="ascii") as file:
            file.write(f"{number}: " + os.urandom(512).hex() + "\n" * (number % 997))
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "all"], ["repack", "-adq"]):
        subprocess.run(
            ["git", "-c", "gc.auto=0", "-c", "maintenance.auto=false", *words],
            cwd=work,
            check=True,
            env=os.environ | identity,
        )
    os.rename(os.path.join(work, ".git"), path)
    shutil.rmtree(work)
    subprocess.run(["git", "config", "core.bare", "true"], cwd=path, check=True)
    return path


class Bench:
    """One server, and everything that is measured on it."""

    def __init__(self, place: str, url: str, tree: str, rounds: int) -> None:
        self._place = place
        self._url = url
        self._tree = tree
        self._rounds = rounds
        self._kept = os.path.join(place, "kept")

    def run(self, title: str) -> None:
        """Everything by turns, each round beginning with another one."""
        tasks: Mapping[str, Task] = {
            "import click": lambda: measure([CLICK], self._tree),
            "init, fetch, checkout": self._floor,
            "initkit git, the first time": self._once,
            "git ls-remote": lambda: measure([["git", "ls-remote", self._url, "refs/heads/main"]], self._tree),
            "initkit git, nothing to do": self._nothing,
        }
        for task in tasks.values():
            task()
        runs: dict[str, list[Cost]] = {name: [] for name in tasks}
        names = list(tasks)
        for number in range(self._rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                runs[name].append(tasks[name]())
        shutil.rmtree(self._kept, ignore_errors=True)
        show(title, runs)
        path = tempfile.mkdtemp(dir=self._place)
        print(f"  peak of initkit itself: {peak(ours(self._url, path), self._tree):.1f} MiB, aim {AIM_MEMORY}")
        shutil.rmtree(path)

    def _floor(self) -> Cost:
        path = tempfile.mkdtemp(dir=self._place)
        git = ["git", "-C", path]
        fetch = [*git, "fetch", "-q", "--depth", "1", self._url, "main"]
        cost = measure([[*git, "init", "-q"], fetch, [*git, "checkout", "-q", "FETCH_HEAD"]], self._tree)
        shutil.rmtree(path)
        return cost

    def _once(self) -> Cost:
        path = tempfile.mkdtemp(dir=self._place)
        cost = measure([ours(self._url, path)], self._tree)
        shutil.rmtree(path)
        return cost

    def _nothing(self) -> Cost:
        return measure([ours(self._url, self._kept)], self._tree)


def show(title: str, runs: Mapping[str, list[Cost]]) -> None:
    """A table of medians, and the ratios."""
    print(f"\n{title}")
    for name, costs in runs.items():
        wall, cpu = (statistics.median(cost[part] for cost in costs) for part in (0, 1))
        print(f"  {name:30} {wall * 1000:8.1f} ms  {cpu * 1000:8.1f} ms CPU")
    click, floor, once, remote, nothing = ([cost.wall for cost in costs] for costs in runs.values())
    ratio(
        "one-time, less import click, to the floor",
        AIM_ONCE,
        [(ours - start) / base for ours, start, base in zip(once, click, floor, strict=True)],
    )
    ratio(
        "nothing to do, less 1.5 x import click, to git ls-remote",
        AIM_NOTHING,
        [(ours - 1.5 * start) / base for ours, start, base in zip(nothing, click, remote, strict=True)],
    )
    ratio("nothing to do, to the floor", 0, [ours / base for ours, base in zip(nothing, floor, strict=True)])


def ratio(name: str, aim: float, found: list[float]) -> None:
    """The median, the least and the greatest."""
    text = f"  {name}: {statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
    print(text + (f", aim {aim:.2f}" if aim else ""), flush=True)


if __name__ == "__main__":
    main()
