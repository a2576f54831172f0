"""What SQLite's catalog says about tables: https://www.sqlite.org/pragma.html#pragma_table_xinfo."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from initkit.core.errors import PermanentError
from initkit.steps.seed.tables import Column, Reference, Table, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SCHEMA = "main"  # the only one that a connection of ours has
_DESTROYING = {"CASCADE", "SET NULL", "SET DEFAULT"}
_OF_THE_PRIMARY_KEY = "pk"


class Columns(dict[str, Column]):
    """Columns by name, however its ASCII letters are written: https://www.sqlite.org/lang_naming.html."""

    def __init__(self, columns: Iterable[Column]) -> None:
        super().__init__({column.name: column for column in columns})
        self._names = {_folded(name): name for name in self}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _folded(name) in self._names

    def __missing__(self, name: str) -> Column:
        own = self._names.get(_folded(name))
        if own is None:
            raise KeyError(name)
        return self[own]


def _folded(name: str) -> str:
    return name.lower() if name.isascii() else "".join(c.lower() if c.isascii() else c for c in name)


class Child(NamedTuple):
    """A foreign key as the table sees it that it leads to.

    Attributes:
        table: that holds it.
        pairs: its columns, each with the one that it refers to.
        on_delete: what happens to its rows where the one that they refer to is deleted: ``CASCADE``.
    """

    table: str
    pairs: tuple[tuple[str, str], ...]
    on_delete: str

    @property
    def destroys(self) -> bool:
        """Whether deleting a row changes other rows."""
        return self.on_delete in _DESTROYING


def table(connection: sqlite3.Connection, name: str) -> Table | None:
    """What the catalog says about a table, or None where there is none.

    Raises:
        PermanentError: it is a view.
    """
    schema, _, asked = name.rpartition(".")
    if _folded(schema) not in {"", _SCHEMA}:
        return None
    found = connection.execute(
        "select name, type from main.sqlite_master where type in ('table', 'view') and name = ? collate nocase",
        (asked,),
    ).fetchone()
    if found is None:
        return None
    own, kind = found
    if kind == "view":
        raise PermanentError(f"seed {name}", "it is a view", "name the table behind it")
    return _described(connection, name, own)


def _described(connection: sqlite3.Connection, name: str, own: str) -> Table:
    found = connection.execute(f"pragma main.table_xinfo({quoted(own)})").fetchall()
    indexes = connection.execute(f"pragma main.index_list({quoted(own)})").fetchall()
    key = tuple(row[1] for row in sorted(found, key=lambda row: row[5]) if row[5])
    with_index = any(row[3] == _OF_THE_PRIMARY_KEY for row in indexes)
    # what has no index of its own is the row's number, which the database gives where nobody does
    counted = {key[0]} if len(key) == 1 and not with_index else set()
    needed = set(key) if with_index and not row_number(connection, own, [row[1] for row in found]) else set()
    parents = connection.execute(f"pragma main.foreign_key_list({quoted(own)})")
    return Table(
        name=name,
        identity=_folded(own),
        columns=Columns(_column(row, counted, needed) for row in found),
        key=key,
        # every check can wait: `pragma defer_foreign_keys`
        references=tuple(Reference(parent, deferrable=True) for parent in sorted({_folded(row[2]) for row in parents})),
        unique=tuple(tuple(one) for one in _unique(connection, own, key)),
        resolved=f"{_SCHEMA}.{own}",
    )


def _column(row: tuple[int, str, str, int, str | None, int, int], counted: set[str], needed: set[str]) -> Column:
    _, name, type_, not_null, default, _, hidden = row
    has_default = default is not None or name in counted
    return Column(
        name,
        type_,
        "json" if type_.upper() in {"JSON", "JSONB"} else "plain",
        has_default=has_default,
        generated=hidden != 0,
        required=bool(not_null or name in needed) and not has_default and not hidden,
    )


def table_names(connection: sqlite3.Connection) -> list[str]:
    """All tables of the file."""
    tables = connection.execute("select name from main.sqlite_master where type = 'table'")
    return [row[0] for row in tables if not row[0].startswith("sqlite_")]


def row_number(connection: sqlite3.Connection, own: str, columns: Iterable[str]) -> str:
    """The name under which a table's row numbers are known; empty where it has none, or all names are taken."""
    taken = {_folded(name) for name in columns}
    for name in ("rowid", "_rowid_", "oid"):
        if name in taken:
            continue
        try:
            connection.execute(f"select {name} from main.{quoted(own)} limit 0")  # noqa: S608 - an identifier, quoted
        except sqlite3.OperationalError:
            return ""
        return name
    return ""


def handle(connection: sqlite3.Connection, table: Table) -> tuple[str, ...]:
    """The columns, quoted, by which a row that was found is found again: its number, or the primary key.

    Raises:
        PermanentError: it has neither.
    """
    number = row_number(connection, own_name(table), table.columns)
    found = (number,) if number else tuple(map(quoted, table.key))
    if not found:
        raise PermanentError(
            f"merge into {table.name}", "its rows have neither a number nor a key", "give it a primary key"
        )
    return found


def own_name(table: Table) -> str:
    """A table's name without its schema."""
    return table.name.rpartition(".")[2]


def has_triggers(connection: sqlite3.Connection, table: Table) -> bool:
    """Whether anything else happens when a row is written."""
    query = "select 1 from main.sqlite_master where type = 'trigger' and tbl_name = ? collate nocase"
    return connection.execute(query, (own_name(table),)).fetchone() is not None


def collations(connection: sqlite3.Connection, table: Table, columns: Iterable[str]) -> dict[str, str]:
    """How the values of columns are compared: ``BINARY``, ``NOCASE``.

    No pragma tells; but an index takes it from its columns, and the same table can be made, empty, in memory.
    """
    names = list(columns)
    own = own_name(table)
    row = connection.execute(
        "select sql from main.sqlite_master where type = 'table' and name = ? collate nocase", (own,)
    ).fetchone()
    with closing(sqlite3.connect(":memory:")) as scratch:
        try:
            scratch.execute(row[0])
            scratch.execute(f"create index initkit_probe on {quoted(own)} ({listed(names)})")
            found = {row[2]: row[4] for row in scratch.execute("pragma index_xinfo(initkit_probe)") if row[5]}
        except sqlite3.Error:  # it needs functions that only its application has
            found = {}
    return {name: found.get(name, "BINARY") for name in names}


def unique_keys(connection: sqlite3.Connection, table: Table) -> list[dict[str, str]]:
    """What can stand in a table only once: columns, each with its collation."""
    return _unique(connection, own_name(table), table.key)


def _unique(connection: sqlite3.Connection, own: str, primary: Sequence[str]) -> list[dict[str, str]]:
    indexes = connection.execute(f"pragma main.index_list({quoted(own)})").fetchall()
    found: list[dict[str, str]] = []
    if len(primary) == 1 and not any(row[3] == _OF_THE_PRIMARY_KEY for row in indexes):
        found.append({primary[0]: "BINARY"})  # it is the row's number
    for row in indexes:
        if row[2] and not row[4]:  # unique, and not of some rows only
            parts = [part for part in connection.execute(f"pragma main.index_xinfo({quoted(row[1])})") if part[5]]
            if all(part[2] for part in parts):
                found.append({part[2]: part[4] for part in parts})
    return found


def covers(connection: sqlite3.Connection, table: Table, key: Mapping[str, str]) -> bool:
    """Whether a unique index sees to it that a key, given with its collations, stands in a table only once."""
    return any(unique.items() <= key.items() for unique in unique_keys(connection, table))


def children(connection: sqlite3.Connection, table: Table) -> list[Child]:
    """The foreign keys that lead to a table."""
    found: list[Child] = []
    for name in table_names(connection):
        rows = connection.execute(f"pragma main.foreign_key_list({quoted(name)})").fetchall()
        mine = [row for row in rows if _folded(row[2]) == table.identity]
        for number in dict.fromkeys(row[0] for row in mine):
            parts = sorted((row for row in mine if row[0] == number), key=lambda row: row[1])
            # a key that names no columns refers to the primary key
            pairs = tuple((row[3], row[4] or table.key[row[1]]) for row in parts)
            found.append(Child(name, pairs, parts[0][6].upper()))
    return found


class Parent(NamedTuple):
    """A foreign key of a table: where it leads, and its columns, each with the one that it refers to."""

    table: str
    pairs: tuple[tuple[str, str], ...]


def parents(connection: sqlite3.Connection, table: Table) -> list[Parent]:
    """The foreign keys of a table whose parents are there."""
    rows = connection.execute(f"pragma main.foreign_key_list({quoted(own_name(table))})").fetchall()
    found: list[Parent] = []
    for number in dict.fromkeys(row[0] for row in rows):
        parts = sorted((row for row in rows if row[0] == number), key=lambda row: row[1])
        parent = _parent_key(connection, parts[0][2])
        pairs = [(row[3], row[4] or (parent[row[1]] if row[1] < len(parent) else "")) for row in parts]
        if all(to for _, to in pairs):
            found.append(Parent(parts[0][2], tuple(pairs)))
    return found


def _parent_key(connection: sqlite3.Connection, name: str) -> list[str]:
    found = connection.execute(f"pragma main.table_xinfo({quoted(name)})").fetchall()
    return [row[1] for row in sorted(found, key=lambda row: row[5]) if row[5]]
