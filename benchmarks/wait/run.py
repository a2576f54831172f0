"""How late, how cheaply and how modestly `initkit wait` waits, next to its peers in the same run.

    python benchmarks/wait/run.py [--quick] [--rounds N] [--alone] [PART...]

Every figure is a median; programs take turns. README.md says what each part measures, and what was measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from typing import TYPE_CHECKING

from children import Child, environment, pause
from parts import EVENTS, Setting, cold, idle, lags, many
from ports import Port
from programs import find
from table import Row, show

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, tuple[str, Callable[[Setting], list[Row]]]] = {
    "cold": ("A port that is open already", cold),
    "lag": (
        "A port opens at a random moment after 3 s",
        lambda setting: lags(setting, 3.0, {"tcp": (60, 150), "http": (60, 150)}),
    ),
    "late": (
        "A port opens at a random moment after 30 s",
        # pauses are long by then, and with them what chance does to a median
        lambda setting: lags(
            setting._replace(rounds=3 * setting.rounds), 30.0, {"tcp": (180, None), "http": (320, None)}
        ),
    ),
    "idle": ("Ten closed ports, for 20 s", idle),
    "many": ("1,000 targets in one call", many),
}


def main() -> None:
    """Measure what was asked for, part by part, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", metavar="PART", nargs="*", help=f"{', '.join(PARTS)}; all of them when none is named")
    parser.add_argument("--rounds", type=int, default=15, help="how many figures each median is of (default: 15)")
    parser.add_argument("--quick", action="store_true", help="three rounds, to see that it works")
    parser.add_argument("--alone", action="store_true", help="one trial at a time, where they would otherwise overlap")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"expected parts of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        programs, missing = find(folder)
        env = environment(os.path.join(folder, "compiled"))
        setting = Setting(programs, env, 3 if asked.quick else max(1, asked.rounds), asked.alone)
        load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
        print(*missing, f"{setting.rounds} rounds on {os.cpu_count()} cores; load before: {load}", sep="\n", flush=True)
        _compile(setting)
        for name in asked.parts or PARTS:
            title, part = PARTS[name]
            if rows := part(setting):
                show(f"{name}: {title}", rows)


def _compile(setting: Setting) -> None:
    """Have everything compiled, as it is in an image: what a first look needs, and what waiting does."""
    ours = setting.programs[0]
    for scheme in ours.schemes:
        for events in ({}, EVENTS):
            with Port(scheme) as port, Child(ours.command([port.url]), {**setting.env, **events}) as child:
                pause(1)
                port.open()
                child.wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
