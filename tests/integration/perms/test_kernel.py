"""System calls on what a descriptor holds."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program
from fix_perms import mounting, need_root

from initkit.steps.perms import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOP = Path(__file__).parents[3]
_PIN = os.O_PATH | os.O_NOFOLLOW


@pytest.fixture
def old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 6.6 there was no fchmodat2(2)."""
    monkeypatch.setattr(kernel, "_FCHMODAT2", 0xFFFF)
    monkeypatch.setattr(kernel, "_has_fchmodat2", True)


@pytest.fixture
def held(volume: Path) -> Iterator[int]:
    (volume / "file").touch(0o644)
    fd = os.open(volume / "file", _PIN)
    yield fd
    os.close(fd)


def mode(fd: int) -> int:
    return stat.S_IMODE(os.fstat(fd).st_mode)


def test_a_mode_is_set(held: int) -> None:
    kernel.chmod(held, 0o1750)
    assert mode(held) == 0o1750


@pytest.mark.usefixtures("old_kernel")
def test_a_mode_is_set_before_linux_6_6_too(held: int) -> None:
    for wanted in (0o600, 0o640):
        kernel.chmod(held, wanted)
        assert mode(held) == wanted


@pytest.mark.usefixtures("old_kernel")
def test_what_an_old_kernel_refuses_is_refused(volume: Path) -> None:
    (volume / "link").symlink_to("file")
    fd = os.open(volume / "link", _PIN)
    with pytest.raises(OSError, match=r"\[Errno \d+\]"):
        kernel.chmod(fd, 0o600)
    os.close(fd)


def test_a_link_has_no_mode_and_what_it_leads_to_is_not_touched(volume: Path, held: int) -> None:
    (volume / "link").symlink_to("file")
    fd = os.open(volume / "link", _PIN)
    with pytest.raises(OSError, match=r"\[Errno \d+\]"):
        kernel.chmod(fd, 0o600)
    os.close(fd)
    assert mode(held) == 0o644


def test_an_owner_is_set_and_minus_one_leaves_the_other(held: int) -> None:
    need_root()
    kernel.chown(held, 2**32 - 2, -1)
    kernel.chown(held, -1, 4711)
    found = os.fstat(held)
    assert (found.st_uid, found.st_gid) == (2**32 - 2, 4711)


def test_a_link_gets_an_owner_of_its_own(volume: Path, held: int) -> None:
    need_root()
    (volume / "link").symlink_to("file")
    fd = os.open(volume / "link", _PIN)
    kernel.chown(fd, 4711, 4711)
    assert os.fstat(fd).st_uid == 4711
    os.close(fd)
    assert os.fstat(held).st_uid == 0


def test_a_fifo_is_changed_without_being_opened(volume: Path) -> None:
    os.mkfifo(volume / "fifo", 0o644)
    fd = os.open(volume / "fifo", _PIN)
    kernel.chmod(fd, 0o600)
    kernel.chown(fd, os.geteuid(), -1)
    assert mode(fd) == 0o600
    os.close(fd)


def test_the_mount_is_the_one_that_fdinfo_shows(held: int) -> None:
    with open(f"/proc/self/fdinfo/{held}") as file:
        told = dict(line.split() for line in file)
    assert kernel.mount_id(held) == int(told["mnt_id:"])


def test_without_statx_fdinfo_tells_the_mount(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = kernel.mount_id(held)
    monkeypatch.setattr(kernel, "_statx", lambda fd: b"")  # noqa: ARG005 - as an old kernel
    assert kernel.mount_id(held) == expected
    assert kernel.attributes(held) == 0


def test_a_bind_mount_of_the_same_file_system_is_another_mount(volume: Path) -> None:
    (volume / "a").mkdir()
    (volume / "b").mkdir()
    script = (
        "import os, sys; from initkit.steps.perms import kernel;"
        "held = [os.open(path, os.O_PATH) for path in sys.argv[1:]];"
        "print(len({os.fstat(fd).st_dev for fd in held}), len({kernel.mount_id(fd) for fd in held}))"
    )
    mounted = mounting(f"mount --bind '{volume}/a' '{volume}/b'")
    python = [*mounted, sys.executable, "-c", script, str(volume / "a"), str(volume / "b")]
    done = subprocess.run(python, capture_output=True, text=True, check=True, cwd=_TOP)
    assert done.stdout.split() == ["1", "2"]


def test_what_nobody_may_change_is_told(volume: Path, held: int) -> None:
    need_root()
    chattr = need_program("chattr", "e2fsprogs")
    assert kernel.attributes(held) == 0
    done = subprocess.run([chattr, "+i", volume / "file"], capture_output=True, check=False)
    need(done.returncode == 0, "a file system with immutable files")
    try:
        assert kernel.attributes(held) == kernel.IMMUTABLE
    finally:
        subprocess.run([chattr, "-i", volume / "file"], check=True)


def test_a_rename_does_not_replace(volume: Path) -> None:
    for name in ("old", "taken"):
        (volume / name).mkdir()
    folder = os.open(volume, os.O_RDONLY)
    with pytest.raises(FileExistsError):
        kernel.rename_new(folder, "old", folder, "taken")
    kernel.rename_new(folder, "old", folder, "new\udcff")
    os.close(folder)
    assert sorted(os.listdir(volume)) == ["new\udcff", "taken"]
