"""What a row of the ledger says; where rows are kept is the stores' business, what follows from them that of `due`."""

from __future__ import annotations

from dataclasses import dataclass

TABLE = "initkit_seed"


@dataclass(frozen=True)
class Entry:
    """A row of the ledger: this content of this dataset is in this table.

    Attributes:
        dataset: its folder's name and its own, as `Dataset.name`.
        table: with its schema, as `Table.resolved`; empty for SQL.
        sha256: of the content, once decompressed.
        options: how it was read, as `Dataset.options`.
        seeded_at: when, for messages.
    """

    dataset: str
    table: str
    sha256: str
    options: str = "{}"
    mode: str = "once"
    rows: int = 0
    seeded_at: str = ""
