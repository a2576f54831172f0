"""How revisions build upon one another: what is to be applied, in alembic's own order; files are read elsewhere.

The rules are those of ``RevisionMap`` in ``alembic/script/revision.py`` (MIT licence), for what ``alembic upgrade``
asks of it; a property test holds the two against each other. Where alembic's own answer depends on the order of a set,
or is an error, it is `Unsure`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.db.alembic.order import sort
from initkit.db.alembic.unsure import Unsure
from initkit.db.revisions import Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from initkit.db.alembic.scripts import Script

_SHORTEST = 4  # characters of a partial identifier's match: alembic's own limit is on what it finds
_RELATIVE = re.compile(r"(?:(.+?)@)?(\w+)?((?:\+|-)\d+)")
_SYMBOLS = frozenset({"head", "heads", "base"})


class Graph:
    """The revisions of a project.

    Attributes:
        scripts: by identifier, in the order in which they were read.
        heads: those that no other names as its ``down_revision``, as ``alembic heads`` shows them.
        tops: those that no other builds upon in any way: what ``heads`` means as a target.
    """

    def __init__(self, scripts: Sequence[Script]) -> None:
        """See that they fit together.

        Raises:
            Unsure: alembic would refuse them, or warn.
        """
        self.scripts = {script.revision: script for script in scripts}
        if len(self.scripts) < len(scripts):
            raise Unsure("two files have the same revision")
        self._labelled = self._labels(scripts)
        self._needs = {script.revision: self._dependencies(script) for script in scripts}
        below = {down for script in scripts for down in script.down}
        self.heads = tuple(id_ for id_ in self.scripts if id_ not in below)
        below |= {need for needs in self._needs.values() for need in needs}
        self.tops = tuple(id_ for id_ in self.scripts if id_ not in below)
        self._see_no_cycle()

    def _labels(self, scripts: Sequence[Script]) -> dict[str, str]:
        found: dict[str, str] = {}
        for script in scripts:
            for label in script.labels:
                if label in found or label in self.scripts or label in _SYMBOLS:
                    raise Unsure(f"the branch label {label} is taken twice")
                found[label] = script.revision
        return found

    def _dependencies(self, script: Script) -> tuple[str, ...]:
        for down in script.down:
            if down not in self.scripts:
                raise Unsure(f"{script.file} builds upon {down}, which is missing")
        needs = [self._labelled.get(need, need) for need in script.depends_on]
        for need in needs:
            if need not in self.scripts:
                raise Unsure(f"{script.file} depends on {need}, which is missing")
        return tuple(dict.fromkeys(needs))

    def _see_no_cycle(self) -> None:
        left = {id_: set(self.below(id_)) for id_ in self.scripts}
        above: dict[str, list[str]] = {id_: [] for id_ in left}
        for id_, downs in left.items():
            for down in downs:
                above[down].append(id_)
        free = [id_ for id_, downs in left.items() if not downs]
        for id_ in free:  # it grows
            for upper in above[id_]:
                left[upper].discard(id_)
                if not left[upper]:
                    free.append(upper)
        if len(free) < len(left):
            raise Unsure("revisions go round in a circle")

    def below(self, id_: str) -> tuple[str, ...]:
        """What a revision builds upon or depends on, directly."""
        return tuple(dict.fromkeys((*self.scripts[id_].down, *self._needs[id_])))

    def _down(self, id_: str) -> tuple[str, ...]:
        return self.scripts[id_].down

    def ancestors(self, ids: Iterable[str]) -> set[str]:
        """These revisions, and all that they build upon or depend on."""
        return _reached(ids, self.below)

    def normal_needs(self, id_: str) -> tuple[str, ...]:
        """Its dependencies, without those that a revision which it builds upon has too."""
        needs = self._needs[id_]
        if not needs:
            return ()
        inherited = {need for below in _reached([id_], self._down) - {id_} for need in self._needs[below]}
        return tuple(need for need in needs if need not in inherited)

    def normal_below(self, id_: str) -> tuple[str, ...]:
        """What alembic walks down to from a revision, in its order."""
        return tuple(dict.fromkeys((*self.scripts[id_].down, *self.normal_needs(id_))))

    def resolve(self, to: str) -> tuple[str, ...]:
        """The revisions that a target means.

        Raises:
            Unsure: alembic would refuse it, or it is relative.
        """
        if _RELATIVE.match(to):
            raise Unsure(f"{to} is relative")
        label, at, symbol = to.rpartition("@")
        branch = self._one(label) if at else None
        if symbol == "heads":
            return self.tops if branch is None else self._of_branch(self.heads, branch)
        if symbol == "head":
            found = self.heads if branch is None else self._of_branch(self.heads, branch)
            if len(found) > 1:
                raise Unsure(f"{to} means several revisions")
            return found
        return (self._named(symbol, branch),)

    def _one(self, name: str) -> str:
        if name in self._labelled:
            return self._labelled[name]
        return self._named(name, None)

    def _named(self, name: str, branch: str | None) -> str:
        """The revision with an identifier, a label, or a beginning of one."""
        if not name or "@" in name or name in _SYMBOLS:
            raise Unsure(f"{name or 'nothing'} names no revision")
        known = {**{id_: id_ for id_ in self.scripts}, **self._labelled}
        if name in known:
            found = known[name]
        else:
            begun = [known[key] for key in known if len(key) >= _SHORTEST and key.startswith(name)]
            if branch is not None:
                begun = list(self._of_branch(begun, branch))
            if len(begun) != 1:
                raise Unsure(f"{name} names {len(begun)} revisions")
            found = begun[0]
        if branch is not None and not self._of_branch((found,), branch):
            raise Unsure(f"{name} is not on that branch")
        return found

    def _of_branch(self, ids: Iterable[str], branch: str) -> tuple[str, ...]:
        """Those that `branch` builds upon, or that build upon it; dependencies make no branch."""
        under = _reached([branch], self._down)
        return tuple(id_ for id_ in ids if id_ in under or branch in _reached([id_], self._down))

    def unknown(self, recorded: Iterable[str]) -> tuple[str, ...]:
        """What is recorded and not among the revisions.

        Raises:
            Unsure: alembic would take some of it for the beginning of one, or for a name.
        """
        found = tuple(id_ for id_ in recorded if id_ not in self.scripts)
        names = [*self.scripts, *self._labelled]
        for id_ in found:
            odd = id_ in _SYMBOLS or "@" in id_ or _is_number(id_)
            if odd or any(name.startswith(id_) for name in names):
                raise Unsure(f"{id_} is recorded, which alembic may take for another name")
        return found

    def pending(self, recorded: Sequence[str], to: str) -> tuple[Revision, ...]:
        """What is to be applied to come to `to`, in order, where `recorded` is applied.

        Raises:
            Unsure: alembic would refuse, or its order is not certain.
        """
        targets = self.resolve(to)
        self._see_apart(recorded)
        self._see_apart(targets)
        wanted = self.ancestors(targets) - self.ancestors(recorded)
        if any(len(self.normal_needs(id_)) > 1 for id_ in wanted):
            raise Unsure("a revision depends on several, which alembic takes in any order")
        return tuple(self.revision(id_) for id_ in reversed(sort(self, wanted, targets)))

    def _see_apart(self, ids: Sequence[str]) -> None:
        if len(set(ids)) < len(ids):
            raise Unsure("a revision is recorded twice")
        for id_ in ids:
            if (self.ancestors([id_]) - {id_}).intersection(ids):
                raise Unsure(f"{id_} stands beside one that it builds upon")

    def beyond(self, recorded: Iterable[str]) -> set[str]:
        """All revisions that are not applied where `recorded` is."""
        return self.scripts.keys() - self.ancestors(recorded)

    def revision(self, id_: str) -> Revision:
        """A revision as people know it."""
        script = self.scripts[id_]
        return Revision(id_, script.message, script.file, self.below(id_))


def _reached(ids: Iterable[str], below: Callable[[str], Iterable[str]]) -> set[str]:
    seen, todo = set[str](), list(ids)
    while todo:
        id_ = todo.pop()
        if id_ not in seen:
            seen.add(id_)
            todo.extend(below(id_))
    return seen


def _is_number(text: str) -> bool:
    try:
        return int(text) < 0
    except ValueError:
        return False
