"""Waiting for real files: late, growing, swapped, huge, closed to us, and none that a look could disturb."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_files import ordinary_user

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.steps.wait.schemes.file import File
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from pathlib import Path

FAST = {"retry": {"timeout": "10s", "interval": "10ms", "max-interval": "20ms"}}


def watched(path: Path, voice: RecordingVoice | None = None, **options: object) -> None:
    target = {"file": {"path": str(path), **{key.replace("_", "-"): value for key, value in options.items()}}}
    assemble(Wait, {"targets": [target], **FAST}).watch(make_context(timeout=10.0, voice=voice))


def file(path: Path | str, **options: object) -> File:
    return assemble(File, {"path": str(path), **{key.replace("_", "-"): value for key, value in options.items()}})


def look(path: Path | str, **options: object) -> str:
    """What is found, or why not."""
    try:
        return file(path, **options).probe(make_context())
    except AbsentError as error:
        return error.cause


def failed(target: File, attempt_timeout: float = 10.0) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        target.probe(make_context(attempt_timeout=attempt_timeout))
    return caught.value


def test_a_file_that_appears_late_and_gets_its_content_later(tmp_path: Path) -> None:
    path, voice = tmp_path / "token", RecordingVoice()
    timers = [threading.Timer(0.2, path.touch), threading.Timer(0.4, path.write_text, ["x"])]
    for timer in timers:
        timer.start()
    watched(path, voice, not_empty="true")
    assert voice.missed[0][1] == "no such file or directory"
    assert voice.missed[-1][1] == "it is there but empty"
    for timer in timers:
        timer.join()


def test_files_folders_sockets_and_links(tmp_path: Path) -> None:
    file, folder, link, dangling = (tmp_path / name for name in ("file", "folder", "link", "dangling"))
    file.write_text("x")
    folder.mkdir()
    link.symlink_to(folder)
    dangling.symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert look(file) == look(folder) == look(link) == look(tmp_path / "socket") == "is there"
        assert look(tmp_path / "socket", type="socket") == "is there"
    assert look(dangling) == "no such file or directory"
    assert look(file, type="file") == look(link, type="dir") == "is there"
    assert look(folder, type="file") == "it is there but is no file"
    assert look(file, type="dir") == "it is there but is no dir"
    assert look(folder, not_empty="yes") == "it is there but empty"
    (folder / "entry").touch()
    assert look(folder, not_empty="yes") == "is there"
    assert look(file / "below") == "not a directory"


def test_a_file_is_ready_only_after_its_writer_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(b"x")

    def write() -> None:
        for _ in range(20):
            time.sleep(0.05)
            with path.open("ab") as dump:
                dump.write(b"x" * 100)

    writer = threading.Thread(target=write)
    writer.start()
    watched(path, unchanged_for="500ms")
    assert path.stat().st_size == 2001
    writer.join()


def test_a_tree_is_ready_only_after_who_fills_it_has_ended(tmp_path: Path) -> None:
    top = tmp_path / "site"
    (top / "a").mkdir(parents=True)

    def fill() -> None:
        for number in range(20):
            time.sleep(0.05)
            (top / "a" / str(number)).write_text("x")

    writer = threading.Thread(target=fill)
    writer.start()
    watched(top, unchanged_for="500ms")
    assert len(os.listdir(top / "a")) == 20
    writer.join()


def test_an_atomic_swap_of_a_mounted_volume_is_seen_through(tmp_path: Path) -> None:
    """The kubelet writes a new folder and renames ``..data``, which all visible names lead through."""
    for version, text in (("..1", "old"), ("..2", "new")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    target = file(tmp_path / "token", contains="new")
    assert failed(target).cause == "it is there but does not hold the text"
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert target.probe(make_context()) == "is there"


def test_a_text_that_is_written_late(tmp_path: Path) -> None:
    path, voice = tmp_path / "log", RecordingVoice()
    path.write_text("starting (1/2)\n")
    timer = threading.Timer(0.2, path.write_text, ["ready.*\n"])
    timer.start()
    watched(path, voice, contains="ready.*")
    timer.join()
    assert voice.missed[0][1] == "it is there but does not hold the text"


def test_a_text_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("ready now")
    assert look(tmp_path / "log", contains="ready.now") == "it is there but does not hold the text"


def test_a_huge_file_does_not_outlast_its_attempt(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as huge:
        huge.truncate(1 << 40)  # a hole, which takes no room
    began = time.monotonic()
    error = failed(file(path, contains="x"), attempt_timeout=0.3)
    assert time.monotonic() - began < 10
    assert type(error) is TemporaryError
    assert str(error) == f"cannot read {path}: it is too much for one attempt; raise --attempt-timeout"


def test_a_huge_tree_does_not_outlast_its_attempt(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / str(number)).touch()
    error = failed(file(tmp_path, unchanged_for="1s"), attempt_timeout=1e-6)
    assert type(error) is TemporaryError
    assert error.cause == "it is too much for one attempt"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, "is there"),
        ({"not_empty": "yes"}, "it is there but empty"),
        ({"contains": "x"}, "it is there but is no file"),
        ({"type": "file"}, "it is there but is no file"),
    ],
)
def test_a_fifo_is_never_opened(tmp_path: Path, options: dict[str, str], found: str) -> None:
    """Its writer would begin to write, and be ended by SIGPIPE."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    opened: list[str] = []

    def write() -> None:
        with path.open("wb"):
            opened.append("by its writer")

    writer = threading.Thread(target=write)
    writer.start()
    assert look(path, **options) == found
    opened.append("by us")
    with path.open("rb"):
        writer.join(10)
    assert opened == ["by us", "by its writer"]


def test_a_fifo_that_took_a_file_s_place_holds_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, fifo = tmp_path / "file", tmp_path / "fifo"
    path.write_text("x")
    os.mkfifo(fifo)
    really = os.open

    def swapped(name: str, flags: int) -> int:
        fifo.rename(path)  # between the look at it and the reading
        return really(name, flags)

    monkeypatch.setattr(os, "open", swapped)
    assert look(path, contains="x") == "it is there but is no file"


def test_a_device_is_no_file(tmp_path: Path) -> None:
    assert look("/dev/zero", contains="x") == "it is there but is no file"
    assert look("/dev/zero") == "is there"
    assert tmp_path.exists()


def test_newer_than_another_file(tmp_path: Path) -> None:
    built, source = tmp_path / "built", tmp_path / "source"
    built.touch()
    missing = failed(file(built, newer_than=str(source)))
    assert type(missing) is TemporaryError
    assert missing.cause == f"cannot look at {source} to compare: no such file or directory"
    source.touch()
    os.utime(built, (1000, 1000))
    os.utime(source, (1000, 1000))
    assert look(built, newer_than=str(source)) == f"it is there but not newer than {source}"
    os.utime(built, ns=(0, 1_000_000_000_001))
    assert look(built, newer_than=str(source)) == "is there"


def test_changed_within_the_last_minutes(tmp_path: Path) -> None:
    (tmp_path / "beat").touch()
    assert look(tmp_path / "beat", newer_than="5m") == "is there"
    os.utime(tmp_path / "beat", (time.time() - 400, time.time() - 400))
    assert look(tmp_path / "beat", newer_than="5m") == "it is there but older than 5m"


def test_what_this_user_may_not_see_is_suspect(volume: Path) -> None:
    closed, secret = volume / "closed", volume / "secret"
    closed.mkdir()
    (closed / "file").touch()
    secret.write_text("x")
    (volume / "tree" / "deep").mkdir(parents=True)
    volume.chmod(0o755)
    closed.chmod(0)
    secret.chmod(0)
    (volume / "tree" / "deep").chmod(0)
    with ordinary_user() as uid:
        hidden = failed(file(closed / "file"))
        unread = failed(file(secret, contains="x"))
        tree = failed(file(volume / "tree", unchanged_for="1s"))
        beside = failed(file(volume, newer_than=str(closed / "file")))
        assert look(secret) == "is there", "its folder may be searched"
    for error in (hidden, unread, tree, beside):
        assert isinstance(error, SuspectError)
    assert (hidden.task, hidden.cause) == (f"look at {closed}/file", f"permission denied for UID {uid}")
    assert hidden.advice.startswith(f"check the modes of {closed}/file and of the folders above it")
    assert (unread.task, tree.task) == (f"look at {secret}", f"look at {volume}/tree/deep")
    assert beside.advice == "check --newer-than"


def test_a_name_that_nothing_can_have_is_given_up_at_once() -> None:
    error = failed(file("/" + "x" * 300))
    assert isinstance(error, PermanentError)
    assert error.advice == "mend the target"


def test_a_loop_of_links_may_yet_be_mended(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert type(failed(file(tmp_path / "loop"))) is TemporaryError


def test_until_it_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    timer = threading.Timer(0.2, lock.unlink)
    timer.start()
    outcome = assemble(Wait, {"targets": [f"file:{lock}"], "not": "yes", **FAST}).watch(make_context(timeout=10.0))
    assert outcome.detail == "1 target gone"
    timer.join()
