"""How fast `initkit perms` is next to `chown -R` and `find -exec chown`, and what a restart costs.

    python benchmarks/perms/speed.py [--files 200000] [--wide 1000000] [--rounds 5] [--part NAME]...

All run by turns, as root. Told is a multiple of the time of `chown -R`, or of `import click`, in the same round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import figures
import trees
from programs import CLICK, Cost, measure, others, ours

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = "chown -R"
OURS = "initkit perms"
AIMS = {True: {0: 1.0, 1: 1.8}, False: {0: 0.55, 1: 0.9}}  # whether something changes; cores held to
AIM_RESTART = 1.5
_A_FOLDER = 40  # files
_SMALL = (1, 100, 2_000, 10_000)
_OFTEN = 4  # times as many rounds where a run is short
_WORK = (
    ("nothing to change", False, False),
    ("all is root's and given away", True, True),
    ("all goes from one user to another", True, False),
)
_HELD = {0: "all cores", 1: "held to one core"}


class Bench(NamedTuple):
    """What is measured on: where trees are, whose initkit, and how often."""

    place: str
    tree: str
    files: int
    wide: int
    rounds: int


class Owned:
    """A tree, and who owns all of it just now."""

    def __init__(self, path: str, tree: str) -> None:
        self.path = path
        self._tree = tree
        self._owner = 1
        measure(ours(path, 1), tree)

    def task(self, name: str, *, changes: bool, cores: int, from_root: bool = False) -> Callable[[], Cost]:
        """One program: what it changes are all owners and groups, or none; before it, all may be given to root."""
        program = others().get(name)

        def run() -> Cost:
            if from_root:
                measure(others()[BASE](self.path, 0), self._tree)
            elif changes:
                self._owner = 3 - self._owner
            command = program(self.path, self._owner) if program else ours(self.path, self._owner)
            return measure(command, self._tree, cores=cores)

        return run

    def look(self) -> None:
        """Tell what is not as it must be."""
        if found := trees.wrong(self.path, self._owner):
            print(f"WRONG: {found} entries of {self.path} have another owner")


def main() -> None:
    """Measure and print."""
    parts = {"spread": _spread, "wide": _wide, "small": _small, "restart": _restart}
    parser = figures.options(__doc__ or "")
    parser.add_argument("--files", type=int, default=200_000, help=f"{_A_FOLDER} in each folder (default: 200,000)")
    parser.add_argument("--rounds", type=int, default=5, help="of which medians are told (default: 5)")
    parser.add_argument("--part", action="append", choices=list(parts), help="only this one")
    asked = parser.parse_args()
    with figures.place(asked.folder) as place:
        print(figures.circumstances())
        bench = Bench(place, asked.tree, asked.files, asked.wide, asked.rounds)
        for part in asked.part or parts:
            parts[part](bench)


def _spread(bench: Bench) -> None:
    folders = max(1, bench.files // _A_FOLDER)
    path = trees.spread(bench.place, bench.files, folders)
    _compare(bench, path, f"{trees.files(bench.files)} in {folders:,} folders")


def _wide(bench: Bench) -> None:
    _compare(bench, trees.wide(bench.place, bench.wide), f"{trees.files(bench.wide)} in one folder")


def _compare(bench: Bench, path: str, what: str) -> None:
    """All programs, with nothing to change and with everything, on all cores and on one."""
    owned = Owned(path, bench.tree)
    for title, changes, from_root in _WORK:
        for cores, held in _HELD.items():
            tasks = {
                name: owned.task(name, changes=changes, cores=cores, from_root=from_root) for name in (*others(), OURS)
            }
            runs = figures.rounds(tasks, bench.rounds)
            figures.show(f"{what}; {title}; {held}", runs, BASE, {OURS: AIMS[changes][cores]})
            owned.look()


def _small(bench: Bench) -> None:
    """Where others would not be worth their start, ours on all cores is ours on one."""
    one = f"{OURS}, {_HELD[1]}"
    for files in _SMALL:
        owned = Owned(trees.spread(bench.place, files, max(1, files // _A_FOLDER)), bench.tree)
        for changes in (False, True):
            tasks = {
                one: owned.task(OURS, changes=changes, cores=1),
                f"{OURS}, {_HELD[0]}": owned.task(OURS, changes=changes, cores=0),
                BASE: owned.task(BASE, changes=changes, cores=0),
            }
            runs = figures.rounds(tasks, bench.rounds * _OFTEN)
            figures.show(f"{trees.files(files)}; {'all change' if changes else 'nothing to change'}", runs, one, {})
        owned.look()


def _restart(bench: Bench) -> None:
    """A pod's restart, the volume being right: whatever its size, it costs what one stat does."""
    base = "python -c 'import click'"
    aims = {}
    tasks: dict[str, Callable[[], Cost]] = {base: lambda: measure(CLICK, bench.tree)}
    for files in (1, bench.files):
        path = trees.spread(bench.place, files, max(1, files // _A_FOLDER))
        for policy in ("on-root-mismatch", "stamp"):
            name = f"{policy}, {trees.files(files)}"
            command = ours(path, 1, "--dir-mode", "0755", "--policy", policy)
            measure(command, bench.tree)
            tasks[name] = lambda command=command: measure(command, bench.tree)  # type: ignore[misc]
            aims[name] = AIM_RESTART
    figures.show("a restart, nothing being wrong", figures.rounds(tasks, bench.rounds * _OFTEN), base, aims)


if __name__ == "__main__":
    main()
