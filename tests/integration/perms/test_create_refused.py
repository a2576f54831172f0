"""A folder that may not be made, or not as it was asked for: why, and that nothing is left behind."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program
from fix_perms import NOBODY_IN_PARTICULAR, mode_of, mounting, need_root, ordinary_user
from fix_perms_create import running

if TYPE_CHECKING:
    from pathlib import Path


def with_only(*capabilities: str) -> list[str]:
    """A prefix for a command of root's that has these capabilities and no others."""
    need_root()
    kept = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    return [need_program("setpriv", "util-linux"), f"--bounding-set={kept}", f"--inh-caps={kept}"]


def test_an_owner_that_may_not_be_given_fails_before_there_is_anything(volume: Path) -> None:
    uid = ordinary_user()
    if uid:
        os.chown(volume, uid, uid)
    with running(uid=uid) as runner:
        told = runner.ask("one", volume / "a/b", uid=77777, mode="0750")
    assert told["kind"] == "PermanentError"
    assert told["error"].startswith(f"cannot create {volume}/a/b: ")
    # where an ordinary user is one of a user namespace, that is the reason
    assert "without CAP_CHOWN" in told["error"] or "not mapped in this user namespace" in told["error"]
    assert "when changing the owner or group of it" in told["error"]
    assert os.listdir(volume) == []


def test_a_folder_where_this_user_may_not_write(volume: Path) -> None:
    uid = ordinary_user()
    volume.chmod(0o555)
    with running(uid=uid) as runner:
        told = runner.ask("one", volume / "a/b")
    assert told["kind"] == "PermanentError"
    assert told["error"].startswith(f"cannot create {volume}/a/b: Permission denied")
    assert "DAC_OVERRIDE" in told["error"]
    assert os.listdir(volume) == []


def test_a_folder_that_this_user_may_not_enter(volume: Path) -> None:
    uid = ordinary_user()
    (volume / "locked").mkdir(mode=0o000)
    with running(uid=uid) as runner:
        told = runner.ask("one", volume / "locked/a/b")
    assert told["kind"] == "PermanentError"
    assert "Permission denied" in told["error"]
    (volume / "locked").chmod(0o700)
    assert os.listdir(volume / "locked") == []


def test_the_right_to_change_owners_is_enough(volume: Path) -> None:
    with running(with_only("chown")) as runner:
        told = runner.ask("one", volume / "a/b", uid=4711, gid=4712, mode="0550")
    assert told == {"made": True}
    for name in ("a", "a/b"):
        found = (volume / name).stat()
        assert (found.st_uid, found.st_gid, mode_of(volume / name)) == (4711, 4712, "0550")
    assert os.listdir(volume) == ["a"]


def test_without_the_right_to_give_setgid_nothing_is_made(volume: Path) -> None:
    with running(with_only("chown")) as runner:
        told = runner.ask("one", volume / "a/b", uid=4711, gid=4712, mode="2750")
    assert told["kind"] == "PermanentError"
    assert "FSETID" in told["error"]
    assert os.listdir(volume) == []


def test_replicas_that_are_late_take_away_even_what_they_could_no_longer_look_into(volume: Path) -> None:
    with running(with_only("chown")) as runner:
        told = runner.ask("together", volume / "a", count=20, uid=4711, gid=4711, mode="0700")
    assert sorted(one.get("made") for one in told) == [False] * 19 + [True]
    assert os.listdir(volume) == ["a"]


def test_a_group_that_this_user_has_may_be_given(volume: Path) -> None:
    need_root()
    os.chown(volume, NOBODY_IN_PARTICULAR, NOBODY_IN_PARTICULAR)
    with running(uid=NOBODY_IN_PARTICULAR) as runner:
        told = runner.ask("one", volume / "a/b", uid=NOBODY_IN_PARTICULAR, gid=NOBODY_IN_PARTICULAR, mode="2770")
    assert told == {"made": True}
    assert [mode_of(volume / name) for name in ("a", "a/b")] == ["2770", "2770"]


def test_where_nothing_could_be_taken_away_again_nothing_is_made(volume: Path) -> None:
    need_root()
    chattr = need_program("chattr", "e2fsprogs")
    done = subprocess.run([chattr, "+a", volume], capture_output=True, check=False)
    need(done.returncode == 0, "a file system with append-only folders")
    try:
        with running() as runner:
            told = runner.ask("one", volume / "a/b")
    finally:
        subprocess.run([chattr, "-a", volume], check=True)
    assert told["error"] == (
        f"cannot create {volume}/a/b: it is append-only; see `lsattr` on the node, and clear it by `chattr -a`"
    )
    assert os.listdir(volume) == []


def test_a_read_only_volume(volume: Path) -> None:
    with running(mounting(f"mount --bind '{volume}' '{volume}'; mount -o remount,bind,ro '{volume}'")) as runner:
        told = runner.ask("one", volume / "a/b")
    assert told["kind"] == "PermanentError"
    assert "read-only" in told["error"]
    assert "readOnly" in told["error"]


@pytest.mark.parametrize("room", [3, 4])
def test_a_full_volume_is_left_as_it_was(volume: Path, room: int) -> None:
    """The root of a tmpfs takes one inode, and what is there another: there is room for one folder, or two."""
    setting = f"mount -t tmpfs -o nr_inodes={room},mode=0777 none '{volume}'; mkdir '{volume}/there'"
    with running(mounting(setting)) as runner:
        told = runner.ask("one", volume / "a/b/c/d")
        assert "no space is left" in told["error"].lower()
        assert told["kind"] == "TemporaryError"
        # what had been made before it was full is gone again
        assert runner.ask("one", volume / "a") == {"made": True}
        assert runner.ask("one", volume / "there") == {"made": False}
