"""Migrations on disk for the benchmarks, the same for alembic and as SQL files; nothing here touches a database."""

from __future__ import annotations

import os
from typing import NamedTuple

ROWS = 20_000  # in the table that the indices are made on

_INI = "[alembic]\nscript_location = {folder}\nsqlalchemy.url = {url}\n"
_ENV = """\
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
connectable = engine_from_config(config.get_section(config.config_ini_section), "sqlalchemy.", poolclass=pool.NullPool)
with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=None{more})
    with context.begin_transaction():
        context.run_migrations()
"""
_REVISION = '''\
"""{message}

Revision ID: {name}
Revises: {down}
"""

from alembic import op

revision = {name!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade():
{body}


def downgrade():
    raise NotImplementedError
'''


class Revision(NamedTuple):
    """One of a chain.

    Attributes:
        name: ``r007``.
        message: what it does.
        statements: of SQL.
        alone: whether it is a single one that works outside transactions.
    """

    name: str
    message: str
    statements: tuple[str, ...]
    alone: bool = False

    @property
    def index(self) -> str:
        """What it makes where it is alone."""
        return f"ix_{self.name}"


def chain(count: int, *, alone_every: int = 0, seconds: float = 0.0, rows: int = ROWS) -> list[Revision]:
    """So many revisions, each but the lone ones written into the table `journal` as often as it is applied.

    Args:
        count: how many.
        alone_every: each so many'th is a single ``CREATE INDEX CONCURRENTLY``; 0 for none.
        seconds: that each of the others sleeps in the middle.
        rows: of the table `big`, which the indices are made on.
    """
    revisions = [_first(rows)]
    for number in range(1, count):
        name = f"r{number:03}"
        lone = alone_every and number % alone_every == 0
        revisions.append(_lone(name) if lone else _ordinary(name, seconds))
    return revisions


def _first(rows: int) -> Revision:
    return Revision(
        "r000",
        "make the journal and the table that indices are for",
        (
            "create table journal (name text not null)",
            f"create table big as select i, md5(i::text) as body from generate_series(1, {rows}) as i",  # noqa: S608 - a number
            "insert into journal values ('r000')",
        ),
    )


def _lone(name: str) -> Revision:
    # an expression that differs each time: it takes a while, and no index can be taken for another
    statement = f"create index concurrently ix_{name} on big (md5(body || '{name}'))"
    return Revision(name, "make an index", (statement,), alone=True)


def _ordinary(name: str, seconds: float) -> Revision:
    statements = [
        f"create table t_{name} (id integer primary key, body text not null)",
        f"insert into journal values ('{name}')",  # noqa: S608 - a name of ours
        f"create index ix_t_{name} on t_{name} (body)",
    ]
    if seconds:
        statements.insert(2, f"select pg_sleep({seconds})")
    return Revision(name, "make a table", tuple(statements))


def write_alembic(folder: str, revisions: list[Revision], *, each_by_itself: bool = False) -> str:
    """Write an alembic project; return its folder.

    Args:
        folder: to be made.
        revisions: in order.
        each_by_itself: whether env.py asks for a transaction for each revision; else there is one for all.
    """
    os.makedirs(os.path.join(folder, "versions"))
    _write(folder, "env.py", _ENV.format(more=", transaction_per_migration=True" if each_by_itself else ""))
    _write(folder, "alembic.ini", _INI.format(folder="%(here)s", url="driver://given/by-initkit"))
    down = None
    for one in revisions:
        body = "\n".join(f"    op.execute({statement!r})" for statement in one.statements)
        if one.alone:
            body = f"    with op.get_context().autocommit_block():\n    {body}"
        text = _REVISION.format(name=one.name, message=one.message, down=down, body=body)
        _write(folder, f"versions/{one.name}_{one.message.replace(' ', '_')}.py", text)
        down = one.name
    return folder


def write_ini(folder: str, url: str) -> str:
    """A second alembic.ini for plain alembic, with the URL in it; return its path."""
    address = url.replace("postgresql://", "postgresql+psycopg://", 1).replace("%", "%%")
    return _write(folder, "plain.ini", _INI.format(folder="%(here)s", url=address))


def write_sql(folder: str, revisions: list[Revision]) -> str:
    """Write them as SQL files; return their folder."""
    os.makedirs(folder)
    for number, one in enumerate(revisions, 1):
        first = "-- initkit: no-transaction\n" if one.alone else ""
        text = first + "".join(f"{statement};\n" for statement in one.statements)
        _write(folder, f"{number:04}_{one.name}.sql", text)
    return folder


def _write(folder: str, name: str, text: str) -> str:
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path
