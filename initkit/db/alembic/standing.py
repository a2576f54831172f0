"""How far a database is next to an alembic project, without running anybody's code, where that is certain.

Without a lock, and without loading alembic or SQLAlchemy: this is what every pod asks at its start, when there is
nothing to do. Applying anything is a step's business, and so is asking alembic where this is `Unsure`.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from initkit.core.errors import PermanentError
from initkit.db.alembic import scripts
from initkit.db.alembic.graph import Graph
from initkit.db.alembic.project import Project, find
from initkit.db.alembic.unsure import Unsure
from initkit.db.ledger import Ledger, Row, execute_on_postgres, execute_on_sqlite, lineage
from initkit.db.revisions import Heads, Standing, VersionTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.core.step import Context
    from initkit.db.dsn import Database

    Rows = Callable[[], Sequence[Row]]

__all__ = ["Asked", "Unsure", "look", "refuse_several_heads", "source_of", "standing_of", "table_of"]

# settings of an ini's section that an engine takes and that change nothing of what is seen
_PLAIN_SETTINGS = ("sqlalchemy.echo", "sqlalchemy.pool", "sqlalchemy.max_overflow", "sqlalchemy.future")


class Asked(Protocol):
    """The options that say what is meant; see `MigrationOptions`."""

    @property
    def path(self) -> str:
        """Of the project."""
        ...

    @property
    def to(self) -> str:
        """How far to go."""
        ...

    @property
    def pythonpath(self) -> tuple[str, ...]:
        """Where env.py imports from besides."""
        ...

    @property
    def export(self) -> tuple[str, ...]:
        """More variables in which env.py finds the URL."""
        ...


def look(
    options: Asked,
    database: Database,
    context: Context,
    *,
    project: Project | None = None,
    table: VersionTable | None = None,
) -> Standing | Unsure:
    """How far the database is; or why only alembic can tell.

    Args:
        options: what is meant.
        database: which is asked.
        context: of the running step.
        project: the one of `options`, where it was found already.
        table: what `table_of` says of it, where it was asked already.

    Raises:
        InitkitError: the project is not there, or the database cannot be reached or read.
    """
    project = project or find(options.path, section=section_of(options))
    try:
        table = table or table_of(options, project, database, context)
        graph = Graph(scripts.read_all(project))
        if getattr(options, "single_head", False):
            refuse_several_heads(graph.heads, options.path)
        return _compared(graph, options.to, table, database, context)
    except Unsure as unsure:
        context.voice.detail(f"alembic itself is asked: {unsure.reason}")
        return unsure


def section_of(options: Asked) -> str:
    """The section of alembic.ini that options name; the option has one name in each kind."""
    return str(getattr(options, "section", None) or getattr(options, "name", "alembic"))


def table_of(options: Asked, project: Project, database: Database, context: Context) -> VersionTable:
    """The version table that env.py surely uses, in this very database.

    Raises:
        Unsure: it may be another.
        PermanentError: env.py cannot be read.
    """
    from initkit.db.alembic import env_imports, env_py  # noqa: PLC0415 - a database that is not ours to ask needs none

    if project.dynamic:
        raise Unsure(project.dynamic)
    if "search_path" in context.environ.get("PGOPTIONS", "") + database.address:
        raise Unsure("the connection has a search_path of its own")
    found = env_py.read(_source(project.env_py), section=project.section, exported=options.export)
    odd = [name for name in project.engine_options if not name.startswith(_PLAIN_SETTINGS)]
    if found.uses_settings and odd:
        raise Unsure(f"{project.ini} sets {odd[0]}")
    folders = (*options.pythonpath, *project.prepend_sys_path, *_around(project.script_location))
    env_imports.see_harmless(found.modules, folders)
    if found.table.schema and database.dialect == "sqlite":
        raise Unsure("a schema is an attached file there")
    return found.table


def _source(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise PermanentError(f"read {path}", error.strerror or str(error), "mount it") from error


def _around(folder: str) -> list[str]:
    """The folders that env.py is likely to put on its import path, besides the current one."""
    above = [folder]
    for _ in range(3):
        above.append(os.path.dirname(above[-1]))
    return [*above, os.getcwd()]


def refuse_several_heads(heads: Sequence[str], path: str) -> None:
    """See that migrations end in one head, where ``--single-head`` asks for that.

    Raises:
        PermanentError: they end in several.
    """
    if len(heads) > 1:
        cause = f"they end in {len(heads)} heads: {', '.join(sorted(heads))}"
        raise PermanentError(f"accept the migrations in {path}", cause, "join them with alembic merge heads")


def source_of(table: VersionTable) -> str:
    """Whose rows the ledger is asked for."""
    return f"{table.schema}.{table.name}" if table.schema else table.name


def standing_of(graph: Graph, heads: Heads, to: str, rows: Rows) -> Standing:
    """How far a database is that has `heads`.

    Args:
        graph: what there is to apply.
        heads: what its version table says.
        to: how far to go.
        rows: asks the ledger; called where something unknown is recorded.

    Raises:
        Unsure: alembic would see it in a way of its own, or refuse.
    """
    known = graph.scripts
    unknown = graph.unknown(heads)
    if unknown:
        below = lineage(rows(), unknown, tuple(known))
        here = graph.ancestors({*(below or ()), *(id_ for id_ in heads if id_ in known)})
        is_ahead = below is not None and set(graph.tops) <= here
        return Standing(heads, (), unknown, is_ahead=is_ahead, is_newest=is_ahead, is_empty=not known)
    pending = graph.pending(heads, to)
    return Standing(heads, pending, is_newest=not graph.beyond(heads), is_empty=not known)


def _compared(graph: Graph, to: str, table: VersionTable, database: Database, context: Context) -> Standing:
    if database.dialect == "sqlite":
        return _in_sqlite(graph, to, table, database, context)
    if database.dialect != "postgres":
        raise Unsure(f"a {database.dialect} database is asked by alembic")
    from initkit.db import postgres, revisions  # noqa: PLC0415 - the driver is loaded when a database is met

    task = f"read which revisions {database.shown} has"
    with closing(postgres.connect(database, context, role="look", autocommit=True)) as connection:
        heads = revisions.recorded_by(connection, context, table, task=task)

        def rows() -> Sequence[Row]:
            ledger = Ledger(execute_on_postgres(connection), "postgres", source_of(table), schema=table.schema)
            with postgres.cancelled_on_stop(connection, context, task):
                return ledger.rows()

        return standing_of(graph, heads, to, rows)


def _in_sqlite(graph: Graph, to: str, table: VersionTable, database: Database, context: Context) -> Standing:
    from initkit.db import revisions  # noqa: PLC0415 - the driver is loaded when a database is met

    task, path = f"read which revisions {database.shown} has", database.address

    def rows() -> Sequence[Row]:
        with revisions.reading_sqlite(path, context, task) as connection:
            return Ledger(execute_on_sqlite(connection), "sqlite", source_of(table)).rows() if connection else ()

    return standing_of(graph, revisions.recorded(database, context, table, task=task), to, rows)
