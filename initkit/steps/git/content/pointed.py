"""A repository of our own that holds pointers of Git LFS and nothing else, for git-lfs to read which files to fetch.

So nothing of the repository itself reaches git-lfs: no `.lfsconfig`, no attributes, no paths, no extensions.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from initkit.steps.git.content.pointers import Pointer

_BY = "initkit <> 0 +0000"


def write(path: str, pointers: Iterable[Pointer]) -> str:
    """Write a bare repository with one commit that has each of these pointers once; returns the commit's SHA.

    Written by hand: git would need a process for each kind of object, and all content on its standard input.
    """
    for folder in ("objects", "refs"):
        os.makedirs(os.path.join(path, folder))
    _write(os.path.join(path, "HEAD"), b"ref: refs/heads/none\n")
    _write(os.path.join(path, "config"), b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    entries = sorted({pointer.oid: pointer for pointer in pointers}.items())
    listed = (b"100644 %s\0%s" % (oid.encode(), _object(path, "blob", str(pointer))) for oid, pointer in entries)
    tree = _object(path, "tree", b"".join(listed)).hex()
    return _object(path, "commit", f"tree {tree}\nauthor {_BY}\ncommitter {_BY}\n\npointers\n").hex()


def _object(path: str, kind: str, content: str | bytes) -> bytes:
    """Write a loose object (gitrepository-layout(5)); returns its name."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and --help needs none of it
    import zlib  # noqa: PLC0415 - as above

    body = content.encode() if isinstance(content, str) else content
    whole = b"%s %d\0%s" % (kind.encode(), len(body), body)
    name = hashlib.sha1(whole, usedforsecurity=False).digest()
    folder = os.path.join(path, "objects", name.hex()[:2])
    os.makedirs(folder, exist_ok=True)
    _write(os.path.join(folder, name.hex()[2:]), zlib.compress(whole, 1))
    return name


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
