"""The folder that a root is to be, and its missing parents: right from the first instant, or not there."""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_need import need
from fix_perms import mode_of, need_root, snapshot
from fix_perms_create import wanted, watched

from initkit.core.errors import PermanentError
from initkit.steps.perms import kernel
from initkit.steps.perms.making.create import create, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEFAULT_ACL, _ACL = "system.posix_acl_default", "system.posix_acl_access"
_ANYONE = 0xFFFFFFFF


@pytest.fixture(params=[0o000, 0o077, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def default_acl(path: Path, *, user: int) -> None:
    """Have everything that is new in a folder be free for one more user, and hardly for its group."""
    entries = [(1, 7, _ANYONE), (2, 7, user), (4, 1, _ANYONE), (16, 7, _ANYONE), (32, 0, _ANYONE)]
    try:
        os.setxattr(path, _DEFAULT_ACL, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries))
    except OSError as error:
        need(error.errno not in {errno.EOPNOTSUPP, errno.ENOSYS}, "a file system with ACLs")
        raise


def test_a_folder_and_its_parents_come_to_be_as_asked_whatever_the_umask(volume: Path, umask: int) -> None:
    assert create(str(volume / "a/b/c"), wanted("2770"), make_context())
    assert [mode_of(volume / name) for name in ("a", "a/b", "a/b/c")] == ["2770"] * 3
    assert create(str(volume / "x/y"), wanted(), make_context())
    assert [mode_of(volume / name) for name in ("x", "x/y")] == ["0755"] * 2
    assert os.listdir(volume / "a/b/c") == []
    assert sorted(os.listdir(volume)) == ["a", "x"]
    assert os.umask(umask) == umask


def test_owner_and_group_are_given(volume: Path) -> None:
    need_root()
    assert create(str(volume / "a/b"), wanted("2750", 4711, 4712), make_context())
    for name in ("a", "a/b"):
        found = (volume / name).stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (4711, 4712, 0o2750)


def test_bits_of_the_umask_option_are_missing_from_the_usual_mode_and_from_the_asked_one(volume: Path) -> None:
    create(str(volume / "a"), wanted(umask=0o027), make_context())
    create(str(volume / "b"), wanted("0777", umask=0o007), make_context())
    create(str(volume / "c"), wanted("g+w,o="), make_context())
    assert [mode_of(volume / name) for name in "abc"] == ["0750", "0770", "0770"]


def test_a_mode_without_rights_for_its_owner_is_no_obstacle(volume: Path) -> None:
    assert create(str(volume / "a/b/c"), wanted("0000"), make_context())
    assert mode_of(volume / "a") == "0000"


def test_setgid_of_the_folder_above_is_passed_on_only_where_no_mode_is_asked(volume: Path) -> None:
    group = os.getegid() if os.geteuid() else 4711
    os.chown(volume, -1, group)
    volume.chmod(0o2755)
    create(str(volume / "a/b"), wanted(), make_context())
    create(str(volume / "c"), wanted("0750"), make_context())
    assert [mode_of(volume / name) for name in ("a", "a/b", "c")] == ["2755", "2755", "0750"]
    assert {(volume / name).stat().st_gid for name in ("a", "a/b", "c")} == {group}


def test_a_default_acl_gives_nobody_more_or_less_than_was_asked(volume: Path) -> None:
    default_acl(volume, user=os.geteuid() or 4713)
    create(str(volume / "a/b"), wanted("0750"), make_context())
    for name in ("a", "a/b"):
        assert mode_of(volume / name) == "0750"
        assert os.listxattr(volume / name) == [_DEFAULT_ACL]


def test_what_is_there_is_left_as_it_is(tree: Path) -> None:
    before = snapshot(tree.parent)
    assert not create(str(tree / "etc/deep"), wanted("0700"), make_context())
    assert snapshot(tree.parent) == before
    assert missing(str(tree / "etc/deep")) == []


def test_looking_makes_nothing_and_says_what_would_be_made(volume: Path) -> None:
    before = snapshot(volume)
    real = os.path.realpath(volume)
    assert missing(f"{volume}/a//b/./c/") == [f"{real}/a", f"{real}/a/b", f"{real}/a/b/c"]
    assert not create(str(volume / "a"), wanted(), make_context(looking=True))
    assert snapshot(volume) == before


def test_links_on_the_way_are_followed_where_they_lead_somewhere(volume: Path) -> None:
    (volume / "real").mkdir()
    (volume / "link").symlink_to("real")
    assert missing(str(volume / "link/a")) == [f"{os.path.realpath(volume)}/real/a"]
    assert create(str(volume / "link/a"), wanted("0700"), make_context())
    assert mode_of(volume / "real/a") == "0700"
    assert not create(str(volume / "link"), wanted("0700"), make_context())  # to be judged as a root


def test_a_relative_path_is_made_where_this_runs(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(volume)
    assert create("a/b", wanted("0700"), make_context())
    assert create("a/../c", wanted("0700"), make_context())
    assert [mode_of(volume / name) for name in ("a", "a/b", "c")] == ["0700"] * 3


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("dangling", "dangling is a symbolic link to nowhere, where nothing is; remove the link"),
        ("dangling/below", "dangling is a symbolic link to nowhere, where nothing is"),
        ("loop/below", "loop is a symbolic link to loop, where nothing is"),
        ("file", "file is there and is no folder; remove it"),
        ("file/below/it", "file is there and is no folder"),
        ("to-file/below", "to-file is there and is no folder"),
        ("new/../beside", "it goes back by .. from a folder that does not exist"),
        ("x" * 256, "ame too long"),
        ("proc/new", "it is /proc/new, which belongs to the system"),
    ],
)
def test_what_is_in_the_way_is_named(volume: Path, path: str, cause: str) -> None:
    (volume / "dangling").symlink_to("nowhere")
    (volume / "loop").symlink_to("loop")
    (volume / "file").touch()
    (volume / "to-file").symlink_to("file")
    (volume / "proc").symlink_to("/proc")
    before = snapshot(volume)
    for act in (lambda: create(str(volume / path), wanted(), make_context()), lambda: missing(str(volume / path))):
        with pytest.raises(PermanentError) as caught:
            act()
        assert str(caught.value).startswith(f"cannot create {volume}/{path}: ")
        assert cause in str(caught.value)
    assert snapshot(volume) == before


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"n" * 255, b".hidden"])
def test_any_name_that_a_folder_can_have(volume: Path, name: bytes) -> None:
    path = os.fsdecode(os.path.join(os.fsencode(volume), name, name))
    assert create(path, wanted("0750"), make_context())
    assert mode_of(path) == "0750"
    assert os.listdir(os.fsencode(volume)) == [name]


def test_nobody_ever_sees_it_with_another_owner_group_or_mode(volume: Path) -> None:
    root = os.geteuid() == 0
    uid, gid = (4711, 4712) if root else (os.geteuid(), os.getegid())
    paths = [volume / f"{number}{below}" for number in range(100) for below in ("", "/b", "/b/c")]
    with watched(paths) as seen:
        for number in range(100):
            assert create(str(volume / f"{number}/b/c"), wanted("2771", uid, gid), make_context())
    assert {one[1:] for one in seen} <= {(uid, gid, stat.S_IFDIR | 0o2771)}


def test_where_a_rename_cannot_be_told_to_spare_what_is_there(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(kernel, "rename_new", unknown)
    assert create(str(volume / "a/b"), wanted("0750"), make_context())
    assert not create(str(volume / "a/b"), wanted("0700"), make_context())
    assert [mode_of(volume / name) for name in ("a", "a/b")] == ["0750", "0750"]
    assert os.listdir(volume) == ["a"]
