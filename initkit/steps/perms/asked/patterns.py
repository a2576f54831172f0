"""How far patterns have come on the way down a tree; what that means for an entry is the concern of `places`.

A pattern is never compared with a whole path. It has a position before each of its parts and one at its end. A name
carries a position one part further, if it fits; ``**`` also stays where it is. So a folder in the depth costs what the
first one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms.asked.glob import ANY_FOLDERS, is_literal, name_pattern, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Stride(NamedTuple):
    """Where names lead from a set of positions. Sets are numbers: a bit for each position of each pattern.

    Attributes:
        always: where any name leads.
        named: where a name leads besides that is a part of a pattern itself.
        matched: where one leads besides that fits a part with wildcards.
    """

    always: int
    named: dict[str, int]
    matched: list[tuple[Callable[[str], object], int]]

    def after(self, name: str) -> int:
        """Where this name leads."""
        reached = self.always | self.named.get(name, 0)
        for fits, there in self.matched:
            if fits(name):
                reached |= there
        return reached

    def only(self, mask: int) -> Stride:
        """The same, as far as it leads to positions in `mask`."""
        return Stride(
            self.always & mask,
            {name: there & mask for name, there in self.named.items() if there & mask},
            [(fits, there & mask) for fits, there in self.matched if there & mask],
        )

    @property
    def varies(self) -> bool:
        """Whether it depends on the name where it leads."""
        return bool(self.named or self.matched)


NOWHERE = Stride(0, {}, [])


class Edge(NamedTuple):
    """What one position waits for, and where it leads then: a name, one that fits, or any name (both None)."""

    there: int
    name: str | None = None
    fits: Callable[[str], object] | None = None


class Patterns:
    """All patterns side by side, their positions numbered through.

    Attributes:
        start: where the root is.
        ends: the last position of each pattern: who has come there has been matched.
        beyond: a position that no name leads to.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        """Take the patterns apart.

        Raises:
            re.error: one is none.
        """
        self.start = 0
        self.ends: list[int] = []
        self._edges: list[Edge | None] = []
        for glob in globs:
            self._add(parts(glob))
        self.beyond = 1 << len(self._edges)

    def stride(self, positions: int) -> Stride:
        """Where names lead from these positions."""
        always = 0
        named: dict[str, int] = {}
        matched: dict[Callable[[str], object], int] = {}
        for edge in self._edges_at(positions):
            if edge.name is not None:
                named[edge.name] = named.get(edge.name, 0) | edge.there
            elif edge.fits is not None:
                matched[edge.fits] = matched.get(edge.fits, 0) | edge.there
            else:
                always |= edge.there
        return Stride(always, named, list(matched.items()))

    def _edges_at(self, positions: int) -> Iterator[Edge]:
        while positions:
            lowest = positions & -positions
            edge = self._edges[lowest.bit_length() - 1]
            if edge is not None:
                yield edge
            positions ^= lowest

    def _add(self, names: Sequence[str]) -> None:
        first = len(self._edges)
        self.ends.append(1 << (first + len(names)))
        reached = [self._reached(names, i) << first for i in range(len(names) + 1)]
        self.start |= reached[0]
        self._edges += [_edge(name, reached[i], reached[i + 1]) for i, name in enumerate(names)]
        self._edges.append(None)

    @staticmethod
    def _reached(names: Sequence[str], i: int) -> int:
        """Position `i`, and the next one where ``**`` stands there: it may be no folder at all."""
        return 1 << i | (2 << i if i < len(names) and names[i] == ANY_FOLDERS else 0)


def _edge(part: str, here: int, there: int) -> Edge:
    if part == ANY_FOLDERS:
        return Edge(here)
    if part == "*":
        return Edge(there)
    return Edge(there, name=part) if is_literal(part) else Edge(there, fits=name_pattern(part).fullmatch)
