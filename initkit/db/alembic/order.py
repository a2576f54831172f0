"""The order in which alembic goes through revisions, newest first; which ones they are is `graph`'s business.

This is ``RevisionMap._topological_sort`` of ``alembic/script/revision.py`` (MIT licence), in the same steps: where
branches run side by side, several orders would do, and what is announced is to be what happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.db.alembic.graph import Graph


def sort(graph: Graph, wanted: set[str], targets: Sequence[str]) -> list[str]:
    """`wanted`, each before all that it builds upon."""
    places = {id_: place for place, id_ in enumerate(graph.scripts)}
    heads = sorted({id_ for id_ in targets if id_ in wanted}, key=places.__getitem__)
    return _Walk(graph, set(wanted), heads).done()


class _Walk:
    """One walk down several branches side by side; `heads` are where it stands in each."""

    def __init__(self, graph: Graph, left: set[str], heads: list[str]) -> None:
        self._graph = graph
        self._left = left
        self._heads = heads
        self._ancestors = [graph.ancestors([id_]) for id_ in heads]
        self._at = 0

    def done(self) -> list[str]:
        found: list[str] = []
        while self._heads:
            here = self._heads[self._at]
            waiting = self._waiting(here)
            if waiting is not None:
                self._at = waiting
                continue
            if here in self._left:
                found.append(here)
                self._left.remove(here)
            self._descend(here)
        return found

    def _waiting(self, here: str) -> int | None:
        """Another branch that must come to `here` first."""
        for other, ancestors in enumerate(self._ancestors):
            if other != self._at and here in ancestors:
                return other
        return None

    def _descend(self, here: str) -> None:
        graph = self._graph
        following = [id_ for id_ in graph.normal_below(here) if id_ in self._left and id_ not in self._heads]
        if not following:
            del self._heads[self._at], self._ancestors[self._at]
            self._at = max(self._at - 1, 0)
            return
        self._heads[self._at] = following[0]
        if not graph.normal_needs(here) and len(graph.scripts[here].down) == 1:
            self._ancestors[self._at].discard(here)
            return
        self._heads.extend(following[1:])
        self._ancestors[self._at] = graph.ancestors([following[0]])
        self._ancestors.extend(graph.ancestors([id_]) for id_ in following[1:])
