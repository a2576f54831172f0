"""What a step needs of any database that it seeds; each database has a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.ledger import Entry
    from initkit.steps.seed.tables import Table


@dataclass(frozen=True)
class Counts:
    """How many rows of a dataset were inserted, updated, and left as they are."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def rows(self) -> int:
        """How many there are in all."""
        return self.inserted + self.updated + self.unchanged


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

    def insert(self, dataset: Dataset, table: Table) -> Counts:
        """Insert every row of a dataset; a bad one is a `PermanentError` that says where it stands."""
        ...

    def upsert(self, dataset: Dataset, table: Table) -> Counts:
        """Insert the rows whose key is new and update those that differ, by primary key; others are not written."""
        ...

    def record(self, entry: Entry) -> None:
        """Write a row of the ledger, which is made where it is missing."""
        ...

    def settle(self, loaded: Iterable[tuple[Dataset, Table]]) -> None:
        """Do what comes after all rows: sequences, and constraints that were put off."""
        ...


def reading(database: Database, context: Context) -> AbstractContextManager[Store]:
    """The database, to look only."""
    if database.dialect == "postgres":
        from initkit.steps.seed import postgres  # noqa: PLC0415 - only the database that is met

        return postgres.reading(database, context)
    from initkit.steps.seed import sqlite  # noqa: PLC0415 - only the database that is met

    return sqlite.reading(database.address, context)


def writing(database: Database, context: Context) -> AbstractContextManager[Store]:
    """The database in one transaction, under the seed lock; it is committed when the block ends well."""
    if database.dialect == "postgres":
        from initkit.steps.seed import postgres  # noqa: PLC0415 - only the database that is met

        return postgres.writing(database, context)
    from initkit.steps.seed import sqlite  # noqa: PLC0415 - only the database that is met

    return sqlite.writing(database.address, context)
