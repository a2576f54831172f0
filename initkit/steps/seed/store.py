"""What a step needs of any database that it seeds; each database has a room of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.steps.seed.content.content import Content
    from initkit.steps.seed.ledger import Entry
    from initkit.steps.seed.tables import Table

How = Literal["insert", "upsert", "insert-missing", "replace"]


@dataclass(frozen=True)
class Counts:
    """How many rows were inserted, updated, deleted, and left as they are."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    @property
    def rows(self) -> int:
        """How many the dataset has."""
        return self.inserted + self.updated + self.unchanged

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, written."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass(frozen=True)
class Loading:
    """One dataset on its way into one table.

    Attributes:
        how: ``insert`` (a row that is there already is an error), ``upsert``, ``insert-missing``, or ``replace`` (the
            table then holds the file's rows and no others).
        key: the columns by which rows are known; empty where the table has no primary key and none was given.
        prune: whether ``upsert`` deletes rows whose key is not in the file.
    """

    content: Content
    table: Table
    how: How
    key: tuple[str, ...] = ()
    prune: bool = False


class Store(Protocol):
    """An open database; its errors are ours already."""

    def ledger(self) -> list[Entry]:
        """What was recorded; empty where there is no ledger yet."""
        ...

    def table(self, name: str) -> Table | None:
        """What the catalog says about a table, or None where there is none."""
        ...

    def table_names(self) -> list[str]:
        """Which tables there are, for suggestions."""
        ...

    def is_empty(self, table: Table) -> bool:
        """Whether a table has no row."""
        ...

    def load(self, loading: Loading) -> Counts:
        """Bring a dataset's rows into its table, and move the sequences that loaded columns own.

        Raises:
            PermanentError: something about the file or a row is wrong; it says where that stands.
        """
        ...

    def compare(self, loading: Loading) -> Counts:
        """What `load` would do, without writing to any table but temporary ones.

        Raises:
            PermanentError: as `load` does, as far as that can be seen without writing.
        """
        ...

    def run(self, content: Content) -> int:
        """Run the statements of an SQL dataset; return how many there were.

        Raises:
            PermanentError: with the line of the statement that the database refuses.
        """
        ...

    def settle(self, loaded: Sequence[Loading]) -> None:
        """Check the constraints that were put off, after all rows, while whom they blame can still be told."""
        ...

    def record(self, entry: Entry) -> None:
        """Write a row of the ledger, which is made where it is missing."""
        ...


def reading(database: Database, context: Context) -> AbstractContextManager[Store]:
    """The database, to look only: `load`, `run`, `settle` and `record` are not for it."""
    if database.dialect == "postgres":
        from initkit.steps.seed.postgres import store  # noqa: PLC0415 - only the database that is met

        return store.reading(database, context)
    from initkit.steps.seed.sqlite import store as sqlite  # noqa: PLC0415 - only the database that is met

    return sqlite.reading(database.address, context)


def writing(database: Database, context: Context) -> AbstractContextManager[Store]:
    """The database in one transaction, under the seed lock; it is committed when the block ends well."""
    if database.dialect == "postgres":
        from initkit.steps.seed.postgres import store  # noqa: PLC0415 - only the database that is met

        return store.writing(database, context)
    from initkit.steps.seed.sqlite import store as sqlite  # noqa: PLC0415 - only the database that is met

    return sqlite.writing(database.address, context)
