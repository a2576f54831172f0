"""What a worker is told and what it answers, as octets; what it does between is known to `worker`.

`marshal` writes them: both ends are the same interpreter, and `pickle` takes longer to load than all the rest does.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms.asked.mode import parse_mode
from initkit.steps.perms.asked.places import Places
from initkit.steps.perms.asked.wanted import Terms, Wanted
from initkit.steps.perms.denied.causes import Failure
from initkit.steps.perms.walking.pool import Lines
from initkit.steps.perms.walking.tally import COUNTED, Shown, Tally

if TYPE_CHECKING:
    from typing import BinaryIO

    from initkit.steps.perms.asked.mode import Mode


class Job(NamedTuple):
    """What a worker is told.

    Attributes:
        terms: of the walk.
        places: what is asked of which entry.
        changing: whether what differs is changed.
        enough: whether the first difference ends the walk.
        lines: between all processes.
        number: of this one.
    """

    terms: Terms
    places: Places
    changing: bool
    enough: bool
    lines: Lines
    number: int

    def packed(self) -> bytes:
        """As octets."""
        places = self.places
        rules = [(glob, *wanted.plainly()) for glob, wanted in places.rules]
        asked = (rules, places.include, places.exclude, places.max_depth)
        return marshal.dumps((tuple(self.terms), asked, self.changing, self.enough, tuple(self.lines), self.number))


def read_job(file: BinaryIO) -> Job:
    """What `Job.packed` has written."""
    terms, (rules, *asked), changing, enough, lines, number = marshal.load(file)  # noqa: S302 - it is our own
    known = [
        (glob, Wanted(uid, gid, _mode(folder), _mode(plain), umask)) for glob, uid, gid, folder, plain, umask in rules
    ]
    return Job(Terms(*terms), Places(known, *asked), changing, enough, Lines(*lines), number)


def packed(found: Tally | str) -> bytes:
    """What a worker has met, or what went wrong, as octets."""
    if isinstance(found, str):
        return marshal.dumps(found)
    counts = [getattr(found, name) for name in COUNTED]
    shown = [(found.differing.first, found.differing.count), (found.linked.first, found.linked.count)]
    failures = [(tuple(failure), where.first, where.count) for failure, where in found.failures.items()]
    return marshal.dumps((counts, shown, found.first, failures))


def unpacked(answer: bytes) -> Tally | str:
    """What `packed` has written."""
    found = marshal.loads(answer)  # noqa: S302 - it is our own
    if isinstance(found, str):
        return found
    counts, (differing, linked), first, failures = found
    tally = Tally()
    for name, count in zip(COUNTED, counts, strict=True):
        setattr(tally, name, count)
    tally.differing, tally.linked, tally.first = Shown(*differing), Shown(*linked), first
    tally.failures = {Failure(*failure): Shown(*where) for failure, *where in failures}
    return tally


def _mode(text: str | None) -> Mode | None:
    return None if text is None else parse_mode(text)
