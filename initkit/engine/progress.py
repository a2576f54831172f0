"""How far steps have come, and when that is worth a line; how it is shown is the sinks' business."""

from __future__ import annotations

from initkit.core.record import Record
from initkit.core.redact import redact


class Progress(Record):
    """Something that a step is at.

    Attributes:
        text: how far it has come, as the step puts it.
        share: the same from 0 to 1; None where that is not known.
    """

    step: str
    name: str
    text: str
    share: float | None = None

    @property
    def percent(self) -> str:
        """``43 %``; cut, not rounded, so that 100 means the end. Empty where it is not known."""
        return "" if self.share is None else f"{int(self.share * 100)} %"

    @property
    def line(self) -> str:
        """As people read it in a log."""
        return f"{self.name}: {', '.join(filter(None, (self.text, self.percent)))}"

    @property
    def facts(self) -> dict[str, object]:
        """The same for programs."""
        facts: dict[str, object] = {"name": self.name, "text": self.text}
        return facts if self.share is None else facts | {"share": round(self.share, 3)}

    def redacted(self) -> Progress:
        """The same as it may be shown."""
        return Progress(self.step, redact(self.name), redact(self.text), self.share)


class UnderWay:
    """What all steps are at; whoever uses it from several threads sees to a lock."""

    def __init__(self) -> None:
        self._progress: dict[tuple[str, str], Progress] = {}
        self._told: dict[str, float] = {}

    def put(self, progress: Progress, now: float) -> None:
        """It has come further."""
        self._told.setdefault(progress.step, now)
        self._progress[progress.step, progress.name] = progress

    def take(self, step: str, name: str) -> bool:
        """It is over; whether it had begun.

        The step's next line is still due when it would have been: a step may be at many things, each of them short.
        """
        return self._progress.pop((step, name), None) is not None

    def end(self, step: str) -> bool:
        """The step is at nothing any more; whether it was at anything."""
        gone = [key for key in self._progress if key[0] == step]
        for key in gone:
            del self._progress[key]
        self._told.pop(step, None)
        return bool(gone)

    def all(self) -> list[Progress]:
        """Everything, in the order in which it began."""
        return list(self._progress.values())

    def due(self, now: float, interval: float) -> list[Progress]:
        """What a line is to be written of: the step has been at something for so long, or since its last line."""
        due = {step for step, told in self._told.items() if now - told >= interval}
        found = [progress for progress in self._progress.values() if progress.step in due]
        self._told.update((progress.step, now) for progress in found)
        return found
