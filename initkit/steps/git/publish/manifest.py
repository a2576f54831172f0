"""What a published tree is made of, so that a later look can tell whether it still is; who writes it is not known here.

A manifest is a file of records, each ended by a NUL, for no name can hold one: a head, then for each entry
``KIND SIZE MTIME SHA256 PATH`` (kinds: ``f`` file, ``d`` folder, ``l`` link, whose target is the next record; a time
in nanoseconds; ``-`` where the content was not read), and ``end``.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from initkit.core.step import Context

_HEAD = b"initkit files 1"
_END = b"end"
_BLOCK = 1 << 18  # bytes that are read at once
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DAMAGED = "the list of its files is damaged"
UNREAD = "-"


class DamagedManifestError(Exception):
    """It is not there, or not whole."""


class Entry(Record):
    """One file, folder or link of a tree.

    Attributes:
        kind: ``f``, ``d`` or ``l``.
        path: from the tree's root, as text with surrogate escapes.
        size: of a file, in bytes.
        mtime: of a file, in nanoseconds since the epoch.
        digest: of a file's content, SHA-256 in hex; ``-`` where it was not read.
        target: of a link.
    """

    kind: str
    path: str
    size: int = 0
    mtime: int = 0
    digest: str = UNREAD
    target: str = ""


def show(entries: Iterable[Entry]) -> bytes:
    """The manifest's bytes."""
    lines = [_HEAD.decode()]
    for entry in entries:
        lines.append(line(entry.kind, entry.path, entry.size, entry.mtime, entry.digest))
        if entry.kind == "l":
            lines.append(entry.target)
    return close(lines)


def line(kind: str, path: str, size: int = 0, mtime: int = 0, digest: str = UNREAD) -> str:
    """One record."""
    return f"{kind} {size} {mtime} {digest} {path}"


def close(lines: list[str]) -> bytes:
    """The bytes of records that begin with `head()`."""
    return "\0".join([*lines, _END.decode(), ""]).encode("utf-8", "surrogateescape")


def head() -> str:
    """The first record."""
    return _HEAD.decode()


def read(path: str) -> Iterator[list[bytes]]:
    """The entries of the manifest in a file: kind, size, mtime, digest, path and, for a link, its target.

    Raises:
        DamagedManifestError: it is not there, or not whole.
    """
    try:
        with open(path, "rb") as file:
            return _parse(file.read())
    except FileNotFoundError:
        raise DamagedManifestError from None


def _parse(text: bytes) -> Iterator[list[bytes]]:
    records = text.split(b"\0")
    if records[0] != _HEAD or records[-2:] != [_END, b""]:
        raise DamagedManifestError
    return _fields(iter(records[1:-2]))


def _fields(records: Iterator[bytes]) -> Iterator[list[bytes]]:
    for record in records:
        fields = record.split(b" ", 4)
        if fields[0] == b"l":
            fields.append(next(records, b""))
        yield fields


def entries(text: bytes) -> dict[str, Entry]:
    """The entries of a manifest, by path.

    Raises:
        DamagedManifestError: it is not whole.
    """
    found = {}
    for kind, size, mtime, digest, name, *target in _parse(text):
        path = os.fsdecode(name)
        if ".." in path and ".." in path.split("/"):  # written by somebody else, who wants us outside
            raise DamagedManifestError
        found[path] = Entry(kind.decode(), path, int(size), int(mtime), digest.decode(), os.fsdecode(b"".join(target)))
    return found


def fault(root: str, manifest: str, context: Context, *, contents: bool, strict: bool = True) -> str:
    """The first thing by which a tree differs from its manifest, as a clause; empty where it is whole.

    Modes, owners and change times may differ: a later step may set them.

    Args:
        root: the tree.
        manifest: the file that its manifest is in.
        context: whether the end was asked for.
        contents: whether files are read too.
        strict: with `contents`, whether more entries than the manifest has are a fault.
    """
    try:
        known = read(manifest)
    except DamagedManifestError:
        return _DAMAGED
    try:
        folder = os.open(root, _ROOT)
    except OSError:
        return "it is missing"
    try:
        if not contents:
            return _quick(folder, known)
        return _full(folder, list(known), context, strict=strict)
    except (IndexError, ValueError):  # a crash of the node left a part of it empty
        return _DAMAGED
    finally:
        os.close(folder)


def _quick(folder: int, known: Iterator[list[bytes]]) -> str:
    # ten thousand times round this loop is what a run costs that has nothing to do
    look, is_file = os.stat, stat.S_ISREG
    for fields in known:
        path = fields[4]
        try:
            status = look(path, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return f"{shown(path)} is missing"
        except PermissionError:  # a later step took the right to look from us, not from the readers
            continue
        if fields[0] == b"f":
            if status.st_size != int(fields[1]) or status.st_mtime_ns != int(fields[2]) or not is_file(status.st_mode):
                return f"{shown(path)} was changed"
        elif not _is_as_was(folder, fields, status.st_mode):
            return f"{shown(path)} was changed"
    return ""


def _is_as_was(folder: int, fields: list[bytes], mode: int) -> bool:
    """Whether a folder is one still, and a link leads where it did."""
    if fields[0] == b"d":
        return stat.S_ISDIR(mode)
    return stat.S_ISLNK(mode) and os.readlink(fields[4], dir_fd=folder) == fields[5]


def _full(folder: int, known: list[list[bytes]], context: Context, *, strict: bool) -> str:
    found = _quick(folder, iter(known))
    if found:
        return found
    for fields in known:
        if fields[0] != b"f":
            continue
        if fields[3] == UNREAD.encode():
            return "it was not published with --verify full"
        if digest(folder, fields[4], context) != fields[3].decode():
            return f"{shown(fields[4])} was changed"
    return _additional(folder, {fields[4] for fields in known}) if strict else ""


def digest(folder: int, path: str | bytes, context: Context) -> str:
    """SHA-256 of a file's content; links are not followed."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and only --verify full needs it

    hash_ = hashlib.sha256()
    with opened(path, folder, _FILE) as file:
        while block := os.read(file, _BLOCK):
            hash_.update(block)
            context.stop.check()
    return hash_.hexdigest()


def _additional(root: int, known: set[bytes]) -> str:
    folders = [b""]
    while folders:
        folder = folders.pop()
        with opened(folder or b".", root, _FOLDER) as descriptor:
            names = [os.fsencode(name) for name in os.listdir(descriptor)]
        for path in (folder + b"/" + name if folder else name for name in names):
            if path not in known:
                return f"{shown(path)} is not from the repository"
            if path != b".git" and stat.S_ISDIR(os.stat(path, dir_fd=root, follow_symlinks=False).st_mode):
                folders.append(path)
    return ""


@contextmanager
def opened(path: str | bytes, folder: int, flags: int) -> Iterator[int]:
    """A descriptor of what stands at `path` below `folder`, for as long as the block lasts."""
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def shown(path: bytes | str) -> str:
    """A path as a message can hold it: a repository chooses its names freely."""
    text = os.fsdecode(path)
    return text if text.isprintable() else ascii(text)[1:-1]
