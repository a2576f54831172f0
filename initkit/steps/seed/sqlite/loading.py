"""Which way a dataset goes into its table: straight, or compared with it first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.sqlite.catalog import collations, covers, own_name, unique_keys
from initkit.steps.seed.sqlite.inserting import ThereAlreadyError, insert
from initkit.steps.seed.sqlite.merging import Merge
from initkit.steps.seed.sqlite.staged import NUMBER, TEMPORARY, Staged
from initkit.steps.seed.staging import KEYS, NULL_ADVICE, TWICE_ADVICE, key_stands_twice
from initkit.steps.seed.store import Counts
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from initkit.core.step import Context
    from initkit.steps.seed.sqlite.deleting import Deletion
    from initkit.steps.seed.store import Loading
    from initkit.steps.seed.tables import Table


class Left(NamedTuple):
    """What a load came to, and what it left to be deleted once all datasets are in."""

    counts: Counts
    deletion: Deletion | None = None


def load(connection: sqlite3.Connection, loading: Loading, context: Context, number: int) -> Left:
    """Bring a dataset's rows into its table.

    Args:
        connection: in a transaction.
        loading: which dataset, into which table.
        context: of the step.
        number: tells it from others of this transaction.

    Raises:
        PermanentError: something about the file or a row is wrong.
    """
    if loading.how == "insert":
        try:
            return Left(Counts(inserted=insert(connection, loading)))
        except ThereAlreadyError as error:
            raise _twin(connection, loading, error) or error.told from error
    direct = _into_the_empty(connection, loading)
    if direct:
        return Left(direct)
    merge = Merge(connection, loading, context, number)
    merge.find()
    counts = merge.write()
    merge.drop()
    return Left(counts, merge.deletion)


def _into_the_empty(connection: sqlite3.Connection, loading: Loading) -> Counts | None:
    """Insert straight into a table that is empty, and that sees by itself that no key stands there twice.

    None where it is another table, or a row is there twice: comparing tells best what is wrong.
    """
    if not loading.content.repeatable or not is_empty(connection, loading.table):
        return None
    if loading.key and not covers(connection, loading.table, collations(connection, loading.table, loading.key)):
        return None
    connection.execute("savepoint initkit_load")
    try:
        count = insert(connection, loading)
    except ThereAlreadyError:
        connection.execute("rollback to initkit_load")
        return None
    connection.execute("release initkit_load")
    return Counts(inserted=count)


def is_empty(connection: sqlite3.Connection, table: Table) -> bool:
    """Whether a table has no row."""
    return connection.execute(f"select 1 from {table.sql} limit 1").fetchone() is None  # noqa: S608 - identifiers are quoted


def _twin(connection: sqlite3.Connection, loading: Loading, error: ThereAlreadyError) -> PermanentError | None:
    """The error with both lines, where the row that is there already stands in the same file."""
    if not error.columns or not loading.content.repeatable:
        return None
    ways = next((key for key in unique_keys(connection, loading.table) if set(key) == set(error.columns)), None)
    if ways is None:
        return None
    try:
        staged = Staged(connection, loading)
    except PermanentError:  # in a later line; the first is told first
        return None
    twins = staged.twice(ways, error.number)
    return key_stands_twice(loading, *twins, tuple(ways)) if twins else None


def compare(connection: sqlite3.Connection, loading: Loading, context: Context) -> Counts:
    """What `load` would do; only temporary tables are written.

    Raises:
        PermanentError: as `load` does, but for what only writing shows: CHECK, triggers, foreign keys.
    """
    if loading.how != "insert":
        return Merge(connection, loading, context).find()
    staged = Staged(connection, loading)
    _refuse_nulls(connection, loading, staged)
    for ways in unique_keys(connection, loading.table):
        if set(ways) <= set(staged.columns):
            _refuse_twice(connection, loading, staged, ways)
    return Counts(inserted=staged.count)


def _refuse_nulls(connection: sqlite3.Connection, loading: Loading, staged: Staged) -> None:
    for name in staged.columns:
        numbers = ", ".join(str(number) for number, given in staged.sets if name in given)
        if not loading.table.columns[name].required or not numbers:
            continue
        (number,) = connection.execute(
            f"select min({NUMBER}) from {TEMPORARY} where {quoted(name)} is null and {KEYS} in ({numbers})"  # noqa: S608 - identifiers are quoted
        ).fetchone()
        if number:
            raise _refused(loading, number, "NOT NULL", (name,), NULL_ADVICE)


def _refuse_twice(connection: sqlite3.Connection, loading: Loading, staged: Staged, ways: Mapping[str, str]) -> None:
    twins = staged.twice(ways)
    if twins:
        raise key_stands_twice(loading, *twins, tuple(ways))
    same = " and ".join(f"t.{quoted(name)} = s.{quoted(name)} collate {way}" for name, way in ways.items())
    (number,) = connection.execute(
        f"select min(s.{NUMBER}) from {TEMPORARY} s join {loading.table.sql} t on {same}"  # noqa: S608 - identifiers are quoted
    ).fetchone()
    if number:
        raise _refused(loading, number, "UNIQUE", tuple(ways), TWICE_ADVICE)


def _refused(loading: Loading, number: int, what: str, columns: tuple[str, ...], advice: str) -> PermanentError:
    """The error that SQLite would have for a row, by its number."""
    line, values = loading.content.place(loading.table, number)
    reason = f"{what} constraint failed: {', '.join(f'{own_name(loading.table)}.{name}' for name in columns)}"
    value = values.get(columns[0]) if len(columns) == 1 else None
    return bad_row(loading.content.dataset, line, reason, column=", ".join(columns), value=value, advice=advice)
