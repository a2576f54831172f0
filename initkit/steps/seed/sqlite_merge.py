"""The statements that merge a staging table into a table of SQLite without writing what is unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.staging import KEYS, LINE, STAGING
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.tables import Table


def updating(table: Table, number: int, given: Sequence[str]) -> str:
    """The statement that updates what differs, of the rows with one set of columns; empty where the key is all.

    UPDATE FROM would be shorter, but SQLite has it only since 3.33. The staging table's column stands first in
    comparisons: its collation decides, and it has none, so that a column with NOCASE still sees that a letter's case
    has changed.
    """
    others = [name for name in given if name not in table.key]
    if not others:
        return ""
    differs = " or ".join(f"s.{quoted(name)} is not t.{quoted(name)}" for name in others)
    source = f"from temp.{STAGING} s where s.{KEYS} = {number} and {_same_key(table)}"
    values = ", ".join(f"s.{quoted(name)}" for name in others)
    return (
        f"update {table.sql} as t set ({listed(others)}) = (select {values} {source}) "  # noqa: S608 - identifiers are quoted
        f"where exists (select 1 {source} and ({differs}))"
    )


def inserting(table: Table, number: int, given: Sequence[str]) -> str:
    """The statement that inserts what is new, of the rows with one set of columns."""
    return (
        f"insert into {table.sql} ({listed(given)}) select {listed(given)} from temp.{STAGING} s "  # noqa: S608 - identifiers are quoted
        f"where s.{KEYS} = {number} and not exists (select 1 from {table.sql} t where {_same_key(table)}) "
        f"order by s.{LINE}"
    )


def _same_key(table: Table) -> str:
    return " and ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in table.key)
