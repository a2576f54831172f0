"""Stamps: written last, believed as long as nobody has touched them, and no obstacle where they cannot be written."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_perms import NOBODY_IN_PARTICULAR, mode_of, mounting, need_root, perms, snapshot
from fix_perms_create import DIGEST, OTHER, running, wanted

from initkit.steps.perms import stamp
from initkit.steps.perms.policy import STAMP, stamp_due, stands
from initkit.steps.perms.roots import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.steps.perms.roots import Root

_ALONE = """
import os, sys
sys.path[:0] = {paths!r}
from fix_perms_create import DIGEST
from initkit.steps.perms import stamp
from initkit.steps.perms.policy import stamp_due
from initkit.steps.perms.roots import opened
if {uid}:
    os.setresgid({uid}, {uid}, {uid})
    os.setresuid({uid}, {uid}, {uid})
with opened([{root!r}]) as [root]:
    print(stamp_due(root, DIGEST, "stamp"))
    print(stamp.begin(root, DIGEST))
    print(stamp.finish(root, DIGEST))
    print(stamp.is_there(root, DIGEST))
"""


@contextmanager
def a_root(path: Path) -> Iterator[Root]:
    with opened([str(path)]) as [root]:
        yield root


def believed(path: Path, digest: str = DIGEST) -> bool:
    with a_root(path) as root:
        return stands(root, None, digest, STAMP) is not None


def put(path: Path, digest: str = DIGEST) -> Path:
    """A stamp that can be believed; what is done after it has another time, however coarse the kernel's clock is."""
    with a_root(path) as root:
        assert stamp.finish(root, digest) is None
    written = path / stamp.name_of(digest)
    probe = path.parent / "probe"
    until = time.monotonic() + 10
    while not probe.exists() or probe.stat().st_mtime_ns == written.stat().st_mtime_ns:
        probe.touch()
        assert time.monotonic() < until
    return written


def elsewhere(root: Path, prefix: list[str] | None = None, *, uid: int = 0) -> list[str]:
    """What a run in another process says: what is due, the notes of begin and finish, and whether it is believed."""
    places = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]
    program = _ALONE.format(paths=places, uid=uid, root=str(root))
    done = subprocess.run([*(prefix or []), sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_stamped_stands_until_the_rules_are_others(tree: Path) -> None:
    assert not believed(tree)
    path = put(tree)
    with a_root(tree) as root:
        assert stands(root, None, DIGEST, STAMP) == f"stamped {path.name}"
        assert stands(root, None, OTHER, STAMP) is None
        assert stands(root, wanted("0000"), DIGEST, STAMP) is None  # the root itself is looked at anyway
    found = path.lstat()
    assert (found.st_size, stat.S_IMODE(found.st_mode), found.st_uid) == (0, 0o444, os.geteuid())


def test_a_second_stamp_writes_nothing(tree: Path) -> None:
    put(tree)
    before = snapshot(tree)
    with a_root(tree) as root:
        assert stamp_due(root, DIGEST, STAMP) is None
        assert stamp.begin(root, DIGEST) is None
        assert stamp.finish(root, DIGEST) is None
    assert snapshot(tree) == before


@pytest.mark.parametrize("umask", [0o777, 0o077, 0o000])
def test_no_umask_keeps_a_stamp_from_being_believed(tree: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        put(tree)
    finally:
        os.umask(before)
    assert believed(tree)


def test_rules_that_come_back_do_not_find_their_old_stamp(tree: Path) -> None:
    put(tree)
    with a_root(tree) as root:
        assert stamp.begin(root, OTHER) is None
        assert stamp.finish(root, OTHER) is None
    assert believed(tree, OTHER)
    assert not believed(tree, DIGEST)


def test_only_stamps_are_removed(tree: Path) -> None:
    kept = [".initkit-perms-", ".initkit-perms-mine", stamp.name_of(OTHER) + "x"]
    for name in kept:
        (tree / name).touch()
    (tree / stamp.name_of("c" * 32)).mkdir()
    (tree / stamp.name_of("d" * 32)).symlink_to("readme")
    (tree / "etc" / stamp.name_of(OTHER)).touch()
    put(tree, OTHER)
    before = set(os.listdir(tree))
    with a_root(tree) as root:
        assert stamp.begin(root, DIGEST) is None
    assert set(os.listdir(tree)) == before - {stamp.name_of(OTHER)}
    assert (tree / "etc" / stamp.name_of(OTHER)).exists()


def _moved_away_and_back(path: Path) -> None:
    path.rename(path.parent / "etc/kept")
    (path.parent / "etc/kept").rename(path)


def _linked_and_unlinked(path: Path) -> None:
    os.link(path, path.parent / "second")
    (path.parent / "second").unlink()


def _restored(path: Path) -> None:
    shutil.copy2(path, path.parent / "copy")
    (path.parent / "copy").rename(path)


def _forged(path: Path) -> None:
    path.unlink()
    path.touch(mode=0o644)


def _a_link(path: Path) -> None:
    path.rename(path.parent / "real")
    path.symlink_to("real")


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o444)


def _written_to(path: Path) -> None:
    path.chmod(0o600)
    path.write_text("x")
    path.chmod(0o444)


@pytest.mark.parametrize(
    "act",
    [
        _moved_away_and_back,
        _linked_and_unlinked,
        _restored,
        _forged,
        _a_link,
        _written_to,
        lambda path: subprocess.run(["chmod", "-R", "g+rw", path.parent], check=True),
        lambda path: subprocess.run(["chgrp", "-R", str(os.getegid()), path.parent], check=True),
        lambda path: os.link(path, path.parent / "second"),
        lambda path: path.unlink(),
        _a_folder,
        _a_fifo,
    ],
)
def test_what_somebody_has_touched_is_not_believed_and_is_written_anew(tree: Path, act: Callable[[Path], None]) -> None:
    path = put(tree)
    act(path)
    assert not believed(tree)
    if not path.is_dir():
        put(tree)
        assert believed(tree)


def test_what_a_neighbour_has_written_is_not_believed(tree: Path) -> None:
    need_root()
    path = tree / stamp.name_of(DIGEST)
    tree.chmod(0o777)
    os.chown(tree, 4711, 4711)
    told = elsewhere(tree, uid=4711)
    assert told[-1] == "True"  # he himself may believe it
    assert path.stat().st_uid == 4711
    assert not believed(tree)


def test_what_root_has_written_an_ordinary_user_believes(tree: Path) -> None:
    need_root()
    put(tree)
    assert elsewhere(tree, uid=NOBODY_IN_PARTICULAR) == ["None", "None", "None", "True"]


def test_a_volume_that_is_mounted_read_only_is_no_failure(tree: Path) -> None:
    script = f"mount --bind '{tree}' '{tree}'; mount -o remount,bind,ro '{tree}'"
    due, begun, finished, is_there = elsewhere(tree, mounting(script))
    assert (due, begun, is_there) == ("None", "None", "False")
    assert finished.endswith("(read-only file system): the next run looks at everything again")


def test_a_root_that_belongs_to_someone_else_is_no_failure(tree: Path) -> None:
    uid = NOBODY_IN_PARTICULAR if os.geteuid() == 0 else 0
    put(tree, OTHER)
    tree.chmod(0o555)
    due, begun, finished, is_there = elsewhere(tree, uid=uid)
    tree.chmod(0o755)
    assert (due, is_there) == ("None", "False")
    assert "cannot remove old stamps from" in begun
    assert "permission denied" in begun
    assert "no stamp is written in" in finished
    assert believed(tree, OTHER)


def test_a_stamp_that_cannot_be_replaced_is_not_due(tree: Path) -> None:
    (tree / stamp.name_of(DIGEST)).mkdir()
    with a_root(tree) as root:
        assert stamp_due(root, DIGEST, STAMP) is None
        assert stamp_due(root, OTHER, STAMP)


def test_a_stamp_of_others_in_a_sticky_root_is_not_due(tree: Path) -> None:
    need_root()
    os.chown(put(tree), 1000, 1000)
    tree.chmod(0o1777)
    assert elsewhere(tree, uid=NOBODY_IN_PARTICULAR)[0] == "None"
    assert elsewhere(tree)[0] != "None"


def test_a_full_volume_is_no_failure(volume: Path) -> None:
    script = f"mount -t tmpfs -o nr_inodes=2,mode=0777 none '{volume}'; mkdir '{volume}/there'"
    finished, is_there = elsewhere(volume, mounting(script))[2:]
    assert is_there == "False"
    assert "no space left" in finished


def test_where_times_are_not_kept_no_stamp_is_left_and_that_is_said(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    utime = os.utime
    monkeypatch.setattr(os, "utime", lambda fd: utime(fd, (0, 0)))  # such a file system
    with a_root(tree) as root:
        assert "does not keep a stamp's owner, mode and times" in str(stamp.finish(root, DIGEST))
    assert stamp.name_of(DIGEST) not in os.listdir(tree)


def test_a_tree_that_is_right_but_not_stamped_is_to_be_stamped_where_that_can_be_done(tree: Path) -> None:
    with a_root(tree) as root:
        assert stamp_due(root, DIGEST, "always") is None
        assert stamp_due(root, DIGEST, STAMP) == f"{root.path}/{stamp.name_of(DIGEST)}"
        stamp.finish(root, DIGEST)
        assert stamp_due(root, DIGEST, STAMP) is None


def test_a_run_that_does_nothing_but_stamp_says_so(tree: Path) -> None:
    step = perms(tree, umask="0000", policy="stamp")
    path = f"{os.path.realpath(tree)}/{stamp.name_of(step.task().digest)}"
    assert step.check(make_context()).detail == f"write {path}; 10 entries as they should be"
    done = step.apply(make_context())
    assert (done.status, done.detail) == ("changed", f"wrote {path}; 10 entries as they should be")
    assert step.apply(make_context()).status == "ok"


def test_a_root_that_is_a_file_has_no_stamp(tree: Path) -> None:
    with a_root(tree / "readme") as root:
        assert not stamp.is_there(root, DIGEST)
        assert stamp.begin(root, DIGEST) is None
        assert stamp.finish(root, DIGEST) is None
        assert stamp_due(root, DIGEST, STAMP) is None


def test_a_folder_that_takes_the_place_of_the_root_is_not_stamped(tree: Path) -> None:
    with a_root(tree) as root:
        tree.rename(tree.parent / "moved")
        tree.mkdir()
        (tree / stamp.name_of(OTHER)).touch()
        assert "something else is there now" in str(stamp.begin(root, DIGEST))
        assert "something else is there now" in str(stamp.finish(root, DIGEST))
    assert os.listdir(tree) == [stamp.name_of(OTHER)]
    assert stamp.name_of(DIGEST) not in os.listdir(tree.parent / "moved")


def test_fifty_replicas_end_with_a_stamp(volume: Path) -> None:
    for name in "abc":
        (volume / name).touch()
    with running() as runner:
        told = runner.ask("together", volume, count=50, file_mode="0640")
    assert told == [{"made": False}] * 50
    assert {mode_of(volume / name) for name in "abc"} == {"0640"}
    assert believed(volume)
