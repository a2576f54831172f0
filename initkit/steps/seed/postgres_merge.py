"""The statements that merge a staging table into a table of PostgreSQL without writing what is unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.staging import KEYS, LINE, STAGING
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.tables import Column, Table

_WITHOUT_EQUALITY = {"json", "xml", "point", "box", "polygon", "path", "line", "lseg", "circle"}


def updating(table: Table, number: int, given: Sequence[str]) -> str:
    """The statement that updates what differs, of the rows with one set of columns; empty where the key is all."""
    others = [name for name in given if name not in table.key]
    if not others:
        return ""
    values = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in others)
    different = " or ".join(_differs(table.columns[name]) for name in others)
    return (
        f"update {table.sql} as t set {values} from {STAGING} s "  # noqa: S608 - identifiers are quoted
        f"where s.{KEYS} = {number} and {_same_key(table)} and ({different})"
    )


def inserting(table: Table, number: int, given: Sequence[str]) -> str:
    """The statement that inserts what is new, of the rows with one set of columns."""
    values = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in given if name not in table.key)
    # an application may insert the same key between our look and our insert
    conflict = f"do update set {values}" if values else "do nothing"
    return (
        f"insert into {table.sql} ({listed(given)}) overriding system value "  # noqa: S608 - identifiers are quoted
        f"select {listed(given)} from {STAGING} s where s.{KEYS} = {number} "
        f"and not exists (select 1 from {table.sql} t where {_same_key(table)}) "
        f"order by s.{LINE} on conflict ({listed(table.key)}) {conflict}"
    )


def _same_key(table: Table) -> str:
    return " and ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in table.key)


def _differs(column: Column) -> str:
    name = quoted(column.name)
    if column.type.removesuffix("[]") in _WITHOUT_EQUALITY:
        return f"t.{name}::text is distinct from s.{name}::text"
    return f"t.{name} is distinct from s.{name}"
