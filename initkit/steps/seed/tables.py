"""What a database's catalog says about a table, and in which order tables can be filled; reading it is the stores'."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Literal

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        type: as the database writes it: ``integer``, ``character varying(20)``.
        shape: how structured values are written into it.
        has_default: whether leaving it out means something else than NULL.
        generated: whether the database computes it, so that nobody may write it.
        required: whether a new row must have it: not NULL, and nothing that the database puts there by itself.
    """

    name: str
    type: str
    shape: Literal["plain", "json", "array"] = "plain"
    has_default: bool = False
    generated: bool = False
    required: bool = False


@dataclass(frozen=True)
class Reference:
    """A foreign key: the `identity` of the table that it leads to, and whether its check can wait for the commit."""

    parent: str
    deferrable: bool


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: as a dataset calls it.
        identity: what tells it from other tables, however they are called.
        columns: by name, in the table's order.
        key: the columns of its primary key; empty where it has none.
        unique: the columns of each unique index that holds for all rows, the primary key's among them.
        resolved: ``schema.table`` however a dataset calls it (``main.users`` in SQLite), as the ledger has it.
    """

    name: str
    identity: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    resolved: str = ""

    @property
    def sql(self) -> str:
        """Its name as SQL writes it."""
        return ".".join(quoted(part) for part in self.name.split("."))

    @property
    def writable(self) -> tuple[str, ...]:
        """The names of all columns that may be written."""
        return tuple(column.name for column in self.columns.values() if not column.generated)

    @property
    def defaults(self) -> frozenset[str]:
        """The names of the columns that have a default."""
        return frozenset(column.name for column in self.columns.values() if column.has_default)


def quoted(name: str) -> str:
    """An identifier as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Sequence[str]) -> str:
    """Identifiers as SQL lists them."""
    return ", ".join(map(quoted, names))


def in_order(tables: Sequence[Table]) -> list[str]:
    """The identities of the tables, parents before children, otherwise in the order given.

    Raises:
        PermanentError: foreign keys form a cycle, and they are checked row by row.
    """
    try:
        return _sorted(tables, with_deferrable=True)
    except CycleError:
        pass
    try:
        return _sorted(tables, with_deferrable=False)
    except CycleError as error:
        names = {table.identity: table.name for table in tables}
        # graphlib gives each table before the one that depends on it
        cycle = " -> ".join(names[identity] for identity in reversed(error.args[1]))
        raise PermanentError(
            "put the datasets in order",
            f"foreign keys form a cycle: {cycle}",
            "make one of these constraints DEFERRABLE, or seed one of the tables in a step of its own",
        ) from None


def _sorted(tables: Sequence[Table], *, with_deferrable: bool) -> list[str]:
    place = {table.identity: number for number, table in reversed(list(enumerate(tables)))}
    graph: dict[str, set[str]] = {identity: set() for identity in place}
    for table in tables:
        graph[table.identity] |= {
            reference.parent
            for reference in table.references
            if reference.parent in place
            and reference.parent != table.identity
            and (with_deferrable or not reference.deferrable)
        }
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        ordered += ready
        sorter.done(*ready)
    return ordered
