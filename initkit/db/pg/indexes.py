"""Indexes that are made outside transactions: their names, whether they are whole; when to drop one is the steps'.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY: what is interrupted leaves an
index of that name behind, marked invalid; or valid, where whoever asked for it is gone before it could note that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from initkit.core.record import Record
from initkit.db.sqlfiles.lexer import significant

if TYPE_CHECKING:
    import psycopg

    from initkit.db.sqlfiles.lexer import Token

    Connection = psycopg.Connection[Any]


class IndexName(Record):
    """An index as a statement names it; each name is as the catalogue has it, without quotes.

    Attributes:
        name: its own.
        schema: it lies in, which is its table's; empty for whichever the search path finds the table in.
        table: it belongs to; empty where that is not known.
    """

    name: str
    schema: str = ""
    table: str = ""

    @property
    def sql(self) -> str:
        """The name as SQL writes it, with its schema where that is known."""
        return ".".join(quoted(part) for part in (self.schema, self.name) if part)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def concurrent_index(statement: str) -> IndexName | None:
    """The index that ``CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] NAME ON [ONLY] TABLE`` makes.

    Returns:
        None for any other statement, for several, and where the server chooses the name.
    """
    rest = _Reader(list(significant(statement, "postgres")))
    if not rest.takes("create"):
        return None
    rest.takes("unique")
    if not (rest.takes("index") and rest.takes("concurrently")):
        return None
    if rest.takes("if") and not (rest.takes("not") and rest.takes("exists")):
        return None
    name = rest.name() if not rest.sees("on") else ""
    if not name or not rest.takes("on"):
        return None
    rest.takes("only")
    first = rest.name()
    second = rest.name() if rest.takes(".") else ""
    if not first or rest.has_another():
        return None
    return IndexName(name, first if second else "", second or first)


def parse(sql: str) -> IndexName:
    """The index that `IndexName.sql` wrote.

    Raises:
        ValueError: it is no such name.
    """
    rest = _Reader(list(significant(sql, "postgres")))
    first = rest.name()
    second = rest.name() if rest.takes(".") else ""
    if not first:
        raise ValueError(f"expected the name of an index, got {sql!r}")
    return IndexName(second or first, first if second else "")


class _Reader:
    """Reads a statement from left to right."""

    def __init__(self, rest: list[Token]) -> None:
        self._rest = rest

    def sees(self, word: str) -> bool:
        return bool(self._rest) and self._rest[0].kind in {"word", "sign"} and self._rest[0].text.lower() == word

    def takes(self, word: str) -> bool:
        found = self.sees(word)
        if found:
            self._rest.pop(0)
        return found

    def name(self) -> str:
        if not self._rest or self._rest[0].kind not in {"word", "name"}:
            return ""
        token = self._rest.pop(0)
        return token.text[1:-1].replace('""', '"') if token.kind == "name" else _folded(token.text)

    def has_another(self) -> bool:
        texts = [token.text for token in self._rest]
        return ";" in texts and any(text != ";" for text in texts[texts.index(";") :])


def _folded(word: str) -> str:
    # only ASCII is folded in encodings of several bytes: src/backend/parser/scansup.c
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


_SCHEMA = """
select n.nspname from pg_catalog.pg_class t join pg_catalog.pg_namespace n on n.oid = t.relnamespace
where t.oid = pg_catalog.to_regclass(%s)
"""
# a name that is too long is cut, as the server does it with the statement's own
_FOUND = """
select i.oid::text, x.indisvalid from pg_catalog.pg_class i
join pg_catalog.pg_namespace n on n.oid = i.relnamespace join pg_catalog.pg_index x on x.indexrelid = i.oid
where n.nspname = %s::name and i.relname = %s::name
"""
# an index of a partitioned table is invalid until all partitions have theirs, which is nobody's fault
_INVALID = """
select n.nspname, i.relname from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
join pg_catalog.pg_namespace n on n.oid = i.relnamespace where not x.indisvalid and i.relkind = 'i'
"""


def resolved(connection: Connection, index: IndexName) -> IndexName:
    """The same with its schema, as the search path finds its table; as it is where there is no such table."""
    if index.schema or not index.table:
        return index
    row = connection.execute(_SCHEMA, (quoted(index.table),), prepare=False).fetchone()
    return index.but(schema=row[0]) if row else index


def identify(connection: Connection, index: IndexName) -> str:
    """The oid of the index of that name; empty where there is none."""
    row = _look_up(connection, index)
    return str(row[0]) if row else ""


def is_valid(connection: Connection, index: IndexName) -> bool:
    """Whether it is there and whole."""
    row = _look_up(connection, index)
    return bool(row and row[1])


def is_broken(connection: Connection, index: IndexName) -> bool:
    """Whether it is there and not whole."""
    row = _look_up(connection, index)
    return bool(row and not row[1])


def _look_up(connection: Connection, index: IndexName) -> tuple[Any, ...] | None:
    index = resolved(connection, index)
    return connection.execute(_FOUND, (index.schema, index.name), prepare=False).fetchone()


def drop(connection: Connection, index: IndexName, *, seconds: float = math.inf) -> None:
    """Drop it where it is there, without keeping others from its table.

    Args:
        connection: in autocommit mode.
        index: with its schema; else its table's is looked up, and where there is none, nothing is dropped.
        seconds: the longest that it may take; a statement that is cut off there raises psycopg's `QueryCanceled`.
    """
    index = resolved(connection, index)
    if not index.schema:
        return  # the name alone may be that of another table's index
    milliseconds = 0 if math.isinf(seconds) else max(1, round(seconds * 1000))
    # it waits for all who use the table, and a limit for tables' locks would make it fail half-way
    settings = "select set_config('lock_timeout', '0', false), set_config('statement_timeout', %s, false)"
    before = connection.execute(
        "select current_setting('lock_timeout'), current_setting('statement_timeout')", prepare=False
    ).fetchone()
    connection.execute(settings, (str(milliseconds),), prepare=False)
    try:
        connection.execute(f"drop index concurrently if exists {index.sql}".encode(), prepare=False)
    finally:
        if before and not connection.closed and not connection.broken:
            restore = "select set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)"
            connection.execute(restore, before, prepare=False)


def invalid_indexes(connection: Connection) -> set[str]:
    """The names, with schema and as SQL writes them, of all indexes that are not whole."""
    rows = connection.execute(_INVALID, prepare=False).fetchall()
    return {IndexName(name, schema).sql for schema, name in rows}
