"""Real trees: what becomes of them, and what is left alone."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_perms import mode_of, need_root, perms, snapshot

from initkit.core.errors import PermanentError, Stopped, SuspectError, TemporaryError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.core.stop import Stop

if TYPE_CHECKING:
    from pathlib import Path


def test_modes_by_rule_and_nothing_the_second_time(tree: Path) -> None:
    step = perms(tree, dir_mode="2770", file_mode="u=rwX,g=rX,o=", rules=["bin/**=0750"])
    found = step.check(make_context(looking=True))
    assert isinstance(found, Pending)
    assert found.detail.startswith(f"8 of 10 entries: 8 mode ({tree}/")
    assert f"{tree}/bin/run: mode 0644 -> 0750" in found.changes
    assert found.changes[-1] == f"{tree}: mode 0755 -> 2770"
    done = step.apply(make_context())
    assert (done.status, done.detail) == (Status.CHANGED, found.detail)
    assert done.facts["paths"] == [line.partition(": ")[0] for line in found.changes]
    assert [mode_of(tree / name) for name in ("", "bin", "etc/deep")] == ["2770"] * 3
    assert [mode_of(tree / name) for name in ("bin/run", "etc/deep/key", "readme")] == ["0750", "0640", "0640"]
    before = snapshot(tree)
    assert step.check(make_context()) == Satisfied(
        "10 entries as they should be", {**done.facts, "changed": 0, "mode": 0, "paths": []}
    )
    assert step.apply(make_context()).status == Status.OK
    assert snapshot(tree) == before


def test_check_writes_nothing(tree: Path) -> None:
    before = snapshot(tree.parent)
    assert isinstance(perms(tree, file_mode="0600", dir_mode="0700").check(make_context()), Pending)
    assert snapshot(tree.parent) == before


def test_what_is_right_already_keeps_its_ctime(tree: Path) -> None:
    (tree / "readme").chmod(0o600)
    before = snapshot(tree)
    done = perms(tree, file_mode="0600").apply(make_context())
    after = snapshot(tree)
    changed = {os.fsdecode(path) for path in after if after[path] != before[path]}
    assert changed == {str(tree / name) for name in ("bin/run", "etc/app.conf", "etc/deep/key")}
    assert done.facts["changed"] == 3


def test_owners_of_all_entries_and_of_links_themselves(tree: Path) -> None:
    need_root()
    done = perms(tree, owner="1234:4321", rules=[{"path": "etc/**", "group": "99"}]).apply(make_context())
    assert done.detail.startswith("10 of 10 entries: 10 owner, 10 group (")
    assert {(tree / name).lstat().st_uid for name in ("", "link", "fifo", "bin/run", "etc/deep/key")} == {1234}
    assert [(tree / name).lstat().st_gid for name in ("", "link", "etc", "etc/deep/key")] == [4321, 4321, 99, 99]
    outside = (tree.parent / "outside").stat()
    assert (outside.st_uid, stat.S_IMODE(outside.st_mode)) == (0, 0o604)


def test_names_are_looked_up(tree: Path) -> None:
    need_root()
    assert perms(tree, owner="root:root").check(make_context()).detail == "10 entries as they should be"
    with pytest.raises(PermanentError, match="cannot find the user 'no-such'"):
        perms(tree, owner="no-such").check(make_context())


def test_a_setuid_program_does_not_become_setuid_for_its_new_owner(tree: Path) -> None:
    need_root()
    program = tree / "bin/run"
    for asked in ({}, {"file_mode": "u+rwx"}, {"file_mode": "0755"}):
        os.chown(program, 1, 1)
        program.chmod(0o6755)
        perms(tree, owner="2:2", **asked).apply(make_context())
        assert (program.stat().st_uid, mode_of(program)) == (2, "0755")
        assert isinstance(perms(tree, owner="2:2", **asked).check(make_context()), Satisfied)


def test_links_devices_sockets_and_fifos_keep_their_modes(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "socket"))
        (tree / "socket").chmod(0o666)
        modes = [mode_of(tree / name) for name in ("link", "fifo", "socket")]
        perms(tree, file_mode="0600").apply(make_context())
        assert [mode_of(tree / name) for name in ("link", "fifo", "socket")] == modes
        assert mode_of(tree.parent / "outside") == "0604"


def test_a_path_may_be_a_file(tree: Path) -> None:
    step = perms(tree / "readme", file_mode="0400")
    assert step.apply(make_context()).detail == f"1 of 1 entry: 1 mode ({tree}/readme)"
    assert mode_of(tree / "readme") == "0400"
    assert step.check(make_context()).detail == "1 entry as it should be"


def test_a_relative_path(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "bin")
    perms(".", "../readme", file_mode="0600").apply(make_context())
    assert [mode_of(tree / "bin/run"), mode_of(tree / "readme"), mode_of(tree / "etc/app.conf")] == [
        "0600",
        "0600",
        "0644",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\xff\xfe", r"\xff\xfe"),
        (b"a\nb", r"a\nb"),
        (b"-rf", "-rf"),
        (b"x" * 255, "x" * 255),
        (b"\xe9" * 255, r"\xe9" * 255),
        (" \u00e9\u4e16".encode(), " \u00e9\u4e16"),
        (b"\x1b[2J", r"\x1b[2J"),
        (b"\xe2\x80\xae", r"\xe2\x80\xae"),  # what follows would be shown from right to left
        (b"$(id)`id`'\"*", "$(id)`id`'\"*"),
    ],
    ids=itertools.count(),
)
def test_any_name_of_folders_files_and_links(volume: Path, name: bytes, shown: str) -> None:
    below = os.fsencode(volume) + b"/" + name
    os.mkdir(below, 0o755)
    file = below + b"/" + name
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o644))
    os.symlink(name, below + b"/link")
    voice = RecordingVoice()
    step = perms(volume, file_mode="0604", dir_mode="0705")
    found = step.check(make_context(voice=voice, looking=True))
    assert isinstance(found, Pending)
    assert [line.replace(f"{volume}", "") for line in found.changes] == [
        f"/{shown}/{shown}: mode 0644 -> 0604",
        f"/{shown}: mode 0755 -> 0705",
        ": mode 0755 -> 0705",
    ]
    done = step.apply(make_context(voice=voice))
    assert done.facts["changed"] == 3
    assert stat.S_IMODE(os.lstat(file).st_mode) == 0o604
    said = [*voice.notes, *voice.details, *voice.warnings, *(text for told in voice.progressed for text in told[:2])]
    assert all(text.isprintable() and text.encode() for text in [*said, done.detail, f"{done.facts}"])


def test_a_path_that_does_not_exist_may_still_be_created(volume: Path) -> None:
    for path in (volume / "later", volume / "later/below"):
        with pytest.raises(SuspectError, match=r"does not exist; mount the volume at this path"):
            perms(path, file_mode="0600").check(make_context())


def test_paths_within_one_another_are_refused_behind_links_too(tree: Path) -> None:
    (tree.parent / "alias").symlink_to(tree)
    with pytest.raises(PermanentError, match="lies within"):
        perms(tree, f"{tree.parent}/alias/bin", file_mode="0600").check(make_context())


def test_a_wide_folder_and_many_folders(volume: Path) -> None:
    for number in range(300):
        (volume / f"{number}").mkdir(mode=0o755)
        (volume / f"{number}.txt").touch(mode=0o644)
        (volume / f"{number}/x").touch(mode=0o644)
    step = perms(volume, file_mode="0640", dir_mode="0750")
    found = step.check(make_context(looking=True))
    assert isinstance(found, Pending)
    assert found.changes[-1] == "and 891 more"
    assert len(found.changes) == 11
    step.apply(make_context())
    assert step.check(make_context()).detail == "901 entries as they should be"


def test_the_end_is_heard_within_the_walk(tree: Path) -> None:
    stop = Stop()
    stop.request(15)
    before = snapshot(tree)
    for ask in (perms(tree, file_mode="0600").check, perms(tree, file_mode="0600").apply):
        with pytest.raises(Stopped):
            ask(make_context(stop=stop, clock=make_context().clock))
    assert snapshot(tree) == before


def test_find_agrees(tree: Path) -> None:
    perms(tree, dir_mode="0750", file_mode="0640", rules=["bin/*=0555", "**/key=0400"]).apply(make_context())
    wrong = [
        "find", str(tree), "(", "-type", "d", "!", "-perm", "0750", ")", "-o",
        "(", "-type", "f", "-path", "*/bin/*", "!", "-perm", "0555", ")", "-o",
        "(", "-name", "key", "!", "-perm", "0400", ")", "-o",
        "(", "-type", "f", "!", "-path", "*/bin/*", "!", "-name", "key", "!", "-perm", "0640", ")",
    ]  # fmt: skip
    assert subprocess.run(wrong, check=True, capture_output=True, text=True).stdout == ""


def test_what_a_server_knows_no_more_is_tried_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = {os.lstat(tree / name).st_ino for name in ("readme", "etc")}
    fstat = os.fstat

    def as_nfs(fd: int) -> os.stat_result:
        found = fstat(fd)
        if found.st_ino in stale:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", as_nfs)
        with pytest.raises(TemporaryError, match=r"handle when looking into 2 of .*/etc.*/readme|/readme.*/etc"):
            perms(tree, file_mode="0600", dir_mode="0700").apply(make_context())
    assert perms(tree, file_mode="0600", dir_mode="0700").apply(make_context()).facts["changed"] == 3
