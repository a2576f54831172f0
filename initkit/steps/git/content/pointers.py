"""Pointers of Git LFS: how they are written, and where they stand in a tree."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.printable import printable
from initkit.core.record import Record
from initkit.steps.git.content.inside import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.git.content.store import Store

_LARGEST = 1023  # bytes: git-lfs takes no larger file for a pointer
_VERSION = "version https://git-lfs.github.com/spec/v1"
_OLD_VERSION = "version https://hawser.github.com/spec/v1"
_OID = re.compile(r"oid sha256:([0-9a-f]{64})")
_SIZE = re.compile(r"size (\d{1,18})")


class Pointer(Record):
    """What stands in a repository in the place of a large file.

    Attributes:
        oid: the SHA-256 of the file, in 64 hexadecimal digits.
        size: the file's, in bytes.
    """

    oid: str
    size: int

    def __str__(self) -> str:
        """As git-lfs writes it (the pointer's specification, version 1)."""
        return f"{_VERSION}\noid sha256:{self.oid}\nsize {self.size}\n"


def parse(content: bytes) -> Pointer | None:
    """The pointer that a file is; None where it is none.

    Raises:
        ValueError: only a program of the repository's users could make the file of it (an extension of LFS).
    """
    lines = content.decode("utf-8", "replace").splitlines() if len(content) <= _LARGEST else []
    if not lines or lines[0] not in {_VERSION, _OLD_VERSION}:
        return None
    if any(line.startswith("ext-") for line in lines):
        raise ValueError("it needs an extension of Git LFS")
    oid, size = (_only(pattern, lines) for pattern in (_OID, _SIZE))
    return Pointer(oid, int(size)) if oid and size else None


def _only(pattern: re.Pattern[str], lines: list[str]) -> str:
    found = [match[1] for line in lines if (match := pattern.fullmatch(line))]
    return found[0] if len(found) == 1 else ""


def find(store: Store, tree: str, task: str) -> Iterator[tuple[str, Pointer]]:
    """The pointers in a tree, each with its path, where the commit's attributes say ``filter=lfs``.

    Args:
        store: where the commit is.
        tree: the folder that it, or a part of it, was written into, with git's index beside it in `TREE.index`.
        task: what it is good for, for the message.

    Raises:
        PermanentError: a pointer needs an extension of LFS.
        InitkitError: the commit cannot be read.
    """
    more = {"GIT_WORK_TREE": tree, "GIT_INDEX_FILE": f"{tree}.index"}
    git = store.git.but(variables={**store.git.variables, **more})
    for record in git.each(task, "ls-files", "-s", "-z", ":(top,attr:filter=lfs)", directory=tree):
        head, _, name = record.partition(b"\t")
        path = os.fsdecode(name)
        pointer = _read(tree, path, task) if head.startswith(b"100") else None
        if pointer is not None:
            yield path, pointer


def _read(tree: str, path: str, task: str) -> Pointer | None:
    """The pointer at a path; None also where that was not written, for it is outside of what was asked for."""
    try:
        with folder_of(tree, path) as (folder, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with open(descriptor, "rb") as file:
                is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
                return parse(file.read(_LARGEST + 1)) if is_file else None
    except FileNotFoundError:
        return None
    except ValueError as error:
        advice = "publish without --lfs, or have it stored as it is"
        raise PermanentError(task, f"{error}: {printable(path)}", advice) from error
