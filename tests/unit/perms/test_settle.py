"""What differs, the order in which it is changed, and what is left alone."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from initkit.steps.perms import kernel, settle
from initkit.steps.perms.asked.mode import parse_mode, settles
from initkit.steps.perms.asked.wanted import Terms, Wanted
from initkit.steps.perms.differing import difference
from initkit.steps.perms.settle import Refused, change, is_elsewhere, linked, narrow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MODES = st.integers(0, 0o7777)
_TEXTS = [None, "0640", "0000", "u=rwX,g=rX,o=", "g=u", "u+X,o=", "u=g,o=g", "o=u,g+X", "a+rX", "go-w", "6755", "u+s"]


def asked(text: str | None, umask: int, uid: int | None) -> Wanted:
    mode = parse_mode(text) if text else None
    return Wanted(uid, None, mode, mode, umask)


_WANTED = st.builds(
    asked, st.sampled_from(_TEXTS), st.sampled_from([0, 0o027, 0o022]), st.sampled_from([None, 0, 1000])
)
_KINDS = st.sampled_from([stat.S_IFREG, stat.S_IFDIR])


def status(mode: int, uid: int = 0, gid: int = 0, links: int = 1, device: int = 1) -> os.stat_result:
    return os.stat_result((mode, 1, device, links, uid, gid, 0, 0, 0, 0))


def after_chown(found: os.stat_result, uid: int) -> os.stat_result:
    """What chown(2) leaves."""
    mode = found.st_mode
    if stat.S_ISREG(mode):
        mode &= ~stat.S_ISUID
        if mode & stat.S_IXGRP:
            mode &= ~stat.S_ISGID
    return status(mode, uid)


def instants(found: os.stat_result, wanted: Wanted) -> list[os.stat_result]:
    """What an entry is after each call of a change."""
    differs = difference(found, wanted)
    old = stat.S_IMODE(found.st_mode)
    states = [found]
    if differs.uid is not None:
        narrowed = old
        if differs.mode is not None:
            narrowed = narrow(wanted, old, differs.mode, folder=stat.S_ISDIR(found.st_mode))
        states.append(status(stat.S_IFMT(found.st_mode) | narrowed, found.st_uid))
        states.append(after_chown(states[-1], differs.uid))
    final = old if differs.mode is None else differs.mode
    states.append(status(stat.S_IFMT(found.st_mode) | final, found.st_uid if differs.uid is None else differs.uid))
    return states


@given(_WANTED, _MODES, _KINDS)
def test_a_walk_that_is_killed_between_two_calls_is_finished_by_the_next(wanted: Wanted, old: int, kind: int) -> None:
    assume(wanted.file_mode is None or settles(wanted.file_mode, wanted.umask))
    states = instants(status(kind | old), wanted)
    final = states[-1]
    assert not difference(final, wanted)
    says_set_ids = stat.S_ISREG(kind) and final.st_mode & 0o6000
    for state in states[:-1]:
        rest = difference(state, wanted)
        mode = stat.S_IMODE(state.st_mode) if rest.mode is None else rest.mode
        # set-id bits that a symbolic mode leaves as they are go with the old owner: the next run has none to keep
        assert says_set_ids or mode == stat.S_IMODE(final.st_mode)
        assert mode & ~stat.S_IMODE(final.st_mode) == 0


@given(_WANTED, _MODES, _KINDS)
def test_on_the_way_nothing_is_allowed_that_was_not_before(wanted: Wanted, old: int, kind: int) -> None:
    for state in instants(status(kind | old), wanted)[:-1]:
        assert stat.S_IMODE(state.st_mode) & ~old == 0


@given(st.integers(0, 0o7777), _MODES, st.booleans())
def test_with_an_octal_mode_only_what_old_and_new_share_is_allowed_on_the_way(
    new: int,
    old: int,
    folder: bool,  # noqa: FBT001 - hypothesis passes them by position
) -> None:
    mode = parse_mode(f"{new:04o}")
    assert narrow(Wanted(dir_mode=mode, file_mode=mode), old, new, folder=folder) == old & new


def test_a_program_that_was_setuid_for_its_old_owner_is_not_so_for_the_new_one() -> None:
    program = status(stat.S_IFREG | 0o6755)
    assert difference(program, Wanted(uid=1000)).mode == 0o755
    assert difference(program, Wanted(uid=1000, file_mode=parse_mode("o="))).mode == 0o750
    assert difference(program, Wanted(file_mode=parse_mode("o="))).mode == 0o6750


def test_setgid_that_chown_does_not_clear_goes_too() -> None:
    assert difference(status(stat.S_IFREG | 0o2644), Wanted(gid=1000)).mode == 0o644


def test_a_mode_that_says_setuid_itself_gives_it_to_the_new_owner() -> None:
    program = status(stat.S_IFREG | 0o4755)
    assert difference(program, Wanted(uid=1000, file_mode=parse_mode("4755"))).mode is None
    assert difference(program, Wanted(uid=1000, file_mode=parse_mode("2755"))).mode == 0o2755
    # a symbolic one speaks for what it says: setuid, but not the setgid that was there
    assert difference(status(stat.S_IFREG | 0o6755), Wanted(uid=1000, file_mode=parse_mode("u+s"))).mode == 0o4755


def test_folders_keep_setgid_when_they_get_another_owner() -> None:
    assert difference(status(stat.S_IFDIR | 0o2770), Wanted(uid=1000)).mode is None


def test_the_umask_takes_from_modes_that_nobody_asked_for_too() -> None:
    assert difference(status(stat.S_IFREG | 0o666), Wanted(umask=0o027)).mode == 0o640
    assert difference(status(stat.S_IFDIR | 0o2777), Wanted(dir_mode=parse_mode("2777"), umask=0o002)).mode == 0o2775


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
def test_modes_of_what_is_neither_folder_nor_file_are_left_alone(kind: int) -> None:
    wanted = Wanted(1000, None, parse_mode("0700"), parse_mode("0600"), 0o077)
    assert difference(status(kind | 0o4777), wanted)[1:] == (1000, None, None)


def terms(**given: Any) -> Terms:
    return Terms(path="/data", device=1, mount=None, owner=7)._replace(**given)


def test_hard_links_are_left_alone_unless_they_are_owned_rightly() -> None:
    file = stat.S_IFREG | 0o644
    assert linked(status(file, uid=0, links=2), Wanted(uid=1000), terms())
    assert not linked(status(file, uid=1000, links=2), Wanted(uid=1000), terms())
    assert not linked(status(file, uid=0, links=1), Wanted(uid=1000), terms())
    assert not linked(status(file, uid=0, links=2), Wanted(uid=1000), terms(hard_links=True))
    assert not linked(status(stat.S_IFDIR, uid=0, links=5), Wanted(uid=1000), terms())


def test_where_no_owner_is_asked_for_hard_links_of_the_roots_owner_are_believed() -> None:
    assert not linked(status(stat.S_IFREG, uid=7, links=2), Wanted(gid=1000), terms())
    assert linked(status(stat.S_IFREG, uid=0, links=2), Wanted(gid=1000), terms())


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.touch(0o644)
    fd = os.open(path, os.O_PATH)
    yield fd
    os.close(fd)


def test_another_device_is_elsewhere_unless_all_are_allowed(held: int) -> None:
    found = os.fstat(held)
    here = terms(device=found.st_dev)
    assert not is_elsewhere(held, found, here)
    assert is_elsewhere(held, found, here._replace(device=found.st_dev + 1))
    assert not is_elsewhere(held, found, here._replace(device=found.st_dev + 1, one_file_system=False))


def test_another_mount_of_the_same_device_is_elsewhere(held: int) -> None:
    found, mount = os.fstat(held), kernel.mount_id(held)
    assert mount is not None
    assert not is_elsewhere(held, found, terms(device=found.st_dev, mount=mount))
    assert is_elsewhere(held, found, terms(device=found.st_dev, mount=mount + 1))


def test_a_file_with_a_device_of_its_own_on_the_same_mount_is_at_home(held: int) -> None:
    found = os.fstat(held)
    assert not is_elsewhere(held, found, terms(device=found.st_dev + 1, mount=kernel.mount_id(held)))


def test_a_subvolume_on_the_same_mount_is_elsewhere(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    found = os.fstat(fd)
    assert is_elsewhere(fd, found, terms(device=found.st_dev + 1, mount=kernel.mount_id(fd)))
    os.close(fd)


def test_what_is_as_it_should_be_is_not_written_to(held: int) -> None:
    before = os.fstat(held)
    assert not change(held, before, Wanted(uid=before.st_uid, gid=before.st_gid, file_mode=parse_mode("0644")))
    assert os.fstat(held).st_ctime_ns == before.st_ctime_ns


def test_a_change_is_made_and_told(held: int) -> None:
    changed = change(held, os.fstat(held), Wanted(file_mode=parse_mode("0600")))
    assert str(changed) == "mode 0644 -> 0600"
    assert stat.S_IMODE(os.fstat(held).st_mode) == 0o600


def test_a_file_system_that_says_yes_and_does_nothing_is_found_out(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "_changes", {})  # the first change in this file system, whatever ran before
    monkeypatch.setattr(kernel, "chmod", lambda fd, mode: None)  # noqa: ARG005 - as CIFS does
    with pytest.raises(Refused) as refused:
        change(held, os.fstat(held), Wanted(file_mode=parse_mode("0600")))
    assert refused.value.operation == "keep"
