"""Which database a run migrates: the one behind a pooler, where somebody has said how to come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.db.dsn import DIRECT_VARIABLES, DatabaseOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.db.dsn import Database
    from initkit.steps.migrate.step import Migrate


def database_of(options: Migrate, environ: Mapping[str, str]) -> Database:
    """The database: of ``--direct-url*``, else of ``--url*``, else of the variables, else as for any other step.

    A URL that was typed goes before a variable that may be there for another program: whether that leads past a pooler
    to the same database is asked once a pooler is met (`past_pooler`).

    Raises:
        InitkitError: as `DatabaseOptions.database` has it.
    """
    return (
        _typed(options, environ)
        or options.typed_database(environ)
        or _of_variable(options, environ)
        or DatabaseOptions.database(options, environ)
    )


def past_pooler(options: Migrate, database: Database, environ: Mapping[str, str]) -> Database | None:
    """Where else the same database is said to be, now that `database` is known for a pooler; None where nobody does.

    Raises:
        UsageError: a variable that should say so holds no address.
        PermanentError: its address cannot be read.
    """
    from initkit.db.pg.hosts import understood  # noqa: PLC0415 - it loads the driver

    if _typed(options, environ) is not None:
        return None
    found = _of_variable(options, environ)
    if found is None or found.dialect != "postgres" or found.address == database.address:
        return None
    names = [understood(one, environ).options.get("dbname") for one in (found, database)]
    return found if names[0] == names[1] else None


def _typed(options: Migrate, environ: Mapping[str, str]) -> Database | None:
    given = options.direct_url, options.direct_url_env, options.direct_url_file
    return options.one_of(*given, environ, option="--direct-url")


def _of_variable(options: Migrate, environ: Mapping[str, str]) -> Database | None:
    name = next((name for name in DIRECT_VARIABLES if environ.get(name, "").strip()), None)
    return options.from_variable(name, environ) if name else None
