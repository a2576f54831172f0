"""The display on a terminal."""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING

import pytest
from fix_guard import eventually

from initkit.engine.live import LiveSink
from initkit.engine.report import Reporter

if TYPE_CHECKING:
    from fix_clock import VirtualClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def seen(self) -> str:
        """Everything written, without control sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_what_is_there_at_once_needs_no_display(terminal: Terminal, clock: VirtualClock) -> None:
    reporter = Reporter(LiveSink(terminal, clock), clock)
    reporter.voice("deps").missing("tcp://db:1", "refused", attempts=1)
    reporter.voice("deps").found("tcp://db:1", "is there", attempts=2, seconds=0.1)
    reporter.close()
    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().splitlines() == [
        "22:30:00 deps: waiting for tcp://db:1: refused",
        "22:30:00 deps: tcp://db:1 is there after 100ms (2 attempts)",
    ]


def test_what_is_missing_is_shown_below_the_lines_and_taken_away(terminal: Terminal, clock: VirtualClock) -> None:
    reporter = Reporter(LiveSink(terminal, clock), clock)
    voice = reporter.voice("deps")
    voice.missing("postgres://app:hunter2@db:key:/x", "[bold]refused[/bold] :warning:", attempts=1)
    clock.advance(5)
    voice.note("a [red]line[/red] of a host called :key:")
    voice.missing("postgres://app:hunter2@db:key:/x", "[bold]refused[/bold] :warning:", attempts=7)
    reporter.tick()
    row = r"deps +postgres://app:\*\*\*@db:key:/x +\[bold\]refused\[/bold\] :warning: +5s +7 attempts"
    eventually(lambda: re.search(row, terminal.seen()), "what is missing")  # it is drawn a few times a second
    assert "a [red]line[/red] of a host called :key:" in terminal.seen()
    assert "hunter2" not in terminal.getvalue()
    assert "\x1b[?25l" in terminal.getvalue(), "the cursor is hidden"
    reporter.close()
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l"), "and shown again"
    drawing = [thread for thread in threading.enumerate() if type(thread).__module__.startswith("rich")]
    for thread in drawing:
        thread.join(10)
    assert not any(thread.is_alive() for thread in drawing)


def test_what_is_under_way_is_shown_as_a_bar_and_taken_away(terminal: Terminal, clock: VirtualClock) -> None:
    reporter = Reporter(LiveSink(terminal, clock), clock)
    voice = reporter.voice("seed")
    voice.progress("postgres://app:hunter2@db", "1 row", share=0.1)
    voice.progress("[b]stdin[/b]", "2 rows :key:")
    assert terminal.getvalue() == "", "what is over at once needs no display"
    clock.advance(5)
    voice.progress("postgres://app:hunter2@db", "1200000 rows", share=0.439)
    voice.note("a line above")
    users = r"seed +postgres://app:\*\*\*@db +━{13}[╸╺━]* +43 % +1200000 rows *"
    stdin = r" *seed +\[b\]stdin\[/b\] +━{30} +2 rows :key:"
    rows = rf"{users}\n{stdin}"
    eventually(lambda: re.search(rows, terminal.seen()), "both bars")
    assert "a line above" in terminal.seen()
    for _ in range(20):
        clock.advance(1)
        reporter.tick()
    assert "stdin[/b]: 2 rows" not in terminal.seen(), "a line each ten seconds is for logs"
    assert "hunter2" not in terminal.getvalue()
    voice.done("[b]stdin[/b]")
    assert terminal.getvalue().count("\x1b[?25h") == 0
    voice.done("postgres://app:hunter2@db")
    assert terminal.getvalue().count("\x1b[?25h") == 1, "the cursor is shown again"
    reporter.close()


def test_the_display_goes_once_all_is_there_and_may_come_again(terminal: Terminal, clock: VirtualClock) -> None:
    sink = LiveSink(terminal, clock)
    reporter = Reporter(sink, clock)
    for name in ("first", "second"):
        reporter.voice("deps").missing(name, "refused", attempts=1)
        clock.advance(1)
        reporter.tick()
        assert sink._live is not None
        reporter.voice("deps").found(name, "is there", attempts=2, seconds=1)
        assert sink._live is None
    assert terminal.getvalue().count("\x1b[?25h") == terminal.getvalue().count("\x1b[?25l") == 2
    reporter.close()
    reporter.close()


def test_a_dozen_rows_are_shown_and_the_rest_counted(terminal: Terminal, clock: VirtualClock) -> None:
    reporter = Reporter(LiveSink(terminal, clock), clock)
    for i in range(15):
        reporter.voice("deps").missing(f"t{i}.", "y", attempts=1)
    clock.advance(1)
    reporter.tick()
    reporter.close()
    table = terminal.seen()[terminal.seen().index("1s") :]
    assert "and 3 more" in table
    assert "t12." not in table
