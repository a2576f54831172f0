"""What was loaded already, and what is therefore due; where the ledger's rows are kept is the stores' business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from initkit.steps.seed.datasets import Dataset

TABLE = "initkit_seed"
How = Literal["insert", "upsert"]


@dataclass(frozen=True)
class Entry:
    """A row of the ledger: this content of this dataset is in this table.

    Attributes:
        dataset: its folder's name and its own, as `Dataset.name`.
        options: those that change what the rows become, as JSON; a later version may have some.
        seeded_at: when, for messages.
    """

    dataset: str
    table: str
    sha256: str
    options: str = "{}"
    mode: str = "once"
    rows: int = 0
    seeded_at: str = ""


@dataclass(frozen=True)
class Due:
    """A dataset that is to be loaded, and how."""

    dataset: Dataset
    sha256: str
    how: How


def due(
    digests: Mapping[Dataset, str],
    entries: Iterable[Entry],
    mode: Literal["once", "upsert"],
    on_change: Literal["fail", "upsert", "ignore"],
) -> list[Due]:
    """What is to be loaded; the same content under another name counts as loaded (a volume mounted elsewhere).

    Raises:
        PermanentError: the content of a dataset that is loaded once has changed.
    """
    recorded = list(entries)
    contents = {(entry.table, entry.sha256) for entry in recorded}
    names = {(entry.dataset, entry.table): entry for entry in recorded}
    found: list[Due] = []
    for dataset, sha256 in digests.items():
        if (dataset.table, sha256) in contents:
            continue
        earlier = names.get((dataset.name, dataset.table))
        if mode == "upsert":
            found.append(Due(dataset, sha256, "upsert"))
        elif earlier is None:
            found.append(Due(dataset, sha256, "insert"))
        elif on_change == "fail":
            raise _changed(dataset, earlier)
        elif on_change == "upsert":
            found.append(Due(dataset, sha256, "upsert"))
    return found


def _changed(dataset: Dataset, earlier: Entry) -> PermanentError:
    return PermanentError(
        f"seed {dataset.table} from {dataset.path}",
        f"the file has changed since it was loaded once, at {earlier.seeded_at}",
        "put new rows into a new file, or use --mode upsert, --on-change upsert or --on-change ignore",
    )
