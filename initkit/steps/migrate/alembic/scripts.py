"""What alembic knows of a project's revisions: how far given heads are from them; it asks no database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError
from initkit.db.ledger import lineage
from initkit.db.revisions import Revision, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic.script import Script, ScriptDirectory

    from initkit.db.ledger import Row
    from initkit.db.revisions import Heads


def as_revision(script: Script) -> Revision:
    """What initkit knows of one of alembic's scripts."""
    message = (script.doc or "").strip().partition("\n")[0]
    down = script._all_down_revisions  # noqa: SLF001 - depends_on included, which the public attribute leaves out
    return Revision(script.revision, message, os.path.basename(script.path), tuple(down))


class Scripts:
    """The revisions, up to one of them.

    Attributes:
        directory: alembic's.
        all: all of them.
    """

    def __init__(self, directory: ScriptDirectory, to: str) -> None:
        self.directory = directory
        self.all = tuple(as_revision(script) for script in directory.walk_revisions())
        self._to = to

    def see_single_head(self, path: str) -> None:
        """See that there is no more than one head.

        Raises:
            PermanentError: there are several; the message names them.
        """
        heads = sorted(self.directory.get_heads())
        if len(heads) > 1:
            raise PermanentError(
                f"take the migrations in {path} for one line",
                f"they end in {len(heads)} heads: {', '.join(heads)}",
                "merge them with `alembic merge heads`, or leave out --single-head",
            )

    def steps(self, heads: Heads) -> list[Any]:
        """Alembic's steps from `heads` up, in order."""
        if not self.all:
            return []
        # what alembic.command.upgrade itself calls: its public forms raise other errors and leave the order to us
        return self.directory._upgrade_revs(self._to, heads)  # type: ignore[arg-type]  # noqa: SLF001

    def standing(self, heads: Heads, rows: Sequence[Row]) -> Standing:
        """How far a database is that has `heads`, and `rows` in its ledger."""
        unknown = tuple(sorted(set(heads) - {revision.id for revision in self.all}))
        newest = set(self.directory.get_heads()) <= set(heads)
        if unknown:
            is_ahead = self._is_below(heads, unknown, rows)
            return Standing(heads, (), unknown, is_ahead, is_newest=is_ahead, is_empty=not self.all)
        pending = tuple(as_revision(step.revision) for step in self.steps(heads))
        return Standing(heads, pending, is_newest=newest, is_empty=not self.all)

    def _is_below(self, heads: Heads, unknown: Heads, rows: Sequence[Row]) -> bool:
        below = lineage(rows, unknown, [revision.id for revision in self.all])
        if below is None:
            return False
        return self.up_to(below | (set(heads) - set(unknown))) >= {revision.id for revision in self.all}

    def up_to(self, heads: set[str]) -> set[str]:
        """All that is applied where `heads` are recorded, as far as it is known here."""
        down = {revision.id: revision.down for revision in self.all}
        found, todo = set[str](), [head for head in heads if head in down]
        while todo:
            one = todo.pop()
            if one not in found:
                found.add(one)
                todo.extend(down[one])
        return found
