"""One dataset: a file, how it is read, and what is to become of its rows; finding datasets is `datasets`' business."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "ndjson", "json", "yaml", "sql"]
Mode = Literal["once", "upsert", "insert-missing", "replace", "if-empty"]
OnChange = Literal["fail", "upsert", "ignore"]

STDIN = "-"


@dataclass(frozen=True)
class Form:
    """How the text of a dataset is to be understood: what changes it makes other rows of the same bytes.

    Attributes:
        delimiter: of CSV, one character; empty where the header line is to show it.
        quote: of CSV, one character; empty where nothing is quoted.
        nulls: what stands for NULL in CSV where it is not quoted.
        header: the columns of a CSV file that has no header line, in order; empty where it has one.
        renamed: the names in the file, with the columns that they mean; an empty column is left out.
        expand: whether ``${NAME}`` and ``${file:PATH}`` are replaced in values.
    """

    delimiter: str = ""
    quote: str = '"'
    nulls: tuple[str, ...] = ("",)
    header: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    expand: bool = False


@dataclass(frozen=True)
class Dataset:
    """One file, and the table that its rows go into.

    Attributes:
        path: as it was given, or found in a folder that was given; `STDIN` for standard input.
        table: ``users``, or ``public.users``; empty for SQL, which names its own.
        format: of the content, once decompressed.
        compressed: whether it is gzip.
        mode: what is done with rows that are there already.
        key: the columns by which a row is known; empty for the table's primary key.
        prune: whether upsert deletes the rows that are not in the file.
        on_change: what ``once`` does where the content, the form or the table is not what was loaded.
        order: datasets of a lower one come first, whatever foreign keys say.
        form: how the text is understood.
    """

    path: str
    table: str
    format: Format
    compressed: bool = False
    mode: Mode = "once"
    key: tuple[str, ...] = ()
    prune: bool = False
    on_change: OnChange = "fail"
    order: int = 0
    form: Form = Form()

    @property
    def name(self) -> str:
        """What the ledger calls it: its folder's name and its own.

        The whole path would make a dataset new wherever the volume is mounted elsewhere; the file's name alone would
        take ``common/users.csv`` and ``prod/users.csv`` for the same.
        """
        if self.path == STDIN:
            return "stdin"
        folder, file = os.path.split(os.path.abspath(self.path))
        return f"{os.path.basename(folder)}/{file}".lstrip("/")

    @property
    def shown(self) -> str:
        """Its path, for messages."""
        return "standard input" if self.path == STDIN else self.path

    @property
    def options(self) -> str:
        """What of `form` is not as usual, as JSON for the ledger."""
        usual = Form()
        found = {name: value for name, value in vars(self.form).items() if value != getattr(usual, name)}
        return json.dumps(found, sort_keys=True, ensure_ascii=False)
