"""The display on a terminal: lines as in a log, and below them what is missing and what is under way just now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TextIO

from initkit.core.redact import redact
from initkit.core.values import show_duration
from initkit.engine.report import TextSink, text_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

    from initkit.core.clock import Clock
    from initkit.engine.progress import Progress
    from initkit.engine.report import Event, Missing

_SHOWN = 12  # rows of what is missing
_BARS = 12  # of what is under way
_WIDTH = 30  # of a bar
_PATIENCE = 0.4  # seconds before the display appears: what is there at once needs none


class LiveSink:
    """Writes lines, and below them keeps a table of what is missing and a bar for all that is under way."""

    shows_now: ClassVar[bool] = True

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._plain = TextSink(stream)
        self._stream = stream
        self._clock = clock
        self._live: Live | None = None
        self._since: float | None = None

    def write(self, event: Event) -> None:
        """Show one event, above the table."""
        if self._live is None:
            self._plain.write(event)
        else:
            self._live.console.print(text_line(event), markup=False, highlight=False, soft_wrap=True)

    def update(self, missing: Sequence[Missing], under_way: Sequence[Progress]) -> None:
        """Show what is missing and what is under way just now."""
        if not missing and not under_way:
            self.close()
            return
        now = self._clock.now()
        if self._since is None:
            self._since = now
        if self._live is None and now - self._since >= _PATIENCE:
            self._start()
        if self._live is not None:
            self._live.update(_display(missing, under_way, now))

    def close(self) -> None:
        """Take the display away."""
        self._since = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _start(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only on a terminal, and only once something is missing
        from rich.live import Live  # noqa: PLC0415

        # a host may be called :key:, which is no picture of one
        console = Console(file=self._stream, force_terminal=True, emoji=False)
        self._live = Live(console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._live.start()


def _display(missing: Sequence[Missing], under_way: Sequence[Progress], now: float) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415 - only on a terminal

    return Group(*([_table(missing, now)] if missing else []), *([_bars(under_way)] if under_way else []))


def _bars(under_way: Sequence[Progress]) -> Table:
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - only on a terminal
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    for one in [progress.redacted() for progress in under_way[-_BARS:]]:
        share = one.share
        # where nobody knows how much there is, the bar only shows that it goes on
        bar = ProgressBar(None if share is None else 1.0, share or 0.0, width=_WIDTH, pulse=share is None)
        table.add_row(Text(one.step), Text(one.name), bar, Text(one.percent), Text(one.text))
    return table


def _table(missing: Sequence[Missing], now: float) -> Table:
    from rich.table import Table  # noqa: PLC0415 - only on a terminal
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    for entry in missing[:_SHOWN]:
        spent = show_duration(round(now - entry.since))
        row = (entry.step, entry.name, redact(entry.why), spent, f"{entry.attempts} attempts")
        table.add_row(*(Text(redact(cell)) for cell in row))
    if len(missing) > _SHOWN:
        table.add_row(Text(f"and {len(missing) - _SHOWN} more"))
    return table
