"""Full volumes, layers of images, few rights, hostile neighbours: nothing is stuck for good, and nobody harmed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_need import need, need_program

from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.outcome import Pending, Satisfied
from initkit.steps.git.calling.failures import from_os
from initkit.steps.git.publish import manifest
from initkit.steps.git.publish.manifest import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_clock import VirtualClock
    from fix_git import Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

_RUN = Path(__file__).with_name("run_step.py")


def test_a_full_volume_is_cleared_of_what_fills_it(
    make_git: MakeGit, origin: Origin, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_git().apply(make_context())
    filling = dest / ".initkit" / "tmp-0123456789abcdef"
    filling.mkdir()
    write = os.pwrite

    def full(descriptor: int, text: bytes, offset: int) -> int:
        if filling.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, text, offset)

    monkeypatch.setattr(os, "pwrite", full)
    origin.commit({"index.html": "two"})
    make_git().apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"
    assert not filling.exists()


def test_what_was_kept_long_enough_makes_room_for_what_is_new(
    make_git: MakeGit, origin: Origin, dest: Path, clock: VirtualClock
) -> None:
    for text in ("one", "two"):
        origin.commit({"index.html": text})
        make_git().apply(make_context(clock=clock))
    clock.advance(100)
    trees = (dest / ".initkit").glob("*-*.json")
    with pytest.raises(PermanentError):  # as on a volume that has room for two
        make_git(max_files="1", ref=origin.commit({"index.html": "three"})).apply(make_context(clock=clock))
    assert len(list(trees)) == 1
    assert (dest / "current" / "index.html").read_text() == "two"


def _keep_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have folders that are no longer in the making refuse a new name, as those of an image's layer do."""
    rename = os.rename

    def refuse(source: str, target: str, **folders: int) -> None:
        at = os.readlink(f"/proc/self/fd/{folders['src_dir_fd']}") if folders else ""
        path = os.path.join(at, source)
        if os.path.isdir(path) and not os.path.islink(path) and "/tmp-" not in path:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
        rename(source, target, **folders)

    monkeypatch.setattr(os, "rename", refuse)


@pytest.mark.parametrize("layout", ["link", "plain"])
def test_what_stands_in_a_layer_of_an_image_is_replaced(
    make_git: MakeGit, origin: Origin, dest: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    step = make_git(layout=layout, git_dir="keep", keep_for="0")
    step.apply(make_context())
    _keep_folders(monkeypatch)
    sha = origin.commit({"index.html": "two"})
    step.apply(make_context())
    root = dest / "current" if layout == "link" else dest
    assert (root / "index.html").read_text() == "two"
    assert origin.git("-c", "safe.directory=*", "-C", str(root), "rev-parse", "HEAD") == sha
    trees = [path.name for path in (dest / ".initkit").iterdir() if path.is_dir() and "-" in path.name]
    assert [name[:40] for name in trees] == ([sha] if layout == "link" else [])


@pytest.mark.parametrize("name", ["../victim", "site/../../victim"])
def test_a_list_of_files_that_leads_outside_is_not_obeyed(
    make_git: MakeGit, origin: Origin, dest: Path, name: str
) -> None:
    victim = dest.parent / "victim"
    victim.write_text("mine")
    step = make_git(layout="plain")
    step.apply(make_context())
    (dest / ".initkit" / "files").write_bytes(manifest.show([Entry("f", name)]))
    origin.commit({"index.html": "two"})
    with pytest.raises(PermanentError, match="list of our files in it, is damaged"):
        step.apply(make_context())
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("start", [1, 5])
def test_a_list_of_files_with_a_hole_is_noticed(make_git: MakeGit, dest: Path, start: int) -> None:
    step = make_git()
    step.apply(make_context())
    [file] = (dest / ".initkit").glob("*.files")
    text = bytearray(file.read_bytes())
    hole = text.index(b"\0f ") + start
    text[hole : hole + 10] = bytes(10)  # as a crash of the node leaves a page that did not reach the disk
    file.write_bytes(text)
    finding = step.check(make_context())
    assert isinstance(finding, Pending)
    assert "the list of its files is damaged" in finding.detail
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


@pytest.mark.parametrize("wrong", ['"time": "x"', '"time": 1e400', '"time": 99999999999999', '"time": null'])
def test_a_record_with_other_values_than_ours_is_none(
    make_git: MakeGit, dest: Path, tmp_path: Path, wrong: str
) -> None:
    step = make_git(record=str(tmp_path / "record"))
    step.apply(make_context())
    [file] = (dest / ".initkit").glob("*.json")
    head, _, _ = file.read_text().partition('"time"')
    file.write_text(f"{head}{wrong}}}")
    assert isinstance(step.check(make_context()), Pending)
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


def test_a_record_never_takes_the_place_of_what_is_no_file(make_git: MakeGit, dest: Path, tmp_path: Path) -> None:
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "stdout", tmp_path / "fifo", dest, dest.parent):
        step = make_git(record=str(path))
        for act in (step.check, step.apply):
            with pytest.raises(PermanentError, match="it is no file; give a file's name with --record"):
                act(make_context())
    assert not dest.exists()
    assert (tmp_path / "stdout").is_symlink()
    assert (tmp_path / "fifo").is_fifo()


@pytest.mark.parametrize("layout", ["link", "plain"])
def test_a_time_that_no_file_can_have_is_not_taken_for_a_change(make_git: MakeGit, origin: Origin, layout: str) -> None:
    commit = "commit refs/heads/far\ncommitter A <a@example.org> 9000000000000000000 +0000\ndata 1\nx\n"
    origin.git("fast-import", "--quiet", feed=(commit + "M 100644 inline a\ndata 1\na\n").encode())
    step = make_git(layout=layout, mtime="commit", ref="far")
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


@pytest.mark.parametrize("mtime", ["checkout", "commit"])
@pytest.mark.parametrize("layout", ["link", "plain"])
def test_content_is_given_away_by_a_root_that_has_no_right_but_chown(
    origin: Origin, dest: Path, layout: str, mtime: str
) -> None:
    need(os.geteuid() == 0, "root, to give files away")
    need_program("setpriv", "util-linux")
    words = [f"repository={origin.path}", f"dest={dest}", f"layout={layout}", "owner=12345:23456", "keep-for=0"]
    words += [f"mtime={mtime}", "git-dir=keep"]
    few = ["setpriv", "--bounding-set=-all,+chown", "--inh-caps=-all"]
    for change in ({"new/file": "new"}, {"new": "a file now", "site/page.html": "page two", "more/file": "x"}):
        origin.git("rm", "--quiet", "-r", "--ignore-unmatch", "new", "site/deep")
        origin.commit(change)
        done = subprocess.run([*few, sys.executable, str(_RUN), *words], check=False, capture_output=True, text=True)
        assert done.stdout.split() == ["ready", "changed"], done.stdout + done.stderr
    root = (dest / "current").resolve() if layout == "link" else dest
    found = [path for path in root.rglob("*") if not {".initkit", ".git"} & set(path.relative_to(root).parts)]
    names = {"new", "site", "site/page.html", "index.html", "more", "more/file"}
    assert {str(path.relative_to(root)) for path in found} == names
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(12345, 23456)}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o755}
    assert len(list((dest / ".initkit").glob("*-*/"))) == (layout == "link")


def test_folders_that_were_made_read_only_do_not_stand_in_the_way(
    make_git: MakeGit, origin: Origin, dest: Path
) -> None:
    step = make_git(layout="plain")
    step.apply(make_context())
    (dest / "site" / "deep").chmod(0o555)
    (dest / "site").chmod(0o555)
    origin.git("rm", "--quiet", "-r", "site/deep")
    origin.commit({"site/page.html": "page two"})
    step.apply(make_context())
    assert (dest / "site" / "page.html").read_text() == "page two"
    assert not (dest / "site" / "deep").exists()
    assert (dest / "site").stat().st_mode & 0o777 == 0o755


def test_a_git_that_the_kernel_killed_is_no_fault_of_the_repository(
    make_git: MakeGit, dest: Path, tmp_path: Path
) -> None:
    git = need_program("git")
    killed = tmp_path / "bin" / "git"
    killed.parent.mkdir()
    killed.write_text(f'#!/bin/sh\ncase "$*" in *rev-list*) kill -9 $$ ;; esac\nexec {git} "$@"\n')
    killed.chmod(0o755)
    path = f"{killed.parent}:{os.environ['PATH']}"
    with pytest.raises(TemporaryError, match="git died of signal 9"):
        make_git().apply(make_context(environ={"PATH": path}))
    make_git().apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_name_that_cannot_be_taken_is_told_and_not_the_temporary_one() -> None:
    error = OSError(errno.EACCES, os.strerror(errno.EACCES), "/dest/.initkit/tmp-0", None, "/dest/current")
    assert from_os("publish in /dest", error).cause == "Permission denied: /dest/current"


def test_a_name_that_is_too_long_is_not_tried_again(make_git: MakeGit, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="File name too long"):
        make_git(record=str(tmp_path / ("x" * 250))).apply(make_context())
