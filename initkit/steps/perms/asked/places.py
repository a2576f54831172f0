"""Which entry is to have what, decided folder by folder; how patterns and modes are written is the concern of others.

What a folder has to know is how far the patterns have come on the way down to it (`patterns`). Folders where they have
come equally far are one and the same `Place`, so a tree of thousands has very few of them.

Worker processes load this, and are told the arguments of `Places`; nothing here may need the options.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from initkit.steps.perms.asked.patterns import NOWHERE, Patterns
from initkit.steps.perms.asked.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_UMASK = 0o10000  # what a rule asks for that takes no bits away after all: to `merged`, 0 says nothing
NOTHING = Wanted()
_PERMISSIONS = 0o777
_UNLIMITED = -1
_KEPT = 4096  # answers; names that strangers choose can bring some sets of patterns into any number of states


class Varies(Enum):
    """The type of `VARIES`."""

    VARIES = "varies"


VARIES: Final = Varies.VARIES
Plain = Wanted | Literal[Varies.VARIES] | None


def merged(earlier: Wanted, later: Wanted) -> Wanted:
    """What both ask for; where both do, what `later` says."""
    return Wanted(
        earlier.uid if later.uid is None else later.uid,
        earlier.gid if later.gid is None else later.gid,
        later.dir_mode or earlier.dir_mode,
        later.file_mode or earlier.file_mode,
        later.umask or earlier.umask,
    )


class Place:
    """One folder.

    Attributes:
        wanted: what the folder itself is to have; None: it is left alone.
        entered: whether anything in it is looked at at all.
        plain: what every entry of it that is no folder is to have (None: they are left alone); `VARIES`: ask `of`.
    """

    __slots__ = ("_all_below", "_entries", "_folders", "_left", "_places", "entered", "plain", "wanted")

    def __init__(self, places: Places, positions: int, left: int) -> None:
        """Made by `Places` only; `left` is how many levels below it are looked at."""
        self._places = places
        self._left = left
        self._all_below: Place | None = None
        self.wanted = places.wanted_at(positions)
        self.entered = left != 0 and not places.excluded_at(positions)
        self._folders = places.patterns.stride(positions) if self.entered else NOWHERE
        self._entries = self._folders.only(places.telling)
        self.plain: Plain = VARIES if self._entries.varies else self.of("")

    def of(self, name: str) -> Wanted | None:
        """What an entry of it that is no folder is to have; None: it is left alone."""
        return self._places.wanted_at(self._entries.after(name)) if self.entered else None

    def below(self, name: str) -> Place:
        """The folder of that name in it."""
        return self._all_below or self._below(name)

    def _below(self, name: str) -> Place:
        if not self.entered:
            return self._places.outside
        place = self._places.place(self._folders.after(name), max(self._left - 1, _UNLIMITED))
        if not self._folders.varies:
            self._all_below = place
        return place


class Places:
    """What all entries below a root are to have.

    Args:
        rules: patterns and what their entries are to have; of all that match, the last one decides each property.
        include: patterns of the only entries that are set; none: all are.
        exclude: patterns of entries that are left alone, folders with all that is in them.
        max_depth: levels below the root that are looked at, as find(1) has it; None: all.

    Raises:
        re.error: a pattern is none.
    """

    def __init__(
        self,
        rules: Sequence[tuple[str, Wanted]],
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_depth: int | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.max_depth = max_depth
        self.patterns = Patterns([*(glob for glob, _ in self.rules), *self.include, *self.exclude])
        ends = iter(self.patterns.ends)
        self._ruled = [(end, wanted) for (_, wanted), end in zip(self.rules, ends, strict=False)]
        self._included = sum(end for _, end in zip(self.include, ends, strict=False))
        self._excluded = sum(ends) | self.patterns.beyond
        self.telling = sum(self.patterns.ends) | self.patterns.beyond
        self._known: dict[int, Wanted | None] = {}
        self._same = {NOTHING: NOTHING}
        self._places: dict[tuple[int, int], Place] = {}

    def root(self) -> Place:
        """The root; where it is no folder, only `Place.wanted` says something of it."""
        return self.place(self.patterns.start, _UNLIMITED if self.max_depth is None else self.max_depth)

    def at(self, path: str) -> Place:
        """The folder at a path below the root, which is ``""`` itself."""
        place = self.root()
        for name in path.split("/") if path else ():
            place = place.below(name)
        return place

    @property
    def outside(self) -> Place:
        """A folder that is not looked at, like all below it."""
        return self.place(self.patterns.beyond, 0)

    def place(self, positions: int, left: int) -> Place:
        """The folder that patterns have come so far in, with so many levels left."""
        key = (positions, left)
        found = self._places.get(key)
        if found is None:
            if len(self._places) >= _KEPT:
                self._places.clear()
            found = self._places[key] = Place(self, positions, left)
        return found

    def excluded_at(self, positions: int) -> bool:
        """Whether a pattern of `exclude` has been matched there."""
        return bool(positions & self._excluded)

    def wanted_at(self, positions: int) -> Wanted | None:
        """What the rules that have been matched there ask for; the same object each time."""
        matched = positions & self.telling
        if matched not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[matched] = self._decided(matched)
        return self._known[matched]

    def _decided(self, matched: int) -> Wanted | None:
        if matched & self._excluded or (self.include and not matched & self._included):
            return None
        wanted = NOTHING
        for end, asked in self._ruled:
            if matched & end:
                wanted = merged(wanted, asked)
        wanted = wanted._replace(umask=wanted.umask & _PERMISSIONS)
        return self._same.setdefault(wanted, wanted)
