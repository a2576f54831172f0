"""Which files there are to load, and into which tables; what stands in them is read elsewhere (`rows`)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context, Voice

FORMATS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_KNOWN = "*.csv, *.ndjson or *.jsonl"
# a person who puts one of these into a seed folder expects it to be loaded, and must learn that it is not
_LOOKALIKES = (".tsv", ".gz", ".json", ".yaml", ".yml", ".sql")
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Dataset:
    """One file, and the table that its rows go into.

    Attributes:
        path: as it was given, or found in a folder that was given.
        table: ``users``, or ``public.users``.
        format: ``csv`` or ``ndjson``.
    """

    path: str
    table: str
    format: str

    @property
    def name(self) -> str:
        """What the ledger calls it: its folder's name and its own.

        The whole path would make a dataset new wherever the volume is mounted elsewhere; the file's name alone would
        take ``common/users.csv`` and ``prod/users.csv`` for the same.
        """
        folder, file = os.path.split(os.path.abspath(self.path))
        return f"{os.path.basename(folder)}/{file}".lstrip("/")


def find(paths: Sequence[str], voice: Voice | None = None) -> list[Dataset]:
    """The datasets of files and folders, each once, in the order given; those of a folder sorted by name.

    Args:
        paths: files and folders.
        voice: is warned of files in a folder that look like datasets but are not loaded.

    Raises:
        PermanentError: a path is missing or cannot be read, a folder holds no dataset, or a file's name does not say
            which format it has, or which table it is for.
    """
    found: dict[str, Dataset] = {}
    for path in paths:
        for file in _files(path, voice):
            found.setdefault(os.path.abspath(file), _dataset(file))
    return list(found.values())


def _files(path: str, voice: Voice | None) -> list[str]:
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        cause = "it is neither a file nor a folder" if os.path.exists(path) else "there is no such file or folder"
        raise PermanentError(f"read {path}", cause, "mount the volume that holds it, or mend the path")
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise unreadable(path, error) from error
    # a mounted ConfigMap also holds ..data and ..2026_01_31_…, the folders that its links lead to
    files = [os.path.join(path, name) for name in names if not name.startswith(".")]
    for file in files:
        if voice and file.endswith(_LOOKALIKES):
            voice.warn(f"{file} is not loaded: only {_KNOWN} are", path=file)
    datasets = [file for file in files if _suffix(file) in FORMATS and os.path.isfile(file)]
    if not datasets:
        raise PermanentError(
            f"seed from {path}", f"there is no {_KNOWN} in it", "mount the volume that holds them, or mend the path"
        )
    return datasets


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1]


def _dataset(path: str) -> Dataset:
    table, suffix = os.path.splitext(os.path.basename(path))
    if suffix not in FORMATS:
        raise PermanentError(f"load {path}", f"expected {_KNOWN}, got {os.path.basename(path)!r}", "rename the file")
    parts = table.split(".")
    if not all(parts) or len(parts) > 2:  # noqa: PLR2004 - schema and table
        raise PermanentError(
            f"load {path}",
            f"expected TABLE{suffix} or SCHEMA.TABLE{suffix}, got {os.path.basename(path)!r}",
            "rename the file",
        )
    return Dataset(path, table, FORMATS[suffix])


def digest(dataset: Dataset, context: Context) -> str:
    """The SHA-256 of a dataset's content in hexadecimal, as ``sha256sum`` prints it.

    Raises:
        PermanentError: it cannot be read.
    """
    digested = hashlib.sha256()
    for block in blocks(dataset.path, _BLOCK, context):
        digested.update(block)
    return digested.hexdigest()


def blocks(path: str, size: int, context: Context) -> Iterator[bytes]:
    """The bytes of a file, in blocks of at most `size`.

    Raises:
        PermanentError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            while block := file.read(size):
                context.stop.check()
                yield block
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: OSError) -> PermanentError:
    """The error for a file or folder that the system does not let us read."""
    return PermanentError(
        f"read {path}", error.strerror or str(error), f"make it readable for UID {os.getuid()}, or mend the path"
    )
