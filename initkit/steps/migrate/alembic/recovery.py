"""Undoes what was left half done outside transactions, where that is certain; else says what a person must do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Collection

    from initkit.core.step import Voice
    from initkit.db.ledger import Ledger, Left, Row

_SHOWN = 200  # characters of a statement


def unfinished(ledger: Ledger) -> list[Row]:
    """The revisions that were begun outside transactions, and not noted to be applied."""
    return [row for row in ledger.rows() if row.state == "started"]


class Recovery:
    """Settles the rows of unfinished revisions, under the lock.

    Args:
        ledger: with the rows.
        connection: to PostgreSQL, in autocommit mode; None for another database.
        voice: is told what was done.
        source: whose rows.
        seconds: the longest that dropping an index may take.
    """

    def __init__(
        self, ledger: Ledger, connection: Any, voice: Voice, source: str, *, seconds: float = math.inf  # noqa: ANN401 - psycopg's
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._connection = connection
        self._voice = voice
        self._source = source
        self._seconds = seconds

    def settle(self, pending: Collection[str]) -> None:
        """Have each row applied, or gone so that its revision is run again.

        Args:
            pending: the revisions among them that the version table does not have.

        Raises:
            PermanentError: a person must finish or undo one.
        """
        for row in unfinished(self._ledger):
            if row.revision not in pending:  # somebody has stamped it
                self._ledger.write(row.but(state="applied", left=()))
            elif self._connection is not None and all(left.index for left in row.left):
                self._undo(row)
            else:
                raise self._half_done(row)

    def _undo(self, row: Row) -> None:
        dropped = [left.index for left in row.left if self._drop(left)]
        self._ledger.remove(row.revision)
        if dropped:
            self._voice.note(
                f"dropped {', '.join(dropped)}, which a run that was broken off was making; "
                f"revision {row.revision} will be run again",
                revision=row.revision,
            )

    def _drop(self, left: Left) -> bool:
        """Drop the index, valid or not, unless it was there before."""
        from initkit.db.pg import indexes  # noqa: PLC0415 - only where there is something to undo

        index = indexes.parse(left.index)
        found = indexes.identify(self._connection, index)
        if not found or found == left.before:
            return False
        indexes.drop(self._connection, index, seconds=self._seconds)
        return True

    def _half_done(self, row: Row) -> PermanentError:
        what = "; ".join(" ".join(left.statement.split())[:_SHOWN] for left in row.left)
        revision, source = (text.replace("'", "''") for text in (row.revision, self._source))
        delete = f"DELETE FROM {self._ledger.table} WHERE source = '{source}' AND revision = '{revision}'"  # noqa: S608 - shown
        return PermanentError(
            f"apply revision {row.revision} ({row.name})",
            f"it works outside transactions, and was broken off: what it may have left is: {what}",
            f"undo that by hand; or finish it by hand and run `alembic stamp {row.revision}`; then {delete}",
        )
