"""How `file` reads its options, and what it makes of several looks; the clock is the test's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import pytest
from fix_clock import VirtualClock, make_context

from initkit.core.assemble import assemble
from initkit.core.errors import TemporaryError
from initkit.core.options import Invalid
from initkit.steps.wait import contents
from initkit.steps.wait.memory import Memory, Observer
from initkit.steps.wait.schemes.file import File, parse_newer, parse_path
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from pathlib import Path


def file(**given: object) -> File:
    return assemble(File, {key.replace("_", "-"): value for key, value in given.items()})


def refused(**given: object) -> str:
    with pytest.raises(Invalid) as caught:
        file(**given)
    return str(caught.value)


def look(target: File, clock: VirtualClock) -> str:
    try:
        return target.probe(make_context(clock=clock))
    except TemporaryError as error:
        return error.cause


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("file:/vault/token", "file:/vault/token"),
        ("file:relative", "file:relative"),
        ("file:///vault/token", "file:/vault/token"),
        ("file://localhost/vault", "file:/vault"),
    ],
)
def test_a_path_has_many_spellings_and_one_name(text: str, name: str) -> None:
    assert assemble(Wait, {"targets": [text]}).targets[0].name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file:", "expected a path, got 'file:'"),
        ("file:/a\0b", "expected a path, got 'file:/a\\x00b'"),
        ("file://host/path", "expected file:PATH or file:///PATH, got 'file://host/path'"),
    ],
)
def test_words_that_are_no_path(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        assemble(Wait, {"targets": [text]})
    assert str(caught.value) == message


def test_a_bare_path_is_taken_as_it_is() -> None:
    assert parse_path("/a b") == "/a b"


def test_a_plan_gives_options() -> None:
    given = {"path": "/x", "type": "dir", "not-empty": "yes", "unchanged-for": "2s", "newer-than": "5m"}
    target = cast("Any", assemble(Wait, {"targets": [{"file": given}]}).targets[0])
    assert (target.type, target.not_empty, target.unchanged_for, target.newer_than) == ("dir", True, 2.0, 300.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "fifo"}, "expected one of file, dir, socket, got 'fifo'"),
        ({"type": "dir", "contains": "x"}, "expected --type file with --contains, got dir"),
        ({"type": "socket", "not_empty": "yes"}, "expected --type file or dir with --not-empty, got socket"),
        ({"contains": ""}, "expected a text, got none"),
        ({"unchanged_for": "0"}, "expected a duration longer than 0, got '0'"),
        ({"unchanged_for": "soon"}, "expected a duration such as 250ms, 30s or 1h30m, got 'soon'"),
        ({"newer_than": "0s"}, "expected a duration longer than 0, got '0s'"),
        ({"newer_than": "5m5"}, "expected a duration such as 250ms, 30s or 1h30m, got '5m5'"),
        ({"newer_than": "100000d"}, "expected a duration of at most ten years, got '100000d'"),
        ({"newer_than": ""}, "expected a path or a duration such as 5m, got ''"),
    ],
)
def test_options_that_cannot_be_meant(given: dict[str, object], message: str) -> None:
    assert refused(path="/x", **given) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [("5m", 300.0), ("1h30m", 5400.0), ("90", 90.0), ("./5m", "./5m"), ("/x/done", "/x/done"), ("done", "done")],
)
def test_newer_than_takes_a_duration_or_a_path(text: str, value: float | str) -> None:
    assert parse_newer(text) == value


def test_unchanged_counts_from_the_first_look_and_anew_after_each_change(tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "dump"
    path.write_text("a")
    os.utime(path, (1, 1))  # as cp -p sets it: its age says nothing
    target = file(path=str(path), unchanged_for="2s")
    waiting = "it is there but was not yet seen unchanged for 2s"
    assert look(target, clock) == waiting
    clock.advance(1.9)
    assert look(target, clock) == waiting
    path.write_text("ab")
    os.utime(path, (1, 1))
    clock.advance(0.1)
    assert look(target, clock) == waiting, "its size has changed"
    clock.advance(1.9)
    path.touch()
    assert look(target, clock) == waiting, "its mtime has changed"
    other = tmp_path / "other"
    other.write_text("ab")
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)
    clock.advance(2)
    assert look(target, clock) == waiting, "it is another file"
    clock.advance(2)
    assert look(target, clock) == "is there"


def test_a_file_that_went_away_has_not_been_unchanged(tmp_path: Path, clock: VirtualClock) -> None:
    path, aside = tmp_path / "dump", tmp_path / "aside"
    path.write_text("a")
    target = file(path=str(path), unchanged_for="2s")
    look(target, clock)
    path.rename(aside)
    clock.advance(1)
    assert look(target, clock) == "no such file or directory"
    aside.rename(path)
    clock.advance(1)
    assert look(target, clock) == "it is there but was not yet seen unchanged for 2s"


def test_whether_it_may_still_change_is_not_certain(tmp_path: Path, clock: VirtualClock) -> None:
    target = file(path=str(tmp_path), unchanged_for="1s")
    with pytest.raises(TemporaryError) as caught:
        target.probe(make_context(clock=clock))
    assert type(caught.value) is TemporaryError


def test_a_folder_changes_with_anything_in_its_tree(tmp_path: Path, clock: VirtualClock) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    target = file(path=str(tmp_path), unchanged_for="2s")
    assert look(target, clock) != "is there"
    clock.advance(2)
    assert look(target, clock) == "is there"
    (deep / "file").write_text("xy")
    assert look(target, clock) != "is there"
    clock.advance(2)
    assert look(target, clock) == "is there"


def test_equal_targets_have_seen_the_same_and_others_have_not(tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "x"
    path.touch()
    first, second = file(path=str(path), unchanged_for="2s"), file(path=str(path), unchanged_for="2s")
    other = file(path=str(path), unchanged_for="1s")
    look(first, clock)
    clock.advance(2)
    assert look(second, clock) == "is there"
    assert look(other, clock) != "is there"


def test_nothing_is_remembered_of_targets_that_are_no_more() -> None:
    memory = Memory(Observer)
    target = file(path="/x")
    kept = memory.of(target)
    assert memory.of(file(path="/x")) is kept
    assert memory.of(file(path="/y")) is not kept
    del target
    assert memory.of(file(path="/x")) is not kept


def test_a_slow_look_is_no_proof_for_the_time_it_took() -> None:
    observer = Observer()
    assert observer.saw("a", began=0.0, ended=5.0) == 0.0
    assert observer.saw("a", began=6.0, ended=9.0) == 1.0
    assert observer.saw("b", began=9.0, ended=9.0) == 0.0


def test_changed_within_a_duration_is_by_the_wall_clock(tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "beat"
    path.touch()
    target = file(path=str(path), newer_than="5m")
    os.utime(path, (clock.wall() - 301, clock.wall() - 301))
    assert look(target, clock) == "it is there but older than 5m"
    os.utime(path, (clock.wall() - 299, clock.wall() - 299))
    assert look(target, clock) == "is there"
    clock.advance(2)
    assert look(target, clock) == "it is there but older than 5m"


@pytest.mark.parametrize("needle", ["n", "needle", "ü needle"])
@pytest.mark.parametrize("before", [0, 1, contents._BLOCK - 3, contents._BLOCK, 2 * contents._BLOCK - 1])
def test_a_text_is_found_wherever_blocks_end(tmp_path: Path, clock: VirtualClock, before: int, needle: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"-" * before + needle.encode() + b"-" * 10)
    limit = contents.Limit(clock, 1.0)
    assert contents.holds(str(path), needle, limit)
    assert not contents.holds(str(path), needle + "x", limit)


def test_a_file_that_was_searched_in_vain_is_not_read_again_until_it_changes(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_text("starting\n")
    target = file(path=str(path), contains="ready")
    reads, read = [], os.read

    def counted(descriptor: int, size: int) -> bytes:
        reads.append(size)
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", counted)
    for _ in range(50):
        assert look(target, clock) == "it is there but does not hold the text"
        clock.advance(0.1)
    within_two_seconds = len(reads)
    for _ in range(50):
        look(target, clock)
        clock.advance(0.1)
    assert len(reads) == within_two_seconds < 60
    with path.open("a") as log:
        log.write("ready\n")
    assert look(target, clock) == "is there"


def test_without_the_text_it_is_certainly_not_so(tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "log"
    path.write_text("password=hunter2 is not it")
    with pytest.raises(AbsentError) as caught:
        file(path=str(path), contains="hunter3").probe(make_context(clock=clock))
    assert "hunter" not in str(caught.value)
