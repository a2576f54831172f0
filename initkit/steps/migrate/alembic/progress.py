"""What the child has told of an upgrade so far; what is made of it is the engine's business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.db.ledger import Left
from initkit.steps.migrate.alembic import wire
from initkit.steps.migrate.engine import Applied

if TYPE_CHECKING:
    from initkit.core.step import Voice
    from initkit.db.revisions import Revision
    from initkit.steps.migrate.alembic.wire import Event


class Progress:
    """Hears the child's events.

    Attributes:
        current: the revision under way.
        places: ``host:port/name`` or the file of each connection that env.py has made.
        sql: that was printed.
    """

    def __init__(self, voice: Voice) -> None:
        self.current: Revision | None = None
        self.places: list[str] = []
        self.sql = ""
        self.standings: list[Event] = []
        self._left: dict[str, list[Left]] = {}
        self._traced: dict[str, bool] = {}
        self._recorded: set[str] = set()
        self._applied: dict[str, Applied] = {}
        self._voice = voice

    @property
    def applied(self) -> list[Applied]:
        """The revisions that were applied; each counts once it is committed."""
        return list(self._applied.values())

    @property
    def left(self) -> list[Left]:
        """What of revisions is, or may be, committed by itself: no rollback undoes it."""
        return [left for several in self._left.values() for left in several]

    @property
    def unrecorded(self) -> list[Left]:
        """The same, of revisions whose version row is not known to be committed."""
        return [left for name, several in self._left.items() if name not in self._recorded for left in several]

    @property
    def is_traced(self) -> bool:
        """Whether all that is `unrecorded` is written down in the ledger."""
        return all(is_traced for revision, is_traced in self._traced.items() if revision not in self._recorded)

    def hear(self, event: Event) -> None:
        """Take one event in."""
        match event["event"]:
            case "begin":
                self.current = wire.revision_of(event["revision"])
                self._voice.note(f"applying {self.current}", revision=self.current.id)
            case "applied":
                self._count(wire.revision_of(event["revision"]), event["seconds"])
            case "left":
                self._leave(event["revision"], [Left(**one) for one in event["left"]], is_traced=event["traced"])
            case "recorded":
                self._recorded.update(event["revisions"])
            case "standing":
                self.standings.append(event)
            case "places":
                self.places = event["places"]
            case "sql":
                self.sql = event["text"]

    def _leave(self, revision: str, left: list[Left], *, is_traced: bool) -> None:
        self._recorded.discard(revision)  # in another database now
        self._left[revision] = left
        self._traced[revision] = self._traced.get(revision, True) and is_traced

    def _count(self, revision: Revision, seconds: float) -> None:
        """One revision counts once, in however many databases it was applied."""
        before = self._applied.get(revision.id)
        self._applied[revision.id] = Applied(revision, seconds + (before.seconds if before else 0.0))
        self.current = None
