"""Others work in the tree meanwhile: replicas, neighbours with no good in mind, and a kubelet that kills."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import signal
import stat
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_need import need
from fix_perms import Told, command, snapshot

from initkit.core.assemble import assemble
from initkit.core.outcome import Pending, Satisfied
from initkit.steps.perms.roots import opened
from initkit.steps.perms.rules import Wanted
from initkit.steps.perms.settle import Vanished, settle
from initkit.steps.perms.step import STEP
from initkit.steps.perms.tally import Tally
from initkit.steps.perms.walk import Entry, Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_EXCHANGE = 2
_AT_FDCWD = -100


def exchange(one: Path, other: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE))


@contextlib.contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Have `act` done over and over in another thread."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def fill(volume: Path, folders: int, files: int) -> None:
    for folder in range(folders):
        (volume / f"{folder}").mkdir(mode=0o755)
        for file in range(files):
            os.close(os.open(volume / f"{folder}/{file}", os.O_CREAT | os.O_WRONLY, 0o644))


def settings(volume: Path) -> list[dict[str, object]]:
    """Two to go back and forth between; as root with owners."""
    one: dict[str, object] = {"paths": [str(volume)], "file-mode": "0640", "dir-mode": "2750"}
    other: dict[str, object] = {"paths": [str(volume)], "file-mode": "u=rwX,go=rX", "dir-mode": "0755"}
    return [one | {"owner": "1:2"}, other | {"owner": "3:4"}] if os.geteuid() == 0 else [one, other]


def test_a_neighbour_who_swaps_folders_for_links_leads_nobody_out_of_the_tree(volume: Path) -> None:
    outside = volume.parent / "outside"
    fill(volume, 6, 10)
    outside.mkdir()
    fill(outside, 1, 20)
    bait = volume.parent / "bait"
    bait.symlink_to(outside / "0")
    need(exchange(bait, volume / "3") == 0 and exchange(bait, volume / "3") == 0, "renameat2 with RENAME_EXCHANGE")
    before = snapshot(outside)
    with meanwhile(lambda: exchange(bait, volume / "3")):
        for number in range(40):
            step = assemble(STEP, settings(volume)[number % 2])
            step.check(make_context())
            step.apply(make_context())
    assert snapshot(outside) == before


def test_entries_that_come_and_go_are_no_errors(volume: Path) -> None:
    fill(volume, 5, 20)
    turns = iter(range(10**9))

    def stir() -> None:
        name = volume / f"{next(turns) % 5}/x"
        name.mkdir()
        (name / "y").touch()
        (name / "y").unlink()
        name.rmdir()
        name.touch()
        name.unlink()

    step = [assemble(STEP, given) for given in settings(volume)]
    with meanwhile(stir):
        for number in range(40):
            step[number % 2].apply(make_context())
            assert isinstance(step[number % 2].check(make_context()), Satisfied | Pending)
    step[1].apply(make_context())
    assert isinstance(step[1].check(make_context()), Satisfied)


def test_what_has_become_something_else_is_not_touched(tree: Path) -> None:
    folder = os.open(tree, os.O_PATH)
    try:
        entry = Entry("readme", "readme", folder, -1, (tree / "readme").lstat())
        before = snapshot(tree)
        (tree / "readme").rename(tree / "gone")
        with pytest.raises(Vanished):
            settle(entry, Wanted())
        (tree / "readme").symlink_to("gone")
        with pytest.raises(Vanished):
            settle(entry, Wanted())
        (tree / "readme").unlink()
        os.mkfifo(tree / "readme")
        with pytest.raises(Vanished):
            settle(entry, Wanted())
        assert stat.S_IMODE((tree / "gone").stat().st_mode) == 0o644
        assert len(snapshot(tree)) == len(before) + 1
    finally:
        os.close(folder)


def test_a_folder_that_is_moved_away_while_the_walk_is_deep_in_it(volume: Path) -> None:
    inside = volume / "a"
    deep = inside / "/".join(["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (volume / "beside").mkdir()
    away = volume.parent / "away"
    away.mkdir()
    tally = Tally()
    before = len(os.listdir("/proc/self/fd"))
    with opened([str(volume)]) as [root]:
        seen = []
        for entry in Walk(root, tally).entries():
            seen.append(entry.path)
            if entry.name == "file":
                (inside / "d/d/d").rename(away / "d")
    assert len(os.listdir("/proc/self/fd")) == before
    assert seen[-1] == ""
    assert "beside" in seen
    assert "a/d/d" not in seen
    assert tally.vanished > 0
    assert tally.failures == {}


def test_replicas_side_by_side_all_succeed(volume: Path) -> None:
    fill(volume, 10, 100)
    given = settings(volume)[0]
    replicas = [
        subprocess.Popen(
            command(given), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    told = []
    for replica in replicas:
        assert replica.stdin is not None
        replica.stdin.write("check\n")
        replica.stdin.flush()
    for replica in replicas:
        assert replica.stdout is not None
        assert Told(**json.loads(replica.stdout.readline())).kind in {"Pending", "Satisfied"}
    for replica in replicas:
        assert replica.stdin is not None
        replica.stdin.write("apply\n")
        replica.stdin.flush()
    for replica in replicas:
        out, err = replica.communicate(timeout=60)
        assert err == ""
        told.append(Told(**json.loads(out)))
    assert {one.kind for one in told} <= {"changed", "ok"}
    assert isinstance(assemble(STEP, given).check(make_context()), Satisfied)


def test_killed_at_any_instant_the_next_run_finishes_it(volume: Path) -> None:
    fill(volume, 10, 60)
    chance = random.Random(6)
    halfway = 0
    for number in range(20):
        given = settings(volume)[number % 2]
        with subprocess.Popen(command(given), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("check\napply\n")
            child.stdin.flush()
            child.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            child.send_signal(signal.SIGKILL)
        found = assemble(STEP, given).check(make_context())
        if isinstance(found, Pending):
            # the root comes last: what is half done never looks done from above
            assert found.changes[-1].startswith((f"{volume}: ", "and "))
            halfway += found.facts["changed"] != found.facts["seen"]
            assemble(STEP, given).apply(make_context())
        assert isinstance(assemble(STEP, given).check(make_context()), Satisfied)
    assert halfway > 0
