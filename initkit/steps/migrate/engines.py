"""Which engine applies the migrations that a path holds; none is loaded that is not asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.steps.migrate.engine import Engine
    from initkit.steps.migrate.step import Migrate


def engine_for(options: Migrate, database: Database, context: Context) -> Engine:
    """The engine for `options`, for one attempt.

    Raises:
        PermanentError: the path holds nothing that can be applied.
    """
    from initkit.db.alembic.project import kind_of  # noqa: PLC0415 - not needed for --help

    if (kind_of(options.path) if options.engine == "auto" else options.engine) == "sql":
        from initkit.steps.migrate.sql.engine import SqlEngine  # noqa: PLC0415 - only where it is asked for

        return SqlEngine(options, database, context)
    from initkit.steps.migrate.alembic.engine import AlembicEngine  # noqa: PLC0415 - only where it is asked for

    return AlembicEngine(options, database, context)
