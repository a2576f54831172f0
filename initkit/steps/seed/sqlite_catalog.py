"""What SQLite's catalog says about tables: https://www.sqlite.org/pragma.html#pragma_table_xinfo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from initkit.steps.seed.tables import Column, Reference, Table, quoted

if TYPE_CHECKING:
    import sqlite3


def table(connection: sqlite3.Connection, name: str) -> Table | None:
    """What the catalog says about a table, or None where there is none."""
    schema, _, own = name.rpartition(".")
    schema = schema or "main"
    if schema not in {row[1] for row in connection.execute("pragma database_list")}:
        return None
    master = f"{quoted(schema)}.sqlite_master"
    if not connection.execute(
        f"select 1 from {master} where type = 'table' and name = ?",  # noqa: S608 - an identifier, quoted
        (own,),
    ).fetchone():
        return None
    found = connection.execute(f"pragma {quoted(schema)}.table_xinfo({quoted(own)})").fetchall()
    parents = connection.execute(f"pragma {quoted(schema)}.foreign_key_list({quoted(own)})")
    return Table(
        name=name,
        identity=own.lower(),
        columns={row[1]: _column(*row) for row in found},
        key=tuple(row[1] for row in sorted(found, key=lambda row: row[5]) if row[5]),
        # every check can wait: `pragma defer_foreign_keys`
        references=tuple(Reference(parent, deferrable=True) for parent in sorted({row[2].lower() for row in parents})),
    )


def _column(_number: int, name: str, type_: str, _not_null: int, default: str | None, _key: int, hidden: int) -> Column:
    shape: Literal["json", "plain"] = "json" if type_.upper() in {"JSON", "JSONB"} else "plain"
    return Column(name, type_, shape, has_default=default is not None, generated=hidden != 0)


def table_names(connection: sqlite3.Connection) -> list[str]:
    """All tables of the file."""
    return [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]


def broken_reference(connection: sqlite3.Connection, table: Table) -> tuple[str, list[str], list[str]] | None:
    """The first foreign key of a table that leads nowhere: the parent, the columns, and their values as text."""
    own = table.name.rpartition(".")[2]
    row = connection.execute(f"pragma foreign_key_check({quoted(own)})").fetchone()
    if row is None:
        return None
    _, rowid, parent, number = row
    keys = connection.execute(f"pragma foreign_key_list({quoted(own)})").fetchall()
    columns = [key[3] for key in sorted(keys, key=lambda key: key[1]) if key[0] == number]
    if rowid is None:  # WITHOUT ROWID
        return parent, columns, []
    casts = ", ".join(f"cast({quoted(name)} as text)" for name in columns)
    values = connection.execute(f"select {casts} from {table.sql} where rowid = ?", (rowid,)).fetchone()  # noqa: S608 - identifiers are quoted
    return parent, columns, list(values or [])
