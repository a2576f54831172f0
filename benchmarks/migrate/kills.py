"""SIGKILLs at random instants of a migration; after each it is started again, and must come to the same end.

    python benchmarks/migrate/kills.py [--kills 200] [--seed N] [--server wheel|debian|URL] [--engine NAME]...

The instants are spread over the time that an undisturbed run takes, start-up included. Half of the kills hit the
program with all its children, half the program alone. What is started again may be killed again, until one run gets to
its end.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from project import chain, write_alembic, write_sql
from runs import Run, environment, ours
from server import serving
from verdict import gone_after, is_half_made, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from project import Revision
    from server import Server

_SETTLED = 5.0  # seconds after which nothing may be left
_LOOKED_AT = 4  # each so many'th kill is followed by a look at what is left, before the next start
ENGINES = ("alembic", "alembic, a transaction each", "sql")


@dataclass
class Tally:
    """What was seen so far."""

    kills: int = 0
    with_children: int = 0
    half_made: int = 0
    ended: int = 0
    lasting: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """One engine's project, and what an undisturbed run of it takes and makes."""

    server: Server
    folder: str
    revisions: list[Revision]
    alembic: bool
    seconds: float
    schema: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="of each engine")
    parser.add_argument("--revisions", type=int, default=30)
    parser.add_argument("--alone-every", type=int, default=4, help="each so many'th makes an index CONCURRENTLY")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--server", default="wheel", help="wheel, debian, or the URL of one")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this one")
    asked = parser.parse_args()
    revisions = chain(asked.revisions, alone_every=asked.alone_every, seconds=0.05)
    with serving(asked.server) as server, tempfile.TemporaryDirectory() as folder:
        lone = sum(one.alone for one in revisions)
        print(f"{server.version}; {asked.kills} kills each, {len(revisions)} revisions, {lone} of them CONCURRENTLY;")
        print(f"seed {asked.seed}; {os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}", flush=True)
        for engine in asked.engine or ENGINES:
            path = _written(os.path.join(folder, str(ENGINES.index(engine))), revisions, engine)
            trial = _undisturbed(server, path, revisions, alembic=engine != "sql")
            if trial is None:
                continue
            chance = random.Random(asked.seed)  # noqa: S311 - no cryptography
            _show(engine, trial, _all_kills(trial, asked.kills, chance))


def _written(folder: str, revisions: list[Revision], engine: str) -> str:
    if engine == "sql":
        return write_sql(folder, revisions)
    return write_alembic(folder, revisions, each_by_itself=engine != ENGINES[0])


def _undisturbed(server: Server, folder: str, revisions: list[Revision], *, alembic: bool) -> Trial | None:
    """The shortest of three: what comes after a run's end hits nothing."""
    trials = [_once(server, folder, revisions, alembic=alembic) for _ in range(3)]
    return min((trial for trial in trials if trial), key=lambda trial: trial.seconds, default=None)


def _once(server: Server, folder: str, revisions: list[Revision], *, alembic: bool) -> Trial | None:
    with server.database("undisturbed") as url:
        began = time.monotonic()
        with Run(ours(folder), environment(url)) as run:
            code, seconds = run.code(), time.monotonic() - began
            wrong = problems(url, revisions, alembic=alembic)
            if code:
                print(f"WRONG: an undisturbed run ended with {code}: {run.words()[-700:]}")
                return None
        if wrong:
            print(f"WRONG in an undisturbed run: {wrong}")
        return Trial(server, folder, revisions, alembic, seconds, server.schema(url))


def _instants(chance: random.Random, count: int, length: float) -> list[float]:
    """One in each of `count` equal parts of `length`, in any order."""
    instants = [(number + chance.random()) / count * length for number in range(count)]
    chance.shuffle(instants)
    return instants


def _all_kills(trial: Trial, kills: int, chance: random.Random) -> Tally:
    """Spend as many instants as it takes; those that come after a run's end are drawn anew."""
    tally = Tally()
    while tally.kills < kills:
        instants = iter(_instants(chance, kills - tally.kills, trial.seconds))
        for instant in instants:
            with trial.server.database("kills") as url:
                _until_it_ends(trial, url, instant, instants, tally)
            _progress(tally, kills)
    return tally


def _until_it_ends(trial: Trial, url: str, instant: float | None, instants: Iterator[float], tally: Tally) -> None:
    """Kill and start again; where the instants are used up, the last run goes on to its end."""
    env = environment(url)
    while True:
        with ExitStack() as stack:
            run = stack.enter_context(Run(ours(trial.folder), env))
            if instant is None or run.ends_within(instant):
                _judge(trial, url, run, tally)
                return
            children = tally.kills % 2 == 0
            if not run.kill(children=children):
                _judge(trial, url, run, tally)
                return
            tally.kills += 1
            tally.with_children += children
            tally.half_made += is_half_made(url)
            if tally.kills % _LOOKED_AT in {0, 1}:  # of both ways to kill
                _look(url, f"kill {tally.kills} ({'with' if children else 'without'} children)", tally)
        instant = next(instants, None)


def _judge(trial: Trial, url: str, run: Run, tally: Tally) -> None:
    """A run has ended by itself."""
    tally.ended += 1
    if code := run.code():
        tally.wrong.append(f"after kill {tally.kills}: exit {code}: {run.words().strip()[-1500:]}")
        return
    tally.wrong += [f"after kill {tally.kills}: {one}" for one in problems(url, trial.revisions, alembic=trial.alembic)]
    _look(url, f"the end after kill {tally.kills}", tally)
    if trial.server.schema(url) != trial.schema:
        tally.wrong.append(f"after kill {tally.kills}: another schema than that of an undisturbed run")


def _look(url: str, when: str, tally: Tally) -> None:
    seconds, rest = gone_after(url, _SETTLED)
    tally.lasting.append(seconds)
    tally.wrong += [f"{_SETTLED:.0f} s after {when}: {one}" for one in rest]


def _progress(tally: Tally, kills: int) -> None:
    if os.isatty(1):
        print(f"\r{tally.kills}/{kills} kills, {len(tally.wrong)} wrong", end="\r", flush=True)


def _show(engine: str, trial: Trial, tally: Tally) -> None:
    print(f"\n{engine}: an undisturbed run takes {trial.seconds:.2f} s")
    print(f"  {tally.kills} kills, {tally.with_children} with all children, {tally.half_made} left an index half made;")
    print(f"  {tally.ended} databases came to an end")
    print(f"  nothing left: at the latest after {max(tally.lasting):.2f} s ({len(tally.lasting)} looks)")
    print(f"  wrong: {len(tally.wrong)}")
    for one in tally.wrong[:20]:
        print("    " + one.replace("\n", "\n      "))


if __name__ == "__main__":
    main()
