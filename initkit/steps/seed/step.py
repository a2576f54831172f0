"""The step: find out what is due, and load it in one transaction. How a database takes rows is the stores' business."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from initkit.core.errors import SuspectError
from initkit.core.options import Arg, Opt, declared, did_you_mean
from initkit.core.outcome import Finding, Outcome, Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.db.dsn import DatabaseOptions
from initkit.steps.seed import datasets, ledger
from initkit.steps.seed.rows import open_rows
from initkit.steps.seed.store import Counts, reading, writing
from initkit.steps.seed.tables import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Context
    from initkit.steps.seed.datasets import Dataset
    from initkit.steps.seed.ledger import Due
    from initkit.steps.seed.store import Store
    from initkit.steps.seed.tables import Table

_COUNTED = 8 << 20  # bytes: the rows of a larger file are not counted beforehand, or a look would cost what a load does


@declared
class Seed(DatabaseOptions):
    """Load CSV and NDJSON files into the tables that they are named after, once or by key."""

    kind: ClassVar[str] = "seed"
    paths: Annotated[tuple[str, ...], Arg("Files, or folders of files: [SCHEMA.]TABLE.csv, .ndjson or .jsonl.", "PATH")]
    mode: Annotated[
        Literal["once", "upsert"],
        Opt("once: load a file a single time; upsert: by primary key, whenever the file has changed."),
    ] = "once"
    on_change: Annotated[
        Literal["fail", "upsert", "ignore"], Opt("What to do when a file that was loaded once has changed.")
    ] = "fail"
    retry: RetryPolicy = RetryPolicy(timeout=600.0)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: there is no path, or `on_change` is given where it says nothing.
        """
        if not self.paths:
            raise ValueError("expected at least one PATH, got none")
        if self.mode == "upsert" and self.on_change != "fail":
            raise ValueError(f"expected mode once where on-change is {self.on_change}, got upsert")

    def check(self, context: Context) -> Finding:
        """Compare the datasets with the ledger; of what is due, look at tables, columns and (smaller files) rows."""
        found = datasets.find(self.paths, context.voice)
        with reading(self.database(context.environ), context) as store:
            due = self._due(found, store, context)
            if not due:
                return Satisfied(_up_to_date(found), {"mode": self.mode, "datasets": []})
            tables = _tables(due, store)
            changes = tuple(_announced(one, tables[one.dataset], context) for one in _ordered(due, tables))
        return Pending(f"{_count(len(due), 'dataset')} to load", changes)

    def apply(self, context: Context) -> Outcome:
        """Load what is due, all or nothing."""
        found = datasets.find(self.paths)
        with writing(self.database(context.environ), context) as store:
            due = self._due(found, store, context)
            tables = _tables(due, store)
            ordered = _ordered(due, tables)
            counts = [_load(one, tables[one.dataset], store) for one in ordered]
            store.settle([(one.dataset, tables[one.dataset]) for one in ordered])
            for one, count in zip(ordered, counts, strict=True):
                store.record(_entry(one, count))
        return self._outcome(ordered, counts, found)

    def _due(self, found: Sequence[Dataset], store: Store, context: Context) -> list[Due]:
        entries = store.ledger()
        digests = {dataset: datasets.digest(dataset, context) for dataset in found}
        return ledger.due(digests, entries, self.mode, self.on_change)

    def _outcome(self, due: Sequence[Due], counts: Sequence[Counts], found: Sequence[Dataset]) -> Outcome:
        facts = {
            "mode": self.mode,
            "datasets": [_facts(one, count) for one, count in zip(due, counts, strict=True)],
        }
        if not due:
            return Outcome.ok(_up_to_date(found), facts)
        said = ", ".join(f"{one.dataset.table} {_spoken(one, count)}" for one, count in zip(due, counts, strict=True))
        if all(one.how == "upsert" and count.rows == count.unchanged for one, count in zip(due, counts, strict=True)):
            return Outcome.ok(f"{_count(len(due), 'dataset')} compared: {said}", facts)
        return Outcome.changed(f"{_count(len(due), 'dataset')} loaded: {said}", facts)


def _tables(due: Sequence[Due], store: Store) -> dict[Dataset, Table]:
    return {one.dataset: _table(one.dataset, store) for one in due}


def _table(dataset: Dataset, store: Store) -> Table:
    found = store.table(dataset.table)
    if found is None:
        hint = did_you_mean(dataset.table, store.table_names())
        raise SuspectError(
            f"load {dataset.path}",
            f"there is no table {dataset.table}{hint}",
            "run initkit migrate first, or rename the file",
        )
    return found


def _ordered(due: Sequence[Due], tables: dict[Dataset, Table]) -> list[Due]:
    order = in_order([tables[one.dataset] for one in due])
    return sorted(due, key=lambda one: order.index(tables[one.dataset].identity))


def _load(one: Due, table: Table, store: Store) -> Counts:
    return store.upsert(one.dataset, table) if one.how == "upsert" else store.insert(one.dataset, table)


def _entry(one: Due, counts: Counts) -> ledger.Entry:
    mode = "upsert" if one.how == "upsert" else "once"
    return ledger.Entry(one.dataset.name, one.dataset.table, one.sha256, mode=mode, rows=counts.rows)


def _announced(one: Due, table: Table, context: Context) -> str:
    dataset = one.dataset
    size = os.path.getsize(dataset.path)
    rows = open_rows(dataset, table, context)
    amount = f"{size / 1e6:.0f} MB" if size > _COUNTED else _count(sum(1 for _ in rows.stream), "row")
    return f"{dataset.table}: {amount} from {os.path.basename(dataset.path)}"


def _facts(one: Due, counts: Counts) -> dict[str, object]:
    facts: dict[str, object] = {"dataset": one.dataset.name, "table": one.dataset.table, "rows": counts.rows}
    if one.how == "upsert":
        facts |= {"inserted": counts.inserted, "updated": counts.updated, "unchanged": counts.unchanged}
    return facts


def _spoken(one: Due, counts: Counts) -> str:
    if one.how == "insert":
        return _count(counts.rows, "row")
    return f"{counts.inserted} inserted, {counts.updated} updated, {counts.unchanged} unchanged"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _up_to_date(found: Sequence[Dataset]) -> str:
    return f"{_count(len(found), 'dataset')} up to date"


STEP = Seed
