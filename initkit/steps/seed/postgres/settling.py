"""The constraints that were put off until all rows are in, and whom they blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.postgres import catalog
from initkit.steps.seed.postgres.blame import blames, refusal
from initkit.steps.seed.postgres.culprit import dangling, foreign_key
from initkit.steps.seed.postgres.savepoint import savepoint
from initkit.steps.seed.postgres.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from initkit.core.errors import PermanentError
    from initkit.db.postgres import Connection
    from initkit.steps.seed.postgres.culprit import ForeignKey
    from initkit.steps.seed.store import Loading

_ROOT = """
select format('%%I.%%I', n.nspname, c.relname)
from to_regclass(format('%%I.%%I', %s::text, %s::text)) named
join pg_class c on c.oid = coalesce(pg_partition_root(named), named)
join pg_namespace n on n.oid = c.relnamespace
"""


def check_constraints(connection: Connection, loaded: Sequence[Loading]) -> None:
    """Check them now, while it can still be told whose fault it is.

    Raises:
        PermanentError: a row of these datasets breaks one.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        with savepoint(connection):
            connection.execute("set constraints all immediate")
    except psycopg.Error as error:
        if not loaded or not blames(error):
            raise
        key = foreign_key(connection, error)
        of_table = _of_table(connection, error, key, loaded)
        if not of_table:  # SQL has written that row
            raise
        raise _blamed(connection, error, key, of_table) from error


def _of_table(
    connection: Connection, error: psycopg.Error, key: ForeignKey | None, loaded: Sequence[Loading]
) -> list[Loading]:
    """The datasets of the table that an error names; if it names none, the only one that there is."""
    if not error.diag.table_name:
        return list(loaded) if len(loaded) == 1 else []
    name = key.child if key else _root(connection, error)
    return [one for one in loaded if one.table.identity == name]


def _root(connection: Connection, error: psycopg.Error) -> str:
    """The identity of the table that an error names, or of that whose partition it is."""
    named = (error.diag.schema_name, error.diag.table_name)
    return str(connection.execute(_ROOT, named).fetchall()[0][0])


def _blamed(
    connection: Connection, error: psycopg.Error, key: ForeignKey | None, of_table: Sequence[Loading]
) -> PermanentError:
    for loading in of_table if key else ():
        if not loading.content.repeatable:
            continue
        stage = Stage(connection, loading, catalog.relation(connection, loading.table))
        stage.fill()
        number = dangling(connection, stage, key) if key else 0
        stage.drop()
        if number:
            return refusal(error, loading, number)
    return refusal(error, of_table[0])
