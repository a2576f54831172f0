"""The end of the transaction: foreign keys are checked there, and who broke one is found out."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.sqlite.catalog import parents
from initkit.steps.seed.sqlite.staged import NUMBER, TEMPORARY, Staged
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from initkit.core.step import Context
    from initkit.steps.seed.sqlite.catalog import Parent
    from initkit.steps.seed.store import Loading

_PAUSE = 0.1  # seconds between two looks at whether others still read
_ADVICE = "add the row that it refers to, or mend the file"


def commit(connection: sqlite3.Connection, loaded: Sequence[Loading], context: Context) -> None:
    """Commit, once nobody reads any more who would see half of it.

    Raises:
        PermanentError: a foreign key leads nowhere.
    """
    while True:
        try:
            connection.execute("commit")
        except sqlite3.IntegrityError as error:
            raise _broken(connection, loaded) from error
        except sqlite3.OperationalError as error:
            # https://www.sqlite.org/lang_transaction.html: it stays open, and committing may be tried again
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not context.remaining:
                raise
            context.clock.sleep(min(_PAUSE, context.remaining))
            context.stop.check()
        else:
            return


def _broken(connection: sqlite3.Connection, loaded: Sequence[Loading]) -> PermanentError:
    for loading in loaded:
        for parent in parents(connection, loading.table):
            found = _orphan(connection, loading, parent) if loading.content.repeatable else None
            if found:
                return found
    return _left_behind(connection, {loading.table.identity for loading in loaded})


def _orphan(connection: sqlite3.Connection, loading: Loading, parent: Parent) -> PermanentError | None:
    """The error for the first row of a dataset whose foreign key leads nowhere."""
    staged = Staged(connection, loading)
    try:
        if not {column for column, _ in parent.pairs} <= set(staged.columns):
            return None
        given = " and ".join(f"s.{quoted(column)} is not null" for column, _ in parent.pairs)
        refers = " and ".join(f"p.{quoted(to)} = s.{quoted(column)}" for column, to in parent.pairs)
        (number,) = connection.execute(
            f"select min(s.{NUMBER}) from {TEMPORARY} s where {given} "  # noqa: S608 - identifiers are quoted
            f"and not exists (select 1 from main.{quoted(parent.table)} p where {refers})"
        ).fetchone()
    finally:
        staged.drop()
    if not number:
        return None
    line, values = loading.content.place(loading.table, number)
    columns = [column for column, _ in parent.pairs]
    shown = ", ".join(values.get(column) or "" for column in columns)
    reason = f"there is no such row in table {parent.table}"
    dataset = loading.content.dataset
    return bad_row(dataset, line, reason, column=", ".join(columns), value=shown, advice=_ADVICE)


def _left_behind(connection: sqlite3.Connection, loaded: Collection[str]) -> PermanentError:
    """The error for foreign keys that lead nowhere, though no row of a file shows it: what they led to was deleted.

    Args:
        connection: in the transaction that cannot be committed.
        loaded: the identities of the tables that were; what is wrong between others was so before.
    """
    counts: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.execute("pragma main.foreign_key_check"):
        if not loaded or table.lower() in loaded or parent.lower() in loaded:
            counts[table, parent] = counts.get((table, parent), 0) + 1
    said = [f"{count} of {table} refer to rows of {parent}" for (table, parent), count in counts.items()]
    return PermanentError(
        "commit what was seeded",
        f"rows would refer to rows that are not there: {', '.join(said) or 'a foreign key leads nowhere'}",
        "keep the rows that others refer to, or delete those others first",
    )
