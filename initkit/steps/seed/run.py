"""One run over the datasets: what is due, in which order, and loading it in one transaction.

How a database takes rows is the stores' business, how all of it is told that of `told`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.outcome import Pending
from initkit.steps.seed import told
from initkit.steps.seed.dataset import STDIN
from initkit.steps.seed.ledger import Entry
from initkit.steps.seed.planning import Work, again, planned
from initkit.steps.seed.store import Counts, Loading, reading, writing
from initkit.steps.seed.told import Done

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.outcome import Finding, Outcome
    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.store import Store

_QUICK = ("once", "if-empty")  # modes of which a look at the ledger or at the table says whether there is work


def look(found: Sequence[Dataset], database: Database, context: Context) -> Finding:
    """Whether there is work, as cheaply as that can be told."""
    slow = [one for one in found if one.mode not in _QUICK]
    if slow:
        return Pending(told.count(len(found), "dataset") + " to compare", tuple(one.shown for one in found))
    if not found:
        return told.satisfied([])
    with reading(database, context) as store:
        works = planned(found, store, context)
        _finish(works)
    todo = [work for work in works if work.is_due]
    if not todo:
        return told.satisfied([Done(work) for work in works])
    return Pending(f"{told.count(len(todo), 'dataset')} to load", tuple(work.dataset.shown for work in todo))


def compare(found: Sequence[Dataset], database: Database, context: Context) -> Finding:
    """Exactly what loading would do, counted without writing."""
    if not found:
        return told.satisfied([])
    done: list[Done] = []
    with reading(database, context) as store:
        entries = store.ledger()
        works = planned(found, store, context, entries)
        try:
            done += [_compared(work, entries, store) for work in works]
        finally:
            _finish(works)
    return told.compared(done)


def _compared(work: Work, entries: list[Entry], store: Store) -> Done:
    work = again(work, entries)
    if not work.is_due or work.table is None:
        return Done(work)
    counts = store.compare(_loading(work))
    _refuse_to_empty(work, counts)
    done = Done(work, counts)
    work.content.finished()
    if work.dataset.mode == "once":
        entries.append(_entry(done))
    return done


def load(found: Sequence[Dataset], database: Database, context: Context) -> Outcome:
    """Load what is due, all or nothing."""
    if not found:
        return told.outcome([])
    works: list[Work] = []
    try:
        with writing(database, context) as store:
            entries = store.ledger()
            works += planned(found, store, context, entries)
            done = [_done(work, entries, store, context) for work in works]
            _refuse_disagreement(done, store)
            _settle(done, store)
    except TemporaryError as error:
        if not any(work.dataset.path == STDIN for work in works):
            raise
        # another attempt would find it empty
        advice = "run it again, or load a file: standard input cannot be read a second time"
        raise PermanentError(error.task, error.cause, advice, done=error.done) from error
    finally:
        _finish(works)
    return told.outcome(done)


def _done(work: Work, entries: list[Entry], store: Store, context: Context) -> Done:
    """One dataset's rows brought in; `entries` gets what is then to be recorded."""
    began = context.clock.now()
    work = again(work, entries)
    if not work.is_due:
        return Done(work)
    done = _run(work, store) if work.table is None else _rows(work, store)
    work.content.finished()
    entry = None
    if done.changed or work.dataset.mode == "once":
        entry = _entry(done)
        entries.append(entry)
    size = None if work.dataset.path == STDIN else os.path.getsize(work.dataset.path)
    return done.but(seconds=context.clock.now() - began, entry=entry, size=size)


def _run(work: Work, store: Store) -> Done:
    return Done(work, statements=store.run(work.content))


def _rows(work: Work, store: Store) -> Done:
    counts = store.load(_loading(work))
    _refuse_to_empty(work, counts)
    return Done(work, counts)


def _refuse_to_empty(work: Work, counts: Counts) -> None:
    """Refuse to delete everything because standard input brought nothing: whoever was to write it may have failed."""
    if work.dataset.path == STDIN and counts.deleted and not counts.rows:
        cause = f"it holds no row, and {told.count(counts.deleted, 'row')} would be deleted"
        raise PermanentError(f"load {work.dataset.shown} into {work.dataset.table}", cause, "see what was to write it")


def _refuse_disagreement(done: Sequence[Done], store: Store) -> None:
    """Refuse that two datasets write the same rows to and fro, at every run again."""
    merged = [one for one in done if one.work.is_due and one.work.how == "upsert"]
    for place, later in enumerate(merged):
        for earlier in merged[:place]:
            same = earlier.work.table == later.work.table
            # only what was updated can have been another's; that it was, a second look at the other tells
            if same and later.counts and later.counts.updated and (rows := store.load(_loading(earlier.work)).updated):
                names = f"{earlier.work.dataset.name} and {later.work.dataset.name}"
                cause = f"{told.count(rows, 'row')} of the table {later.work.dataset.table} differ between them"
                advice = "take them out of one, or give the general one mode insert-missing and a higher order"
                raise PermanentError(f"load both {names}", cause, advice)


def _settle(done: Sequence[Done], store: Store) -> None:
    loaded = [_loading(one.work) for one in done if one.work.is_due and one.work.table is not None]
    if loaded or any(one.statements for one in done):
        store.settle(loaded)
    for one in done:
        if one.entry is not None:
            store.record(one.entry)


def _loading(work: Work) -> Loading:
    if work.table is None or work.how is None:
        raise TypeError(f"{work.dataset.name} has no rows to load")
    return Loading(work.content, work.table, work.how, work.key, work.dataset.prune)


def _entry(done: Done) -> Entry:
    dataset, table = done.work.dataset, done.work.table
    return Entry(
        dataset.name,
        table.resolved if table is not None else "",
        done.work.content.sha256(),
        dataset.options,
        dataset.mode,
        (done.counts or Counts()).rows,
    )


def _finish(works: Sequence[Work]) -> None:
    for work in works:
        work.content.finished()
