"""What is to become of each dataset, and in which order; it only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from initkit.core.errors import PermanentError, SuspectError
from initkit.core.options import did_you_mean
from initkit.core.record import Record
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.due import due
from initkit.steps.seed.tables import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Context
    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.ledger import Entry
    from initkit.steps.seed.store import How, Store
    from initkit.steps.seed.tables import Table

Idle = Literal["loaded", "ignored", "not empty"]
_DELETING = "replace, and prune, would delete what the other brings"


class Work(Record):
    """A dataset, and what is to become of it.

    Attributes:
        table: None for SQL, which names its own.
        how: its rows are loaded; None where nothing is to be done, and for SQL.
        key: the columns by which rows are known.
        idle: why nothing is to be done; None where something is.
    """

    dataset: Dataset
    content: Content
    table: Table | None
    how: How | None
    key: tuple[str, ...] = ()
    idle: Idle | None = None

    @property
    def is_due(self) -> bool:
        """Whether there is something to do."""
        return self.idle is None


def planned(
    found: Sequence[Dataset], store: Store, context: Context, entries: Sequence[Entry] | None = None
) -> list[Work]:
    """All datasets in the order in which they are to be loaded, also those that need not be.

    Raises:
        SuspectError: a table is missing, which may be created late.
        PermanentError: a file has changed, two would delete each other's rows, or a key is unknown.
    """
    recorded = store.ledger() if entries is None and any(one.mode == "once" for one in found) else entries or []
    tables = {one: _table(one, store) for one in found}
    _refuse_rivals(found, tables)
    empty: dict[str, bool] = {}
    for one, table in tables.items():
        # seen before anything is loaded: two files of one table fill it together
        if one.mode == "if-empty" and table is not None and table.identity not in empty:
            empty[table.identity] = store.is_empty(table)
    works = [_work(one, tables[one], Content(one, context), recorded, empty) for one in found]
    return _ordered(works)


def again(work: Work, entries: Sequence[Entry]) -> Work:
    """What is to become of a dataset now that others were loaded: the same content may have been among them."""
    if work.dataset.mode != "once" or not work.is_due or work.how == "upsert":
        return work
    name = work.table.resolved if work.table else ""
    if not any((one.table, one.options) == (name, work.dataset.options) for one in entries):
        return work
    return _work(work.dataset, work.table, work.content, entries, {})


def _table(dataset: Dataset, store: Store) -> Table | None:
    if dataset.format == "sql":
        return None
    found = store.table(dataset.table)
    if found is None:
        hint = did_you_mean(dataset.table, store.table_names())
        raise SuspectError(
            f"load {dataset.shown}",
            f"there is no table {dataset.table}{hint}",
            "run initkit migrate first, or rename the file",
        )
    return found


def _work(
    dataset: Dataset, table: Table | None, content: Content, entries: Sequence[Entry], empty: dict[str, bool]
) -> Work:
    how: How | None = "insert"
    idle: Idle | None = None
    if dataset.mode == "once":
        found = due(dataset, table.resolved if table else "", entries, content.sha256)
        how = found if found == "insert" or found == "upsert" else None  # noqa: PLR1714 - so that its type is known
        idle = found if found == "loaded" or found == "ignored" else None  # noqa: PLR1714 - so that its type is known
    elif dataset.mode == "if-empty":
        how, idle = ("insert", None) if table and empty[table.identity] else (None, "not empty")
    else:
        how = cast("How", dataset.mode)
    if table is None:
        return Work(dataset, content, None, None, idle=idle)
    key = _key(dataset, table, how) if how else ()
    return Work(dataset, content, table, how, key, idle)


def _key(dataset: Dataset, table: Table, how: How) -> tuple[str, ...]:
    task = f"{'load' if how == 'insert' else how} {dataset.shown} into {dataset.table}"
    for name in dataset.key:
        if name not in table.columns:
            advice = did_you_mean(name, table.columns).removeprefix("; ")
            advice = advice or f"its columns are {', '.join(table.columns)}"
            raise PermanentError(task, f"table {dataset.table} has no column {name!r}, which is to be its key", advice)
    # as the table has it: to SQLite, names that differ in capitals only are the same
    key = tuple(table.columns[name].name for name in dataset.key) or table.key
    if not key and how in {"upsert", "insert-missing"}:
        raise PermanentError(
            task, "the table has no primary key", "say by --key which columns a row is known by, or use --mode once"
        )
    return key


def _refuse_rivals(found: Sequence[Dataset], tables: dict[Dataset, Table | None]) -> None:
    """Refuse that of two datasets for one table one deletes what the other has brought, at every run again."""
    for one in found:
        table = tables[one]
        if table is None or not (one.mode == "replace" or one.prune):
            continue
        for other in found:
            theirs = tables[other]
            if other is not one and theirs is not None and theirs.identity == table.identity:
                cause = f"{one.name} and {other.name} are for the same table, {one.table}; {_DELETING}"
                raise PermanentError("load them both", cause, "put their rows into one file, or use another mode")


def _ordered(works: Sequence[Work]) -> list[Work]:
    """By `order`, then parents before children, then SQL, which may need any of them."""
    ordered: list[Work] = []
    for number in sorted({work.dataset.order for work in works}):
        group = [work for work in works if work.dataset.order == number]
        place = {identity: i for i, identity in enumerate(in_order([one.table for one in group if one.table]))}
        last = len(place)
        ordered += sorted(group, key=lambda one: place[one.table.identity] if one.table else last)
    return ordered
