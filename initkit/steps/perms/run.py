"""Walks over all roots: to look, or to change what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.perms.causes import failure_of, shown
from initkit.steps.perms.roots import opened
from initkit.steps.perms.settle import Refused, Vanished, difference, not_kept, settle
from initkit.steps.perms.tally import Tally
from initkit.steps.perms.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Context
    from initkit.steps.perms.rules import Rules, Wanted
    from initkit.steps.perms.settle import Difference
    from initkit.steps.perms.walk import Entry

_PAUSE = 0.02  # seconds until a replica that works on the same entry has made its three calls
_PAUSES = 25  # in one walk, so that a file system that ignores changes is not waited for entry by entry


def look(paths: Sequence[str], rules: Rules, context: Context) -> Tally:
    """Count what differs; nothing is written."""
    tally = Tally(looking=True)
    with opened(paths) as roots:
        for root in roots:
            walk = Walk(root, tally)
            for entry in walk.entries():
                context.stop.check()
                tally.seen += 1
                found = difference(entry.found, rules.wanted(entry.path))
                if found:
                    tally.differs(walk.full_path(entry.path), found)
    return tally


def change(paths: Sequence[str], rules: Rules, context: Context) -> Tally:
    """Change what differs, and count it; what is refused is counted, and does not end the walk."""
    tally = Tally()
    with opened(paths) as roots:
        for root in roots:
            Changing(Walk(root, tally), rules, tally, context).run()
    return tally


class Changing:
    """One walk that changes what differs."""

    def __init__(self, walk: Walk, rules: Rules, tally: Tally, context: Context) -> None:
        self._walk = walk
        self._rules = rules
        self._tally = tally
        self._context = context
        self._pauses = _PAUSES

    def run(self) -> None:
        """Go over all entries."""
        for entry in self._walk.entries():
            self._context.stop.check()
            self._tally.seen += 1
            wanted = self._rules.wanted(entry.path)
            if difference(entry.found, wanted):
                self._change(entry, wanted)

    def _change(self, entry: Entry, wanted: Wanted) -> None:
        path = self._walk.full_path(entry.path)
        try:
            with self._context.stop.in_flight():
                changed = self._settle(entry, wanted)
        except Vanished:
            self._tally.seen -= 1
            self._tally.vanished += 1
        except Refused as refused:
            self._tally.failed(path, failure_of(refused.operation, refused.error))
        else:
            if changed:
                self._tally.differs(path, changed)
                self._context.voice.detail(f"{shown(path)}: {changed}")

    def _settle(self, entry: Entry, wanted: Wanted) -> Difference:
        """Settle it, once more after a pause where it did not stay: a replica may have been between its calls."""
        settled = settle(entry, wanted)
        while settled.rest and self._pauses:
            self._pauses -= 1
            self._context.clock.sleep(_PAUSE)
            settled = settled.then(settle(entry, wanted))
        if settled.rest:
            raise not_kept(settled.rest)
        return settled.changed
