"""One holder at a time; the others wait no longer than they may, and say for whom."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.errors import Stopped, TemporaryError
from initkit.core.stop import Stop
from initkit.steps.git.publish.lock import held

if TYPE_CHECKING:
    from pathlib import Path

    from fix_clock import VirtualClock


def test_a_second_holder_waits_until_its_deadline_and_names_the_first(
    tmp_path: Path, clock: VirtualClock, voice: RecordingVoice
) -> None:
    path = str(tmp_path / "lock")
    with held(path, make_context()):
        context = make_context(clock=clock, voice=voice, timeout=3)
        with pytest.raises(TemporaryError, match=f"process {os.getpid()} holds it"), held(path, context):
            pass
    assert clock.now() == pytest.approx(context.deadline)
    assert voice.notes == [
        f"waiting for {os.uname().nodename}, process {os.getpid()}, which is publishing in {tmp_path}"
    ]


def test_a_lock_is_free_again_after_its_holder(tmp_path: Path, clock: VirtualClock) -> None:
    path = str(tmp_path / "lock")
    for _ in range(2):
        with held(path, make_context(clock=clock)) as descriptor:
            assert os.get_inheritable(descriptor) is False


def test_waiting_ends_when_the_end_is_asked_for(tmp_path: Path) -> None:
    stop = Stop()
    path = str(tmp_path / "lock")
    with held(path, make_context()):
        threading.Timer(0.1, stop.request, [15]).start()
        with pytest.raises(Stopped), held(path, make_context(stop=stop)):
            pass


def test_a_lock_file_that_was_removed_meanwhile_is_made_anew(tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "lock"
    with held(str(path), make_context()):
        clock.after(1, path.unlink)
        with held(str(path), make_context(clock=clock)):
            assert path.exists()


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), held(str(tmp_path / "lock"), make_context()):
        pass
    assert not (tmp_path / "elsewhere").exists()
