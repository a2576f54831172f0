"""Neighbours work in the tree meanwhile, and mean to lead the walk out of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import stat
import struct
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context
from fix_need import need
from fix_neighbours import Move, exchanges, move, neighbour
from fix_perms import fill, held_to, need_root, perms, shared_from, snapshot, to_and_fro

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.steps.perms.step import STEP
from initkit.steps.perms.walking.changing import Changing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_FOLDERS, _FILES = 40, 60  # a walk takes tens of milliseconds
_SWAPPED = range(0, _FOLDERS, 4)
_DEEP = 80  # more than a walk holds open
_IN_OPEN = 0x20  # inotify(7)


@pytest.fixture
def outside(volume: Path) -> Path:
    """A folder beside the volume with the same names in it, of which nothing may change; the volume is filled too."""
    outside = volume.parent / "outside"
    outside.mkdir()
    for place in (volume, outside):
        fill(place, _FOLDERS, _FILES, mode=0o604)
        for folder in _SWAPPED:
            fill(place / f"{folder}", 0, 0)
            (place / f"{folder}/below").mkdir()
            fill(place / f"{folder}/below", 1, 5)
    bait = volume.parent / "bait"
    bait.mkdir()
    need(exchanges(volume / "0", volume / "1"), "renameat2(2) with RENAME_EXCHANGE")
    return outside


def owned(place: Path) -> dict[bytes, tuple[int, ...]]:
    """Owner, group and mode of what stays in a place where others come and go."""
    return {path: found[1:4] for path, found in snapshot(place).items()}


def walks(volume: Path, number: int) -> None:
    """So many times one to look and one to change, alone and with other processes by turns; each ends well."""
    steps = [assemble(STEP, given) for given in to_and_fro(volume)]
    for turn in range(number):
        step = steps[turn % 2]
        with held_to(1) if turn % 4 < 2 else shared_from(100):
            found = step.check(make_context(looking=True))
            done = step.apply(make_context())
        assert isinstance(found, Pending)
        assert (done.status, done.facts["failed"]) == (Status.CHANGED, 0)


def settles(volume: Path) -> None:
    """Alone again, one run is enough, and says so."""
    step = assemble(STEP, to_and_fro(volume)[1])
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


def unharmed(
    volume: Path, kept: Path, moves: Sequence[Move], number: int, *, of: Callable[[Path], object] = snapshot
) -> None:
    """So many walks while a neighbour makes these moves change nothing of what is kept, and then it settles."""
    before = of(kept)
    with neighbour(moves) as other:
        walks(volume, number)
    assert other.moves > 60
    assert of(kept) == before
    settles(volume)


def links_to(outside: Path, volume: Path) -> list[Move]:
    """Folders that change places with links to what has their names outside, at two depths."""
    moves = []
    for folder in _SWAPPED:
        for path in (f"{folder}", f"{folder}/below"):
            bait = volume.parent / "bait" / path.replace("/", "-")
            bait.symlink_to(outside / path)
            moves.append(move(volume / path, bait))
    return moves


def test_folders_that_change_places_with_links_lead_nobody_out_of_the_tree(volume: Path, outside: Path) -> None:
    unharmed(volume, outside, links_to(outside, volume), 32)


def test_files_that_change_places_with_links_and_fifos(volume: Path, outside: Path) -> None:
    moves = []
    for folder in _SWAPPED:
        for file in range(4):
            bait = volume.parent / "bait" / f"{folder}-{file}"
            if file % 2:
                bait.symlink_to(outside / f"{folder}/{file}")
            else:
                os.mkfifo(bait, 0o604)
            moves.append(move(volume / f"{folder}/{file}", bait))
    unharmed(volume, outside, moves, 12)


def test_files_that_change_places_with_hard_links_to_files_of_others(volume: Path, outside: Path) -> None:
    need_root()
    moves = []
    for folder in _SWAPPED:
        os.chown(volume / f"{folder}", 5, 5)  # who may not exchange anything in a folder of root's alone
        for file in range(8):
            bait = volume.parent / "bait" / f"{folder}-{file}"
            bait.hardlink_to(outside / f"{folder}/{file}")
            moves.append(move(volume / f"{folder}/{file}", bait))
    before = owned(outside)
    with neighbour(moves) as other:
        walks(volume, 12)
    assert other.moves > 60
    assert owned(outside) == before


def test_folders_that_become_files_and_back(volume: Path, outside: Path) -> None:
    moves = []
    for folder in _SWAPPED:
        (volume.parent / "bait" / f"{folder}").touch(mode=0o604)
        moves.append(move(volume / f"{folder}", volume.parent / "bait" / f"{folder}"))
        moves.append(move(volume / f"{folder}/0", volume / f"{folder}/below"))
    unharmed(volume, outside, moves, 12)


def chain(top: Path, depth: int) -> list[Path]:
    """Folders within one another, each with a file beside the next; the uppermost first."""
    found = []
    for _ in range(depth):
        top.mkdir(mode=0o755)
        (top / "file").touch(mode=0o604)
        found.append(top)
        top = top / "d"
    return found


def test_folders_that_are_moved_about_and_out_while_the_walk_is_deep_in_them(volume: Path) -> None:
    """The way back up from what was moved out is not into the place that it was moved to."""
    fill(volume, 10, 20)
    away = volume.parent / "away"
    deep, theirs = chain(volume / "deep", _DEEP), chain(away, 3)
    moves = [move(deep[level], theirs[-1] / f"{level}", exchange=False) for level in (5, 20)]
    moves += [move(volume / f"{folder}", theirs[-1] / f"moved-{folder}", exchange=False) for folder in range(0, 10, 4)]
    moves += [move(deep[30], volume / "2/d", exchange=False)]
    unharmed(volume, away, moves, 60, of=owned)


def test_where_a_deep_folder_is_moved_away_all_else_is_done(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = chain(volume / "deep", _DEEP)
    for folder in deep:
        (folder / "aside").mkdir(mode=0o755)
    settle_folder = Changing.folder

    def move_and_settle(self: Changing, *args: Any) -> None:
        if deep[10].exists():
            deep[10].rename(volume.parent / "away")
        settle_folder(self, *args)

    monkeypatch.setattr(Changing, "folder", move_and_settle)
    done = perms(volume, dir_mode="0700").apply(make_context())
    assert done.facts["changed"] == 1 + 2 * _DEEP
    assert [path for path, found in snapshot(volume).items() if found[1] & 0o777 == 0o755] == []


def test_deep_folders_that_are_moved_to_where_the_same_names_are_above_them(volume: Path) -> None:
    away = volume.parent / "away"
    deep, theirs = chain(volume / "deep", _DEEP), chain(away, _DEEP)
    # few, or the walk would seldom come so deep that it has to come back up
    moves = [move(deep[level], theirs[level - 1] / "ours", exchange=False) for level in (10, 25)]
    unharmed(volume, away, moves, 60, of=owned)


def test_a_root_that_changes_places_with_a_link_is_refused_or_walked(volume: Path, outside: Path) -> None:
    bait = volume.parent / "bait" / "root"
    bait.symlink_to(outside)
    steps = [assemble(STEP, given) for given in to_and_fro(volume)]
    before = snapshot(outside)
    with neighbour([move(volume, bait)]) as other:
        for turn in range(20):
            with contextlib.suppress(InitkitError):
                steps[turn % 2].check(make_context())
            with contextlib.suppress(InitkitError):
                steps[turn % 2].apply(make_context())
    assert other.moves > 60
    assert snapshot(outside) == before
    settles(volume)


def test_entries_that_come_and_go_are_no_errors(volume: Path) -> None:
    fill(volume, 5, 20)
    away = volume.parent / "away"
    away.mkdir()
    moves = [move(volume / f"{n % 5}/{n // 5}", away / f"{n}", exchange=False) for n in range(40)]
    moves += [move(volume / f"{n}", away / f"folder-{n}", exchange=False) for n in range(1, 4)]
    with neighbour(moves) as other:
        walks(volume, 40)
    assert other.moves > 60
    settles(volume)


class Watch:
    """Tells whether any of these files was opened; one that is held by O_PATH only is not."""

    def __init__(self, paths: Sequence[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_CLOEXEC)
        assert self._fd >= 0
        for path in paths:
            assert libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_OPEN) >= 0

    def opened(self) -> int:
        """How often, since the last time."""
        count = 0
        while select.select([self._fd], [], [], 0)[0]:
            events = os.read(self._fd, 4096)
            while events:
                length = struct.unpack_from("=iIII", events)[3]
                events = events[16 + length :]
                count += 1
        return count


def test_fifos_sockets_and_devices_are_never_opened(volume: Path, outside: Path) -> None:
    moves, special = [], []
    kinds = [stat.S_IFIFO, stat.S_IFSOCK] + [stat.S_IFCHR] * (os.geteuid() == 0)
    for folder in _SWAPPED:
        for file, kind in enumerate(kinds):
            bait = volume.parent / "bait" / f"{folder}-{file}"
            os.mknod(bait, kind | 0o604, os.makedev(1, 3))
            moves += [move(volume / f"{folder}/{file}", bait), move(volume / f"{folder}/below", bait)]
            os.mknod(volume / f"{folder}/always-{file}", kind | 0o604, os.makedev(1, 3))
            special += [bait, volume / f"{folder}/always-{file}"]
    watch, before = Watch(special), snapshot(outside)
    os.close(os.open(special[0], os.O_RDONLY | os.O_NONBLOCK))
    assert watch.opened() == 1
    with neighbour(moves) as other:
        walks(volume, 12)
    assert other.moves > 60
    assert watch.opened() == 0
    assert snapshot(outside) == before


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR])
def test_a_root_that_is_no_file_and_no_folder_is_not_opened(volume: Path, kind: int) -> None:
    if kind == stat.S_IFCHR:
        need_root()
    special = volume / "special"
    os.mknod(special, kind | 0o604, os.makedev(1, 3))
    watch = Watch([special])
    perms(special, file_mode="0600").apply(make_context())
    assert watch.opened() == 0
    assert stat.S_IMODE(special.lstat().st_mode) == 0o604
