"""The ledger of what was seeded, as a table of PostgreSQL; what it is for is `ledger`'s business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, SuspectError
from initkit.steps.seed.ledger import TABLE, Entry

if TYPE_CHECKING:
    from initkit.db.postgres import Connection


def entries(connection: Connection) -> list[Entry]:
    """What was recorded; empty where there is no ledger yet.

    Raises:
        PermanentError: something else has its name.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    if not _exists(connection):
        return []
    try:
        rows = connection.execute(
            "select dataset, table_name, sha256, options, mode, rows, "  # noqa: S608 - a constant
            f"to_char(seeded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI UTC') from {TABLE}"
        )
    except psycopg.errors.UndefinedColumn as error:
        cause = f"{TABLE} is not the ledger of seed: {error.diag.message_primary}"
        raise PermanentError("read what was seeded", cause, "rename what has this name, or mend search_path") from error
    return [Entry(*row) for row in rows]


def _exists(connection: Connection) -> bool:
    return bool(connection.execute("select to_regclass(%s) is not null", (TABLE,)).fetchall()[0][0])


def record(connection: Connection, entry: Entry) -> None:
    """Write a row of the ledger, which is made where it is missing.

    Raises:
        SuspectError: this user may not make it.
    """
    if not _exists(connection):  # whoever may write to it need not be allowed to create tables
        _make(connection)
    connection.execute(
        f"insert into {TABLE} (dataset, table_name, sha256, options, mode, rows) "  # noqa: S608 - a constant
        "values (%s, %s, %s, %s, %s, %s) on conflict (dataset, table_name) do update set sha256 = excluded.sha256, "
        "options = excluded.options, mode = excluded.mode, rows = excluded.rows, seeded_at = now()",
        (entry.dataset, entry.table, entry.sha256, entry.options, entry.mode, entry.rows),
    )


def _make(connection: Connection) -> None:
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        connection.execute(
            f"create table {TABLE} (dataset text, table_name text, sha256 text not null, "
            "options text not null, mode text not null, rows bigint not null, "
            "seeded_at timestamptz not null default now(), primary key (dataset, table_name))"
        )
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
        raise SuspectError(
            "record what was seeded",
            f"the table {TABLE} is not there and cannot be created: {error.diag.message_primary}",
            "grant CREATE on the schema to this user, mend search_path, or create the table beforehand",
        ) from error
