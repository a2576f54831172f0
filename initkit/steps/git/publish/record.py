"""The record of what was published: in the house beside each tree, and where `--record` says."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, UsageError
from initkit.core.record import Record as Fields
from initkit.steps.git import remove

if TYPE_CHECKING:
    from initkit.steps.git.publish.layout import Layout

_FOR_ALL = 0o644
_LAST = 253_402_300_800  # the year 10000, in seconds since the epoch
_LONGEST = 1 << 20  # bytes that are read of a file that may be anything


class Record(Fields):
    """What a whole tree holds; nothing in it is secret.

    Attributes:
        key: the commit, and a digest of the options that shape what is written.
        repository: the URL without credentials.
        subpath: the folder of the repository that is published.
        link: the link that it was made for; empty for the plain layout.
        time: when it was published, in seconds since the epoch.
    """

    key: str
    repository: str
    ref: str
    sha: str
    subpath: str
    link: str
    time: int

    def __bytes__(self) -> bytes:
        """As it stands in the house."""
        import json  # noqa: PLC0415 - --help needs none of it

        return json.dumps(vars(self)).encode()


def load(path: str) -> Record | None:
    """The record in a file of the house; None where there is none, or none that is whole."""
    import json  # noqa: PLC0415 - as above

    try:
        with open(path, "rb") as file:
            record = Record(**json.load(file))
    except (FileNotFoundError, ValueError, TypeError, RecursionError):
        return None
    return record if _is_whole(record) else None


def _is_whole(record: Record) -> bool:
    """Whether its values are such as initkit writes: others may have written in the house."""
    texts = [value for name, value in vars(record).items() if name != "time"]
    return all(isinstance(text, str) for text in texts) and type(record.time) is int and 0 <= record.time < _LAST


class RecordFile(Fields):
    """The file that `--record` names.

    Attributes:
        path: where it is, as an absolute path.
    """

    path: str

    def refuse(self, layout: Layout, dest: str) -> None:
        """Raise where it cannot be written, before anything is published.

        Raises:
            UsageError: it would lie in what is published, or in our own folder.
            PermanentError: there is no folder for it, or a folder has its name.
        """
        folder, name = os.path.split(self.path)
        real = os.path.join(os.path.realpath(folder), name)
        within = [layout.house] if layout.path == dest else [layout.house, layout.path]
        for place in (place for one in within for place in (one, os.path.realpath(one))):
            if f"{real}/".startswith(f"{place}/"):
                raise UsageError(f"write the record {self.path}", f"it lies in {place}", "give another --record")
        # DEST is made with all above it
        if not os.path.isdir(folder) and not f"{dest}/".startswith(f"{folder}/"):
            raise PermanentError(f"write the record {self.path}", f"there is no folder {folder}", "mount or make it")
        other = os.path.lexists(self.path) and not stat.S_ISREG(os.lstat(self.path).st_mode)
        if other or f"{dest}/".startswith(f"{self.path}/"):  # a rename would replace even a device
            raise PermanentError(f"write the record {self.path}", "it is no file", "give a file's name with --record")

    def says(self, text: bytes) -> bool:
        """Whether it holds just this."""
        try:
            with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                return file.read(_LONGEST) == text
        except OSError:
            return False

    def write(self, text: bytes) -> None:
        """Write it by rename, for all to read; what a killed run left of it is replaced."""
        temporary = f"{self.path}.initkit-tmp"
        remove.file(temporary)
        try:
            replace(self.path, text, temporary)
        except OSError:
            with suppress(OSError):
                remove.file(temporary)
            raise


def told(record: Record, *, repository: str, ref: str, path: str) -> bytes:
    """What an application reads of what is published: JSON, the time in seconds since the epoch and as ISO 8601.

    Args:
        record: of what is published.
        repository: the URL without credentials, and
        ref: the ref, as they are asked for now.
        path: where readers look.
    """
    import json  # noqa: PLC0415 - as above
    from datetime import UTC, datetime  # noqa: PLC0415 - only --record needs it

    facts = {
        "repository": repository,
        "ref": ref,
        "sha": record.sha,
        "subpath": record.subpath,
        "path": path,
        "time": record.time,
        "published": datetime.fromtimestamp(record.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return json.dumps(facts, indent=2).encode() + b"\n"


def replace(path: str, text: bytes, temporary: str, *, sync: bool = False) -> None:
    """Write a file whole or not at all, for all to read.

    Args:
        path: the file.
        text: its content.
        temporary: a name on the same file system that nobody uses.
        sync: whether it is to outlive a crash of the node from now on.
    """
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _FOR_ALL)
    with open(descriptor, "wb") as file:
        file.write(text)
        os.fchmod(descriptor, _FOR_ALL)
        if sync:
            file.flush()
            os.fsync(descriptor)
    os.rename(temporary, path)
