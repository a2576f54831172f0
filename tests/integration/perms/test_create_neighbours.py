"""Others make the same folder, take what is being made away, or are killed while they do it."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_perms import mode_of, perms
from fix_perms_create import DIGEST, instants, running, wanted, watched

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.perms import stamp
from initkit.steps.perms.making.create import create
from initkit.steps.perms.making.leftovers import is_new, new_name
from initkit.steps.perms.roots import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_KILLS = 100


def owner() -> tuple[int, int]:
    """An owner and a group that this process may give."""
    return (4711, 4712) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Have `act` done over and over in another thread."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            with suppress(OSError):
                act()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def hidden(volume: Path) -> list[str]:
    return [name for folder in os.walk(volume) for name in folder[1] if is_new(name)]


def leave(volume: Path, *below: str) -> Path:
    """What a run leaves that is killed while it makes a folder."""
    left = volume / new_name()
    left.joinpath(*below).mkdir(parents=True, mode=0o700)
    return left


def test_of_fifty_replicas_one_makes_it(volume: Path) -> None:
    uid, gid = owner()
    paths = [volume / "a", volume / "a/b"]
    with running() as runner, watched(paths) as seen:
        told = runner.ask("together", volume / "a/b", count=50, uid=uid, gid=gid, mode="2750")
    assert sorted(one.get("made") for one in told) == [False] * 49 + [True]
    assert {one[1:] for one in seen} <= {(uid, gid, stat.S_IFDIR | 0o2750)}
    assert [mode_of(path) for path in paths] == ["2750", "2750"]
    assert os.listdir(volume) == ["a"]


def test_what_killed_runs_left_is_removed_by_the_next_that_makes_something(volume: Path) -> None:
    leave(volume)
    leave(volume, "a", "b", "c")
    assert create(str(volume / "x/y"), wanted(), make_context())
    assert os.listdir(volume) == ["x"]


def test_what_a_killed_run_left_is_removed_also_where_another_had_made_the_folder(volume: Path) -> None:
    (volume / "x/y").mkdir(parents=True)
    leave(volume, "y")
    leave(volume / "x")
    assert not create(str(volume / "x/y"), wanted(), make_context())
    assert hidden(volume) == []


def test_nothing_but_empty_folders_of_its_own_names_is_removed(volume: Path) -> None:
    (leave(volume) / "file").touch()
    (leave(volume, "a") / "b").mkdir()
    (volume / ".initkit-new-mine").mkdir()
    (volume / new_name()).touch()
    (volume / "elsewhere").mkdir()
    (volume / new_name()).symlink_to("elsewhere")
    before = set(os.listdir(volume))
    assert create(str(volume / "x"), wanted(), make_context())
    assert set(os.listdir(volume)) == before | {"x"}


def test_what_a_living_run_holds_is_left_alone(volume: Path) -> None:
    held = leave(volume, "a")
    fd = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert create(str(volume / "x"), wanted(), make_context())
        assert (held / "a").is_dir()
    finally:
        os.close(fd)
    assert create(str(volume / "y"), wanted(), make_context())
    assert not held.exists()


def test_names_of_our_own_hide_nothing_from_a_walk(volume: Path) -> None:
    below = volume / "sub"
    below.mkdir()
    (below / new_name()).mkdir(mode=0o755)
    (leave(volume) / "file").touch(0o644)
    (volume / stamp.name_of(DIGEST)).write_text("no stamp")
    step = perms(volume, umask="0077")
    step.apply(make_context())
    modes = {mode_of(Path(folder, name)) for folder, folders, files in os.walk(volume) for name in folders + files}
    assert modes == {"0700", "0600"}


def test_a_folder_that_a_living_run_is_making_is_not_walked_but_counted(volume: Path) -> None:
    held = leave(volume)
    fd = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        outcome = perms(volume, dir_mode="0711").apply(make_context())
    finally:
        os.close(fd)
    assert (outcome.facts["vanished"], outcome.facts["seen"]) == (1, 1)
    assert mode_of(held) != "0711"


def test_whoever_removes_what_is_being_made_only_delays_it(volume: Path) -> None:
    def tidy() -> None:
        for name in os.listdir(volume):
            if is_new(name):
                (volume / name).rmdir()

    with meanwhile(tidy):
        for number in range(100):
            assert create(str(volume / f"{number}/b"), wanted("0750"), make_context())
    assert {mode_of(volume / f"{number}/{name}") for number in range(100) for name in ("", "b")} == {"0750"}
    assert hidden(volume) == []


def test_a_neighbour_who_puts_something_else_in_its_place_has_nothing_changed_for_him(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = volume / "secret"
    (secret / "inside").mkdir(parents=True, mode=0o711)
    secret.chmod(0o700)
    mkdir = os.mkdir

    def outrun(name: str, mode: int, *, dir_fd: int) -> None:
        """Swap them at the worst of all instants."""
        mkdir(name, mode, dir_fd=dir_fd)
        if secret.exists():
            (volume / name).rmdir()
            secret.rename(volume / name)

    monkeypatch.setattr(os, "mkdir", outrun)
    assert create(str(volume / "a"), wanted("0777"), make_context())
    found = next(Path(folder) for folder, folders, _ in os.walk(volume) if "inside" in folders)
    assert [mode_of(found), mode_of(found / "inside")] == ["0700", "0711"]
    assert [mode_of(volume / "a"), os.listdir(volume / "a")] == ["0777", []]


def test_whoever_removes_it_each_time_is_told_of(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = os.mkdir

    def remove_at_once(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", remove_at_once)
    with pytest.raises(TemporaryError, match="others go on changing"):
        create(str(volume / "a/b"), wanted(), make_context())
    assert os.listdir(volume) == []


def test_a_folder_that_becomes_a_link_on_the_way_is_not_followed(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volume / "there").mkdir()
    realpath = os.path.realpath

    def outrun(path: str, *, strict: bool = False) -> str:
        """Swap them once it has been looked where the path leads."""
        real = realpath(path, strict=strict)
        with suppress(OSError):
            (volume / "there").rename(volume / "moved")
            (volume / "there").symlink_to("/nowhere")
        return real

    monkeypatch.setattr(os.path, "realpath", outrun)
    with pytest.raises(PermanentError, match="there is a symbolic link to /nowhere, where nothing is"):
        create(str(volume / "there/a"), wanted(), make_context())
    assert os.listdir(volume / "moved") == []


def duration(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_killed_at_a_hundred_instants_it_is_never_half_done_and_the_next_run_finishes_it(volume: Path) -> None:
    uid, gid = owner()
    killed = 0
    asked = {"uid": uid, "gid": gid, "mode": "0770"}
    below = "/".join("b" * 10)
    with running() as runner:
        runner.ask("one", volume / "first" / below, **asked)  # it loads what later ones have
        lasts = duration(lambda: runner.ask("one", volume / "second" / below, **asked))
        for number, after in enumerate(instants(_KILLS, 2 * lasts, seed=66)):
            path = volume / str(number) / below
            folders = [volume / str(number), path.parent, path]
            with watched(folders) as seen:
                killed += runner.ask("killed", path, after=after, **asked)
            assert {one[1:] for one in seen} <= {(uid, gid, stat.S_IFDIR | 0o770)}
            assert path.exists() == folders[0].exists()
            assert "made" in runner.ask("one", path, **asked)
            assert {mode_of(folder) for folder in folders} == {"0770"}
            assert hidden(volume) == []
    assert killed > 0


def test_killed_at_a_hundred_instants_a_stamp_is_never_believed_that_is_not_true(volume: Path) -> None:
    files = [volume / f"{number:03}" for number in range(100)]
    killed = 0
    with running() as runner:
        lasts = 0.0
        for after in instants(_KILLS, 1.0, seed=67):
            for file in files:
                file.touch()
                file.chmod(0o600)
            for name in filter(stamp.is_stamp, os.listdir(volume)):
                (volume / name).unlink()
            killed += runner.ask("killed", volume, after=1.5 * lasts * after, file_mode="0640")
            with opened([str(volume)]) as [root]:
                believed = stamp.is_there(root, DIGEST)
            if not believed:
                lasts = duration(lambda: runner.ask("one", volume, file_mode="0640"))
            assert {mode_of(file) for file in files} == {"0640"}
            with opened([str(volume)]) as [root]:
                assert stamp.is_there(root, DIGEST)
    assert killed > 0
