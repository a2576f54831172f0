"""What is ours is kept in order; what is not ours is never touched."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git import Origin, snapshot

from initkit.core.errors import PermanentError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.steps.git.publish.place import Place
from initkit.steps.git.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_clock import VirtualClock

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


def _trees(dest: Path) -> set[str]:
    return {path.name for path in (dest / ".initkit").glob("*-*") if path.is_dir()}


def test_files_that_stood_in_the_folder_before_stay(make_git: MakeGit, dest: Path) -> None:
    (dest / "lost+found").mkdir(parents=True)
    (dest / "mine.txt").write_text("mine")
    make_git().apply(make_context())
    assert (dest / "mine.txt").read_text() == "mine"
    assert sorted(os.listdir(dest)) == [".initkit", "current", "lost+found", "mine.txt"]


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_a_current_that_is_not_ours_is_refused(make_git: MakeGit, dest: Path, what: str) -> None:
    dest.mkdir()
    current = dest / "current"
    if what == "folder":
        current.mkdir()
        (current / "mine.txt").write_text("mine")
    elif what == "file":
        current.write_text("mine")
    else:
        current.symlink_to("elsewhere")
    before = snapshot(dest)
    for act in (make_git().check, make_git().apply):
        with pytest.raises(PermanentError, match=rf"current is a {what}.* that initkit did not make; .*--link"):
            act(make_context())
    assert snapshot(dest) == before


def test_a_house_that_is_not_ours_is_refused(make_git: MakeGit, dest: Path) -> None:
    (dest / ".initkit").mkdir(parents=True)
    (dest / ".initkit" / "tmp-precious").write_text("mine")
    for act in (make_git().check, make_git().apply):
        with pytest.raises(PermanentError, match="initkit did not make; give another DEST"):
            act(make_context())
    assert (dest / ".initkit" / "tmp-precious").read_text() == "mine"


def test_a_house_that_is_a_link_is_refused(make_git: MakeGit, dest: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    dest.mkdir()
    (dest / ".initkit").symlink_to(tmp_path / "other")
    with pytest.raises(PermanentError, match="no folder that initkit did not make"):
        make_git().apply(make_context())
    assert os.listdir(tmp_path / "other") == []


def test_what_is_in_the_house_but_not_ours_is_left(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    make_git().apply(make_context())
    (dest / ".initkit" / "mine").mkdir()
    (dest / ".initkit" / "mine" / "file").write_text("mine")
    for text in ("two", "three", "four"):
        origin.commit({"index.html": text})
        make_git().apply(make_context())
    assert (dest / ".initkit" / "mine" / "file").read_text() == "mine"


def test_a_dest_that_is_a_file_is_refused(make_git: MakeGit, dest: Path) -> None:
    dest.write_text("mine")
    for act in (make_git().check, make_git().apply):
        with pytest.raises(PermanentError, match="Not a directory"):
            act(make_context())
    assert dest.read_text() == "mine"


def test_a_dest_below_missing_folders_is_made(make_git: MakeGit, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    make_git(dest=str(deep)).apply(make_context())
    assert (deep / "current" / "index.html").read_text() == "one"


def test_what_was_replaced_is_kept_as_long_as_asked_and_no_longer(
    make_git: MakeGit, origin: Origin, dest: Path, clock: VirtualClock
) -> None:
    step = make_git(keep_for="60s")
    shown = []
    for text in ("one", "two", "three"):
        clock.advance(40)
        origin.commit({"index.html": text})
        step.apply(make_context(clock=clock))
        shown.append((dest / "current").resolve().name)
    assert _trees(dest) == set(shown)
    clock.advance(25)  # the first was replaced 65 s ago, the second 25 s ago
    assert step.check(make_context(clock=clock)) == Pending(
        "would remove what was published before", (), Work(step).facts(shown[-1].partition("-")[0])
    )
    assert step.apply(make_context(clock=clock)).status is Status.OK
    assert _trees(dest) == set(shown[1:])
    assert isinstance(step.check(make_context(clock=clock)), Satisfied)
    clock.advance(40)
    origin.commit({"index.html": "four"})
    step.apply(make_context(clock=clock))
    assert _trees(dest) == {shown[2], (dest / "current").resolve().name}
    assert {path.stem for path in (dest / ".initkit").glob("*.json")} == _trees(dest)
    assert {path.stem for path in (dest / ".initkit").glob("*.files")} == _trees(dest)


def test_how_long_a_tree_was_replaced_is_known_after_a_kill_at_the_switch(
    make_git: MakeGit, origin: Origin, dest: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = make_git(keep_for="60s")
    step.apply(make_context(clock=clock))
    first = (dest / "current").resolve()
    clock.advance(1000)
    origin.commit({"index.html": "two"})
    with monkeypatch.context() as patch:
        patch.setattr(Place, "_switch", _then_die(Place._switch))
        with pytest.raises(KeyboardInterrupt):
            step.apply(make_context(clock=clock))
    assert (dest / "current").resolve() != first
    clock.advance(50)
    assert isinstance(step.check(make_context(clock=clock)), Satisfied)
    assert first.is_dir()
    clock.advance(11)
    step.apply(make_context(clock=clock))
    assert not first.exists()


def _then_die(done: Callable[..., None]) -> Callable[..., None]:
    def die(*arguments: object) -> None:
        done(*arguments)
        raise KeyboardInterrupt

    return die


def test_an_old_tree_that_any_link_leads_to_is_not_removed(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_git(keep_for="0")
    step.apply(make_context())
    pinned = os.readlink(dest / "current")
    (dest / "pinned").symlink_to(pinned)
    for text in ("two", "three"):
        origin.commit({"index.html": text})
        step.apply(make_context())
    assert (dest / "pinned" / "index.html").read_text() == "one"
    assert len(_trees(dest)) == 2
    (dest / "pinned").unlink()
    step.apply(make_context())
    assert len(_trees(dest)) == 1


def test_going_back_to_the_tree_before_fetches_nothing(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    first = origin.git("rev-parse", "HEAD")
    make_git(ref=first).apply(make_context())
    second = origin.commit({"index.html": "two"})
    make_git(ref=second).apply(make_context())
    origin.path.rename(origin.path.with_name("away"))
    assert make_git(ref=first).apply(make_context()).status is Status.CHANGED
    assert (dest / "current" / "index.html").read_text() == "one"


def test_two_links_in_one_folder_do_not_disturb_each_other(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.git("branch", "fixed")
    fixed = make_git(ref="fixed", link="fixed", subpath="site", keep_for="0")
    fixed.apply(make_context())
    for text in ("two", "three", "four"):
        origin.commit({"index.html": text})
        make_git(ref="main", keep_for="0").apply(make_context())
    assert isinstance(fixed.check(make_context()), Satisfied)
    assert (dest / "fixed" / "page.html").read_text() == "page one"
    assert len(_trees(dest)) == 2


def _lose_marker(dest: Path) -> None:
    next((dest / ".initkit").glob("*.json")).unlink()


def _empty_marker(dest: Path) -> None:
    next((dest / ".initkit").glob("*.json")).write_text("")


def _lose_tree(dest: Path) -> None:
    (dest / "current").resolve().rename(dest / "taken away")


def _lose_link(dest: Path) -> None:
    (dest / "current").unlink()


def _lead_astray(dest: Path) -> None:
    (dest / "current").unlink()
    (dest / "current").symlink_to(".initkit/nowhere")


@pytest.mark.parametrize("damage", [_lose_marker, _empty_marker, _lose_tree, _lose_link, _lead_astray])
def test_what_is_plainly_incomplete_is_made_whole(
    make_git: MakeGit, origin: Origin, dest: Path, damage: Callable[[Path], None]
) -> None:
    step = make_git(keep_for="0")
    step.apply(make_context())
    damage(dest)
    assert isinstance(step.check(make_context()), Pending)
    assert step.apply(make_context()).status is Status.CHANGED
    assert isinstance(step.check(make_context()), Satisfied)
    assert (dest / "current" / "index.html").read_text() == "one"
    for text in ("two", "three"):
        origin.commit({"index.html": text})
        step.apply(make_context())
    assert len(_trees(dest)) == 1


def test_what_killed_runs_left_is_cleared(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_git()
    step.apply(make_context())
    house = dest / ".initkit"
    (house / "tmp-link").symlink_to("gone")
    (house / "tmp-tree" / "deep").mkdir(parents=True)
    (house / "tmp-tree.index.lock").touch()
    unfinished = f"{'ab' * 20}-{'0' * 12}"
    (house / unfinished).mkdir()
    (house / f"{'cd' * 20}-{'0' * 12}.json").write_text("{}")
    store = house / "repository"
    for name in ("HEAD.lock", "shallow.lock", "config.lock", "refs/initkit/x.lock", "objects/pack/tmp_pack_x"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).touch()
    for ref in (store / "refs" / "initkit").iterdir():
        ref.with_name(f"{ref.name}.lock").touch()
    origin.commit({"index.html": "two"})
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"
    left = {path.name for path in house.rglob("*") if path.name.startswith("tmp") or path.name.endswith(".lock")}
    assert left == set()
    assert len(_trees(dest)) == 2
    assert len(list(house.glob("*.json"))) == 2


def test_the_record_says_what_is_there(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    make_git(ref="main", subpath="site").apply(make_context())
    record = json.loads(next((dest / ".initkit").glob("*.json")).read_text())
    assert record.pop("time") > 1_600_000_000
    assert record.pop("key").startswith(record["sha"])
    assert record == {
        "repository": str(origin.path),
        "ref": "main",
        "sha": origin.git("rev-parse", "HEAD"),
        "subpath": "site",
        "link": "current",
    }


def test_names_that_are_no_utf8_are_published(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    name = b"b\xe9b\xe9 \xf0\x9f\x8c\x8d\n"
    (origin.path / "site" / os.fsdecode(name)).write_text("x")
    origin.commit()
    make_git().apply(make_context())
    assert name in os.listdir(os.fsencode(dest / "current" / "site"))
