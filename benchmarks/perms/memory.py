"""How much memory `initkit perms` takes, together with all that it starts, on a wide folder and on a deep tree.

    python benchmarks/perms/memory.py [--wide 1000000] [--depth 10000]

Told is the sum of the peaks of all its processes (VmHWM, seen every 5 ms), though they need not be at one time.
"""

from __future__ import annotations

import figures
import trees
from programs import measure, ours

AIM = 64.0  # MiB
_DIFFERS = 3  # the exit code of --check where something would change


def main() -> None:
    """Measure and print."""
    parser = figures.options(__doc__ or "")
    parser.add_argument("--depth", type=int, default=10_000, help="folders within one another (default: 10,000)")
    asked = parser.parse_args()
    with figures.place(asked.folder) as place:
        print(f"{figures.circumstances()}; aim: {AIM:.0f} MiB")
        print(f"{'':40} {'':20} {'cores':>6} {'MiB':>7} {'wall s':>8}")
        _measure(f"{trees.files(asked.wide)} in one folder", trees.wide(place, asked.wide), asked.tree)
        _measure(f"a depth of {asked.depth:,}", trees.deep(place, asked.depth), asked.tree)


def _measure(what: str, path: str, tree: str) -> None:
    measure(ours(path, 1), tree)
    owner = 1
    for cores in (0, 1):
        _show(f"{what:40} {'nothing to change':20}", ours(path, owner), tree, cores)
        owner = 3 - owner
        _show(f"{what:40} {'--check, all differ':20}", ours(path, owner, "--check"), tree, cores, expected=_DIFFERS)
        _show(f"{what:40} {'all change':20}", ours(path, owner), tree, cores)


def _show(what: str, command: list[str], tree: str, cores: int, expected: int = 0) -> None:
    cost = measure(command, tree, cores=cores, watched=True, expected=expected)
    verdict = "" if cost.peak <= AIM else "  MORE THAN WANTED"
    print(f"{what} {cores or 'all':>6} {cost.peak:7.1f} {cost.wall:8.2f}{verdict}", flush=True)


if __name__ == "__main__":
    main()
