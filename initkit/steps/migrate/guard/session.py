"""Settings of the sessions that migrate on PostgreSQL, none of which env.py or an SQL file has to know of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from initkit.db import postgres

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.steps.migrate.step import Migrate

# the server's versions that know them: https://www.postgresql.org/docs/release/
_SINCE = {
    "tcp_user_timeout": 120000,
    "client_connection_check_interval": 140000,
    "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}
# A migration takes as long as it takes, whatever a role or database is limited to by default.
_UNLIMITED = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}
# A server looks at its client only when it has something to tell: the statement of a killed pod would run to its end,
# and keep its locks; https://www.postgresql.org/docs/current/runtime-config-connection.html
# A node that is gone sends nothing at all, which keepalives find out: after 5 + 3 x 3 s.
WATCHFUL = {
    "client_connection_check_interval": "1000",  # milliseconds
    "tcp_keepalives_idle": "5",  # seconds
    "tcp_keepalives_interval": "3",  # seconds
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",  # milliseconds
}
LOCKING = _UNLIMITED | WATCHFUL


def settings_for(options: Migrate) -> dict[str, str]:
    """The settings for a session that migrates, by name."""
    return LOCKING | {"lock_timeout": postgres.milliseconds(options.ddl_lock_timeout or math.inf)}


def apply_settings(connection: Any, settings: Mapping[str, str], version: int) -> list[str]:  # noqa: ANN401 - any DBAPI connection to PostgreSQL
    """Set what the server knows and lets us set; none of it is worth to fail for.

    Args:
        connection: psycopg's, or whatever SQLAlchemy has wrapped around one; not inside a transaction, nor is it
            afterwards.
        settings: values by name.
        version: of the server, as libpq counts (150004); 0 where it is unknown.

    Returns:
        the names of those that the server refused.
    """
    known = {name: value for name, value in settings.items() if version >= _SINCE.get(name, 0)}
    if not known or _set(connection, known):  # all at once takes one round trip
        return []
    return [name for name, value in known.items() if not _set(connection, {name: value})]


def _set(connection: Any, settings: Mapping[str, str]) -> bool:  # noqa: ANN401 - as above
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    cursor = connection.cursor()
    try:
        cursor.execute(f"select {calls}", [text for pair in settings.items() for text in pair])
    except psycopg.DatabaseError:
        if not connection.autocommit:
            connection.rollback()
        return False
    else:
        if not connection.autocommit:
            connection.commit()  # else a rollback would take them back
        return True
    finally:
        cursor.close()
