"""Repositories that no git command would make: trees, commits and tags byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fix_git import Origin

FILE, FOLDER, LINK, MODULE = "100644", "40000", "120000", "160000"
Entry = tuple[str, bytes, str]


class Forge:
    """Makes objects in an origin; `publish` puts a tree on the branch `evil`."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    def blob(self, content: bytes) -> str:
        return self.origin.git("hash-object", "-w", "--stdin", feed=content)

    def tree(self, entries: Iterable[Entry]) -> str:
        """A tree of these entries in this order, whatever they are."""
        raw = b"".join(b"%s %s\0" % (mode.encode(), name) + bytes.fromhex(sha) for mode, name, sha in entries)
        return self.origin.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", feed=raw)

    def file(self, name: bytes, content: bytes = b"x\n") -> Entry:
        return (FILE, name, self.blob(content))

    def link(self, name: bytes, target: bytes) -> Entry:
        return (LINK, name, self.blob(target))

    def folder(self, name: bytes, entries: Iterable[Entry]) -> Entry:
        return (FOLDER, name, self.tree(entries))

    def path(self, path: bytes, leaf: Entry) -> Entry:
        """An entry with folders above it; `leaf` has the last name itself."""
        entry = leaf
        for name in reversed(path.split(b"/")):
            entry = self.folder(name, [entry])
        return entry

    def publish(self, entries: Iterable[Entry]) -> str:
        commit = self.origin.git("commit-tree", "-m", "evil", self.tree(entries))
        self.origin.git("update-ref", "refs/heads/evil", commit)
        return commit

    def tag(self, name: str, target: str, kind: str) -> str:
        text = f"object {target}\ntype {kind}\ntag {name}\ntagger A <a@example.org> 1700000000 +0000\n\nx\n"
        sha = self.origin.git("hash-object", "-t", "tag", "-w", "--stdin", feed=text.encode())
        self.origin.git("update-ref", f"refs/tags/{name}", sha)
        return sha


@pytest.fixture
def forge(origin: Origin) -> Forge:
    return Forge(origin)
