"""What the ledger means for a dataset that is loaded once; where its rows are kept is the stores' business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.ledger import Entry

Due = Literal["insert", "upsert", "loaded", "ignored"]


def due(dataset: Dataset, table: str, entries: Sequence[Entry], sha256: Callable[[], str]) -> Due:
    """What is to become of a dataset of mode ``once``.

    The same content under another name counts as loaded: a volume may be mounted elsewhere.

    Args:
        dataset: which one.
        table: its table's name with the schema; empty for SQL.
        entries: the ledger.
        sha256: of the content; only asked for where a row of the ledger could be of it.

    Raises:
        PermanentError: it has changed, and nothing says what to do then.
    """
    alike = [entry for entry in entries if (entry.table, entry.options) == (table, dataset.options)]
    earlier = next((entry for entry in entries if (entry.dataset, entry.table) == (dataset.name, table)), None)
    if alike:
        content = sha256()
        if any(entry.sha256 == content for entry in alike):
            return "loaded"
    if earlier is None:
        return "insert"
    if dataset.on_change == "fail":
        raise _changed(dataset, earlier)
    return "ignored" if dataset.on_change == "ignore" else "upsert"


def _changed(dataset: Dataset, earlier: Entry) -> PermanentError:
    what = "the file" if earlier.options == dataset.options else "the way in which the file is read"
    # what another mode has loaded is in the ledger too
    how = " once" if earlier.mode == "once" else f" with mode {earlier.mode}"
    if dataset.format == "sql":
        advice = "put new statements into a new file, or use --on-change ignore"
    else:
        advice = "put new rows into a new file, or use --mode upsert, --on-change upsert or --on-change ignore"
    return PermanentError(
        f"seed {dataset.table or 'SQL'} from {dataset.path}",
        f"{what} has changed since it was loaded{how}, at {earlier.seeded_at}",
        advice,
    )
