"""Killed at any instant: nothing is left running, nothing more open than before and after; the next run finishes it."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest
from fix_clock import make_context
from fix_perms import LOADED, fill, import_places, to_and_fro

from initkit.core.assemble import assemble
from initkit.core.outcome import Pending, Satisfied
from initkit.steps.perms.step import STEP
from initkit.steps.perms.walking.cores import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_KILLS = 50  # of each kind
_FOLDERS, _FILES = 40, 50


class State(NamedTuple):
    """Of an entry."""

    mode: int
    uid: int
    gid: int


Found = dict[str, State]
# Whoever is left over by a walk becomes a child of this process: it sees whether all of them end.
_SUBREAPER = f"""{LOADED}
import ctypes, select, signal, time, traceback
from initkit.steps.perms.walking import crew
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
worth = int(sys.argv[2])
if worth:
    crew._WORTH = worth
else:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
def walk(given):
    os.setpgid(0, 0)
    try:
        assemble(STEP, given).apply(make_context())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
for line in sys.stdin:
    given, seconds, whole_group = json.loads(line)
    child = os.fork()
    if not child:
        walk(given)
    try:
        os.setpgid(child, child)
    except OSError:
        pass  # it has done it
    ended = os.pidfd_open(child)
    select.select([ended], [], [], seconds)
    os.close(ended)
    (os.killpg if whole_group else os.kill)(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left, alive, until = 0, True, time.monotonic() + 10
    while alive and time.monotonic() < until:
        try:
            left += os.waitpid(-1, os.WNOHANG)[0] != 0
        except ChildProcessError:
            alive = False
        else:
            time.sleep(0.001)
    print(json.dumps([code, left, alive]), flush=True)
"""


class End(NamedTuple):
    """Of one walk.

    Attributes:
        code: its exit code; -9 where it was killed.
        left: processes that it left behind and that ended by themselves.
        alive: whether one of them is still there after 10 seconds.
    """

    code: int
    left: int
    alive: bool


@contextmanager
def subreaper(worth: int) -> Iterator[Callable[..., End]]:
    """Asks for a walk in a process of its own that is killed after so many seconds, alone or with its group.

    It has others help it after `worth` entries; with 0 it is alone.
    """
    program = [sys.executable, "-c", _SUBREAPER, import_places(), str(worth)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

        def walk(given: dict[str, object], seconds: float = 60.0, *, whole_group: bool = False) -> End:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(json.dumps([given, seconds, whole_group]) + "\n")
            child.stdin.flush()
            return End(*json.loads(child.stdout.readline()))

        yield walk


def found_in(volume: Path) -> Found:
    """Mode, owner and group of all entries."""
    found = {"": State(*volume.lstat()[:1], *volume.lstat()[4:6])}
    folders = [""]
    for folder in folders:
        with os.scandir(volume / folder) as listing:
            for item in listing:
                path = os.path.join(folder, item.name)
                one = item.stat(follow_symlinks=False)
                found[path] = State(one.st_mode, one.st_uid, one.st_gid)
                if stat.S_ISDIR(one.st_mode):
                    folders.append(path)
    return found


@cache
def between(one: State, other: State) -> set[State]:
    """What an entry may be seen as on its way: with either owner, and no more than both modes have in common.

    The execute bits may stay, for a symbolic mode reads them.
    """
    shared = one.mode & other.mode
    narrowed = [shared, shared | one.mode & 0o111, shared | other.mode & 0o111]
    return {one, other} | {State(mode, *ids) for mode in narrowed for ids in (one[1:], other[1:])}


class Trial:
    """A tree that goes to and fro between two states, by walks that are killed."""

    def __init__(self, volume: Path, walk: Callable[..., End]) -> None:
        self._volume = volume
        self._walk = walk
        self._both = to_and_fro(volume)
        self._ends: list[Found] = []
        for given in self._both:
            began = time.monotonic()
            assert walk(given) == (0, 0, False)
            self._lasts = time.monotonic() - began
            self._ends.append(found_in(volume))
        self._chance = random.Random(6)
        self.kills = self.halfway = self.left = 0

    def run(self, number: int) -> None:
        """Walk to one of the two states, and be killed up to five times."""
        given, there, before = self._both[number], self._ends[number], self._ends[1 - number]
        for go in range(5):
            began = time.monotonic()
            end = self._walk(given, self._chance.uniform(0, self._lasts), whole_group=self.kills % 2 == 0)
            took = time.monotonic() - began
            now = found_in(self._volume)
            assert not end.alive
            assert end.code in {0, -signal.SIGKILL}
            assert [path for path, one in now.items() if one not in between(there[path], before[path])] == []
            assert now == there or now[""] != there[""]  # the root comes last: half done never looks done from above
            self.kills += end.code != 0
            self.halfway += now not in self._ends
            self.left += end.left
            if end.code == 0:
                if not go:  # a whole walk: the machine may be less busy than it was
                    self._lasts = took
                break
        step = assemble(STEP, given)
        if now != there:  # one more run is enough
            assert isinstance(step.check(make_context()), Pending)
            step.apply(make_context())
            assert found_in(self._volume) == there
        assert isinstance(step.check(make_context()), Satisfied)


@pytest.mark.parametrize("worth", [0, 500], ids=["alone", "together"])
def test_killed_at_any_instant_it_leaves_nothing_running_and_the_next_run_finishes_it(volume: Path, worth: int) -> None:
    fill(volume, _FOLDERS, _FILES)
    with subreaper(worth) as walk:
        trial = Trial(volume, walk)
        turn = 0
        while trial.kills < _KILLS:
            trial.run(turn % 2)
            turn += 1
    assert trial.halfway > _KILLS / 4
    assert worth == 0 or trial.left > 0 or cores() == 1
