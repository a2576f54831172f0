"""The process is given back as it was lent."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.errors import Stopped
from initkit.core.stop import Stop
from initkit.steps.migrate.borrowed import borrowed

if TYPE_CHECKING:
    from pathlib import Path


def test_variables_streams_and_import_path_come_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_A", "before")
    before = dict(os.environ), list(sys.path), sys.stdout, sys.stderr, sys.dont_write_bytecode
    lent: list[str] = []

    def fail() -> None:
        with borrowed(make_context(), {"SHOP_A": "lent", "SHOP_B": "new"}, ["/nowhere"]):
            lent.extend([os.environ["SHOP_A"], os.environ["SHOP_B"], sys.path[0]])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert lent == ["lent", "new", "/nowhere"]
    assert (dict(os.environ), list(sys.path), sys.stdout, sys.stderr, sys.dont_write_bytecode) == before


def test_logging_comes_back_and_what_it_said_is_a_detail(voice: RecordingVoice) -> None:
    ours = logging.getLogger("initkit_test.ours")
    handlers = list(logging.root.handlers)
    with borrowed(make_context(voice=voice), {}, []):
        logging.basicConfig(level=logging.DEBUG, force=True)
        ours.disabled = True
        logging.getLogger("initkit_test.new").info("a line")
    assert any("a line" in line for line in voice.details)
    assert (list(logging.root.handlers), ours.disabled) == (handlers, False)


def test_only_the_borrowing_thread_is_listened_to(voice: RecordingVoice, capsys: pytest.CaptureFixture[str]) -> None:
    with borrowed(make_context(voice=voice), {}, []):
        other = threading.Thread(target=lambda: sys.stdout.write("from elsewhere\n"))
        other.start()
        other.join()
        sys.stdout.write("torn ")
        sys.stdout.write("apart\n")
        sys.stderr.write("without an end")
    assert voice.details == ["torn apart", "without an end"]
    assert capsys.readouterr().out == "from elsewhere\n"


def test_a_voice_may_write_to_the_stream_that_is_captured(capsys: pytest.CaptureFixture[str]) -> None:
    class Loud(RecordingVoice):
        def detail(self, text: str, **_facts: object) -> None:
            sys.stdout.write(f"said: {text}\n")

    with borrowed(make_context(voice=Loud()), {}, []):
        sys.stdout.write("hello\n")
    assert capsys.readouterr().out == "said: hello\n"


def test_warnings_are_details_and_never_errors(voice: RecordingVoice) -> None:
    with borrowed(make_context(voice=voice), {}, []):
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    assert voice.details[0].startswith("DeprecationWarning: old thing")


def test_modules_of_one_project_are_not_those_of_the_next(tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "initkit_test_models.py").write_text(f"NAME = {name!r}\n")
        with borrowed(make_context(), {}, [str(tmp_path / name)]):
            import initkit_test_models  # type: ignore[import-not-found]  # noqa: PLC0415 - made above

            seen.append(initkit_test_models.NAME)
    assert seen == ["one", "two"]
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_signal_ends_the_wait_for_another_that_borrows() -> None:
    stop = Stop()
    with borrowed(make_context(), {}, []):
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                with borrowed(make_context(stop=stop), {}, []):
                    pass
            except Stopped as stopped:
                caught.append(stopped)

        waiting = threading.Thread(target=wait)
        waiting.start()
        stop.request(15)
        waiting.join(5)
    assert len(caught) == 1
