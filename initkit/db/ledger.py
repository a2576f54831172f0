"""initkit's own record of the migrations that it applied: how it is written, in any database; who writes it: the steps.

For SQL files it says what is applied. For alembic, whose version table says that, it knows besides who applied a
revision and on top of what (so that a database that is ahead of its image is told from somebody else's), and what was
begun outside transactions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from initkit.core.record import Record

Execute = Callable[[str, Mapping[str, object]], Sequence[Sequence[Any]]]
"""Runs one statement with parameters written ``:name``; returns its rows, none for a statement that has none."""

Dialect = Literal["postgres", "sqlite", "mysql"]
TABLE = "initkit_migrations"
_TEXT = {"postgres": "text", "sqlite": "text", "mysql": "varchar(255)"}
_LONG = {"postgres": "text", "sqlite": "text", "mysql": "longtext"}
_MOMENT = {"postgres": "timestamptz", "sqlite": "text", "mysql": "timestamp"}
_FIELDS = ("revision", "state", "name", "down", "checksum", "left_behind", "position", "seconds", "applied_by")


class Left(Record):
    """A statement that was begun outside transactions.

    Attributes:
        statement: its text.
        index: the index that it makes, as SQL writes its name with its schema; empty where it makes none.
        before: what of that name was there before, as the database identifies it; empty for nothing.
    """

    statement: str
    index: str = ""
    before: str = ""


class Row(Record):
    """One migration in the ledger.

    Attributes:
        revision: its identifier.
        state: ``applied``; ``started`` for one that works outside transactions, until it is applied; ``baseline`` for
            one that was declared to be there.
        name: as people know it.
        down: the revisions that it was applied on top of.
        checksum: of its SQL; empty for alembic.
        left: what was begun outside transactions, while it is `started`, in order.
        position: counts up in the order in which they were applied.
        seconds: that it took.
        applied_by: the pod.
    """

    revision: str
    state: str = "applied"
    name: str = ""
    down: tuple[str, ...] = ()
    checksum: str = ""
    left: tuple[Left, ...] = ()
    position: int = 0
    seconds: float = 0.0
    applied_by: str = ""


class Ledger:
    """The ledger of one source of migrations.

    Args:
        execute: runs a statement, in whatever transaction its connection has.
        dialect: of the database.
        source: whose rows: ``sql``, or the version table of an alembic project with its schema.
        schema: that the table lies in; None for the connection's first.
        table: its name.
    """

    def __init__(
        self, execute: Execute, dialect: Dialect, source: str, *, schema: str | None = None, table: str = TABLE
    ) -> None:
        self._execute = execute
        self.dialect = dialect
        self._source = source
        self._schema = schema
        self._name = table
        self.table = ".".join(self._quoted(part) for part in (schema, table) if part)

    def _quoted(self, name: str) -> str:
        quote = "`" if self.dialect == "mysql" else '"'
        return quote + name.replace(quote, quote * 2) + quote

    def exists(self) -> bool:
        """Whether the table is there."""
        if self.dialect == "postgres":
            return self._execute("select to_regclass(:name)", {"name": self.table})[0][0] is not None
        if self.dialect == "sqlite":
            sql = "select 1 from sqlite_master where type = 'table' and name = :name"
        else:
            sql = "select 1 from information_schema.tables where table_schema = database() and table_name = :name"
        return bool(self._execute(sql, {"name": self._name}))

    def make(self) -> None:
        """Make the table where it is missing."""
        if self.exists():
            return
        try:
            self._execute(self._definition(), {})
        except Exception:  # PostgreSQL's IF NOT EXISTS fails where another makes it at that moment, under another lock
            with suppress(Exception):  # a transaction that has failed cannot be asked
                if self.exists():
                    return
            raise

    def _definition(self) -> str:
        text, long = _TEXT[self.dialect], _LONG[self.dialect]
        return (
            f"create table if not exists {self.table} ("
            f"source {text} not null, revision {text} not null, state {text} not null, name text not null, "
            f"down {long} not null, checksum {text} not null, left_behind {long} not null, position integer not null, "
            f"seconds double precision not null, applied_by {text} not null, "
            f"recorded_at {_MOMENT[self.dialect]} not null default current_timestamp, "
            "primary key (source, revision))"
        )

    def rows(self) -> list[Row]:
        """All rows, in the order in which they were applied; none where there is no table."""
        if not self.exists():
            return []
        # names of tables and columns are ours or quoted; values are parameters
        sql = f"select {', '.join(_FIELDS)} from {self.table} where source = :source order by position, revision"  # noqa: S608
        return [_row(values) for values in self._execute(sql, {"source": self._source})]

    def write(self, row: Row) -> None:
        """Put `row` in the place of the one with its revision, or last where its position is 0: in one statement.

        Somebody may be killed after any, and a connection may commit each by itself.
        """
        position = row.position or self._next()
        names = ("source", *_FIELDS)
        new = "values({0})" if self.dialect == "mysql" else "excluded.{0}"
        changes = ", ".join(f"{name} = {new.format(name)}" for name in _FIELDS if name != "revision")
        else_ = "on duplicate key update" if self.dialect == "mysql" else "on conflict (source, revision) do update set"
        self._execute(
            f"insert into {self.table} ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)}) "  # noqa: S608
            f"{else_} {changes}, recorded_at = current_timestamp",
            _values(row.but(position=position)) | {"source": self._source},
        )

    def remove(self, revision: str) -> None:
        """Take a row out."""
        sql = f"delete from {self.table} where source = :source and revision = :revision"  # noqa: S608
        self._execute(sql, {"source": self._source, "revision": revision})

    def _next(self) -> int:
        sql = f"select coalesce(max(position), 0) + 1 from {self.table} where source = :source"  # noqa: S608
        return int(self._execute(sql, {"source": self._source})[0][0])


def _values(row: Row) -> dict[str, object]:
    left = [{name: getattr(one, name) for name in ("statement", "index", "before")} for one in row.left]
    return {
        "revision": row.revision,
        "state": row.state,
        "name": row.name,
        "down": " ".join(row.down),
        "checksum": row.checksum,
        "left_behind": json.dumps(left) if left else "",
        "position": row.position,
        "seconds": round(row.seconds, 3),
        "applied_by": row.applied_by,
    }


def _row(values: Sequence[Any]) -> Row:
    found = dict(zip(_FIELDS, values, strict=True))
    left = tuple(Left(**one) for one in json.loads(found["left_behind"] or "[]"))
    return Row(
        revision=found["revision"],
        state=found["state"],
        name=found["name"],
        down=tuple(found["down"].split()),
        checksum=found["checksum"],
        left=left,
        position=int(found["position"]),
        seconds=float(found["seconds"]),
        applied_by=found["applied_by"],
    )


def lineage(rows: Sequence[Row], unknown: Sequence[str], known: Sequence[str]) -> set[str] | None:
    """The known revisions that `unknown` ones were applied on top of; None where the ledger has no trace of some."""
    found = {row.revision: row for row in rows if row.state != "started"}
    here, below, todo = set(known), set[str](), list(unknown)
    seen = set(todo)
    while todo:
        row = found.get(todo.pop())
        if row is None:
            return None
        for down in row.down:
            if down in here:
                below.add(down)
            elif down not in seen:
                seen.add(down)
                todo.append(down)
    return below


def execute_on_sqlite(connection: Any) -> Execute:  # noqa: ANN401 - sqlite3.Connection, which is not loaded here
    """`Execute` by a connection of sqlite3's."""
    return lambda sql, values: connection.execute(sql, dict(values)).fetchall()


def execute_on_postgres(connection: Any) -> Execute:  # noqa: ANN401 - psycopg.Connection, which is not loaded here
    """`Execute` by a connection of psycopg's."""
    import re  # noqa: PLC0415 - only where something is executed

    def execute(sql: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        if values:
            sql = re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql.replace("%", "%%"))
        cursor = connection.execute(sql, dict(values) or None)
        return list(cursor.fetchall()) if cursor.description else []

    return execute
