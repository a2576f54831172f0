"""How far a pass over a dataset has come, as people are told; who shows it is the reporter's business."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initkit.core.step import Context

_PAUSE = 0.2  # seconds between two words about the same
_MEGA = 1e6


class Progress:
    """One pass.

    Attributes:
        rows: how many have been read.
        size: bytes, once decompressed, that have been read.
        share: how much of the file has been read, from 0 to 1; None where that is not known.
    """

    def __init__(self, name: str, context: Context, unit: str = "rows") -> None:
        self.rows = 0
        self.size = 0
        self.share: float | None = None
        self._name = name
        self._context = context
        self._unit = unit
        self._begun = context.clock.now()
        self._told = self._begun

    def tell(self) -> None:
        """Say how far it is, unless that was said just now."""
        now = self._context.clock.now()
        if now - self._told >= _PAUSE:
            self._told = now
            self._context.voice.progress(self._name, self._text(now - self._begun), share=self.share)

    def end(self, following: str = "") -> None:
        """Say that all has been read, and what is done now."""
        self._context.voice.progress(self._name, f"{self._amount()} read{following}", share=self.share and 1.0)

    def _text(self, seconds: float) -> str:
        speed = f"{self.rows / seconds:.0f} {self._unit}/s" if self.rows else f"{self.size / _MEGA / seconds:.0f} MB/s"
        return f"{self._amount()}, {speed}"

    def _amount(self) -> str:
        size = f"{self.size / _MEGA:.0f} MB"
        unit = self._unit.removesuffix("s") if self.rows == 1 else self._unit
        return f"{self.rows} {unit}, {size}" if self.rows else size
