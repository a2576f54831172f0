"""Keeping a container alive until the time is over or a file is touched."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import Stopped
from initkit.engine import hold

if TYPE_CHECKING:
    from pathlib import Path

    from fix_clock import RecordingVoice, VirtualClock


def test_it_ends_when_the_time_is_over(clock: VirtualClock, voice: RecordingVoice) -> None:
    assert hold.hold(61.2, None, clock, voice) == "the time is over"
    assert clock.now() == pytest.approx(1061.2)
    assert voice.notes == ["holding for 1m1.2s"]


@pytest.mark.parametrize("there_before", [False, True])
def test_it_ends_when_the_file_is_touched(
    clock: VirtualClock, voice: RecordingVoice, tmp_path: Path, *, there_before: bool
) -> None:
    path = tmp_path / "release"
    if there_before:
        path.touch()
        os.utime(path, (1, 1))
    clock.after(1000, lambda: hold.release(str(path)))
    assert hold.hold(0, str(path), clock, voice) == f"{path} was touched"
    assert clock.now() <= 2001
    assert voice.notes == [
        f"holding until it is stopped; `initkit hold --release` in this container, or touching {path}, ends it"
    ]


def test_it_ends_when_the_file_is_taken_away(clock: VirtualClock, voice: RecordingVoice, tmp_path: Path) -> None:
    path = tmp_path / "release"
    path.touch()
    clock.after(3, path.unlink)
    assert hold.hold(60, str(path), clock, voice) == f"{path} was touched"


def test_a_signal_ends_it(clock: VirtualClock, voice: RecordingVoice) -> None:
    def stop() -> None:
        raise Stopped(15)

    clock.after(5, stop)
    with pytest.raises(Stopped):
        hold.hold(0, None, clock, voice)


def test_the_file_lies_where_it_can_be_written(tmp_path: Path) -> None:
    assert hold.release_file({"TMPDIR": str(tmp_path)}) == str(tmp_path / "initkit-release")
    assert hold.release_file({"TMPDIR": str(tmp_path / "missing")}) in {
        "/tmp/initkit-release",
        "/dev/shm/initkit-release",
        None,
    }


def test_where_nothing_can_be_written_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert hold.release_file({"TMPDIR": "/anywhere"}) is None


def test_a_file_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hold.release(str(tmp_path / "missing" / "file"))
