"""The display on a terminal: lines as in a log, and below them what is missing just now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TextIO

from initkit.core.redact import redact
from initkit.core.values import show_duration
from initkit.engine.report import TextSink, text_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.live import Live
    from rich.table import Table

    from initkit.core.clock import Clock
    from initkit.engine.report import Event, Missing

_SHOWN = 12  # rows of what is missing
_PATIENCE = 0.4  # seconds before the display appears: what is there at once needs none


class LiveSink:
    """Writes lines, and keeps a table of what is missing below them while there is something."""

    shows_missing: ClassVar[bool] = True

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

    def update(self, missing: Sequence[Missing]) -> None:
        """Show what is missing just now."""
        if not missing:
            self.close()
            return
        now = self._clock.now()
        if self._since is None:
            self._since = now
        if self._live is None and now - self._since >= _PATIENCE:
            self._start()
        if self._live is not None:
            self._live.update(_table(missing, now))

    def close(self) -> None:
        """Take the table away."""
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
