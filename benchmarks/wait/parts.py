"""What is measured: each part gives its title and its rows of the table."""

from __future__ import annotations

import contextlib
import random
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from children import Child, Used, give_up, measure, pause
from ports import Port
from programs import OURS, Program
from table import Row, median_and_longest, medians

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
_SPREAD = 2.0  # seconds over which the moment of opening is left to chance: twice the longest pause of any program
_STARTED = 2.0  # seconds after which a program surely waits
_DESCRIPTORS = 1100  # a thousand ports, and what else there is
_CLICK, _IMPORT_CLICK = "python: click", [sys.executable, "-c", "import click"]
EVENTS = {"INITKIT_LOG_FORMAT": "json"}


class Setting(NamedTuple):
    """How a run measures.

    Attributes:
        programs: ours and its peers.
        env: for children.
        rounds: how many figures each median is of.
        alone: one trial at a time, where they would otherwise overlap.
    """

    programs: Sequence[Program]
    env: Mapping[str, str]
    rounds: int
    alone: bool


def by_turns(setting: Setting, trials: Mapping[str, Callable[[], T]], gap: float | None) -> dict[str, list[T]]:
    """Each trial in its turn, round after round; `gap` seconds after the one before, or after its end where None."""
    with ThreadPoolExecutor(max_workers=len(trials) * setting.rounds) as pool:
        try:
            futures = []
            for name, trial in list(trials.items()) * setting.rounds:
                futures.append((name, pool.submit(trial)))
                if gap is None or setting.alone:
                    futures[-1][1].result()
                else:
                    pause(gap)
            runs: dict[str, list[T]] = {name: [] for name in trials}
            for name, future in futures:
                runs[name].append(future.result())
        except BaseException:
            give_up()
            raise
    return runs


class _Lag(NamedTuple):
    """Seconds from a port's opening until the program had ended, and until it said that it had noticed."""

    ended: float
    noticed: float | None


def _lag(program: Program, scheme: str, after: float, env: Mapping[str, str]) -> _Lag:
    with Port(scheme) as port, Child(program.command([port.url]), {**env, **EVENTS}) as child:
        pause(after + random.uniform(0, _SPREAD))  # noqa: S311 - no cryptography
        opened = port.open()
        ended = child.wait() - opened.monotonic
        found = child.found_at()
        return _Lag(ended, found[0] - opened.wall if found else None)


def lags(setting: Setting, after: float, aims: Mapping[str, tuple[float, float | None]]) -> list[Row]:
    """Detection lag where a port opens at a random moment after `after` seconds; the aims are in milliseconds."""
    trials = {
        f"{scheme} {program.name}": partial(_lag, program, scheme, after, setting.env)
        for program in setting.programs
        for scheme in program.schemes
    }
    runs = by_turns(setting, trials, gap=1.0)
    rows = []
    for scheme, limits in aims.items():
        of_scheme = {name.partition(" ")[2]: some for name, some in runs.items() if name.startswith(f"{scheme} ")}
        ended = {name: [lag.ended for lag in some] for name, some in of_scheme.items()}
        rows += median_and_longest(f"{scheme}, until the program's end", ended, limits)
        rows.append(Row("    until it is noticed: median, ms", medians(_heard(of_scheme), float, 1000)))
    return rows


def cold(setting: Setting) -> list[Row]:
    """One look at an open port, next to Python by itself and with click."""
    with Port() as port:
        port.open()
        commands = {program.name: program.command([port.url]) for program in setting.programs}
        commands |= {"python: pass": [sys.executable, "-c", "pass"], _CLICK: _IMPORT_CLICK}
        trials = {name: partial(measure, words, setting.env) for name, words in commands.items()}
        runs: dict[str, list[Used]] = by_turns(setting, trials, gap=None)
    cpu = medians(runs, lambda used: used.cpu, 1000)
    memory = medians(runs, lambda used: used.memory)
    ratios = {name: figure / cpu[_CLICK] for name, figure in cpu.items()}
    return [
        Row("CPU, ms", cpu, digits=1),
        Row("    as a multiple of import click", ratios, 1.4, 2),
        Row("peak memory, MiB (8.5 is the least shown)", memory, 20.0, 1),
    ]


def _idle(program: Program, seconds: float, env: Mapping[str, str]) -> tuple[float, float]:
    """CPU seconds, in all and without the start."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(Port()).url for _ in range(10)]
        children = [stack.enter_context(Child(command, env)) for command in program.commands(urls)]
        pause(_STARTED)
        before = sum(child.cpu() for child in children)
        pause(seconds - _STARTED)
        waiting = sum(child.cpu() for child in children) - before
        for child in children:
            child.end()
        return sum(child.used.cpu for child in children), waiting


def idle(setting: Setting) -> list[Row]:
    """Ten closed ports, waited for in vain."""
    seconds = 20.0
    trials: dict[str, Callable[[], tuple[float, float]]] = {
        program.name: partial(_idle, program, seconds, setting.env) for program in setting.programs
    }
    gap = seconds / len(trials)
    trials[_CLICK] = lambda: (measure(_IMPORT_CLICK, setting.env).cpu, 0.0)
    runs = by_turns(setting, trials, gap)
    click = medians(runs, lambda run: run[0]).pop(_CLICK)
    del runs[_CLICK]
    return [
        Row("share of one core, %", medians(runs, lambda run: run[0], 100 / seconds), 2, 2),
        Row("    without the first 2 s", medians(runs, lambda run: run[1], 100 / (seconds - _STARTED)), digits=2),
        Row("    CPU as a multiple of import click", medians(runs, lambda run: run[0], 1 / click), digits=1),
    ]


class _Many(NamedTuple):
    """A thousand targets: peak MiB, and the share of one core while waiting; the seconds as in `_Lag`, of the last."""

    memory: float
    share: float
    ended: float
    noticed: float | None


def _many(program: Program, after: float, env: Mapping[str, str]) -> _Many:
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(Port()) for _ in range(1000)]
        child = stack.enter_context(Child(program.command([port.url for port in ports]), {**env, **EVENTS}))
        pause(_STARTED)
        before = child.cpu()
        chance = random.uniform(0, _SPREAD)  # noqa: S311 - no cryptography
        pause(after - _STARTED + chance)
        share = (child.cpu() - before) / (after - _STARTED + chance)
        opened = [port.open() for port in ports][-1]
        ended = child.wait() - opened.monotonic
        found = child.found_at()
        return _Many(child.used.memory, share, ended, max(found) - opened.wall if found else None)


def many(setting: Setting) -> list[Row]:
    """A thousand targets in one call, which all open at once: early, and when the pauses have grown."""
    rows = []
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < _DESCRIPTORS:
        print(f"going on without many: it needs {_DESCRIPTORS} open files, and the limit is {most}")
        return []
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for after in (5.0, 15.0):
        trials = {
            program.name: partial(_many, program, after, setting.env)
            for program in setting.programs
            if program.takes_many
        }
        runs = by_turns(setting, trials, gap=None)
        rows += median_and_longest(f"open after {after:.0f} s, until all are noticed", _heard(runs), (300, None))
        rows += [
            Row("    until the program's end: median, ms", medians(runs, lambda run: run.ended, 1000)),
            Row("    peak memory, MiB", medians(runs, lambda run: run.memory), 120),
            Row("    share of one core while waiting, %", medians(runs, lambda run: run.share, 100), digits=1),
        ]
    return rows


def _heard(runs: Mapping[str, Sequence[_Lag | _Many]]) -> dict[str, list[float]]:
    """When ours said that it had noticed; peers do not say so."""
    return {OURS: [run.noticed for run in runs[OURS] if run.noticed is not None]}
