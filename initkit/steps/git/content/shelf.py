"""Where the repositories of submodules stand: which is whose, what it has already, and when it goes.

::

    DEST/.initkit/modules/<digest of URL>    one repository, whoever has it as a submodule, at whatever path
        refs/initkit/<slot>/<sha>            keeps a commit that the link of that slot publishes
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.steps.git import remove
from initkit.steps.git.content.store import Store

if TYPE_CHECKING:
    from initkit.steps.git.calling.program import Program


class Shelf:
    """The repositories of all submodules in one DEST.

    Args:
        house: our own folder in DEST.
        slot: the link's part of a ref's name.
    """

    def __init__(self, house: str, slot: str) -> None:
        self._house = house
        self._slot = slot
        self._folder = os.path.join(house, "modules")
        self._used: set[str] = set()

    def store(self, git: Program, commit: str) -> Store:
        """The repository for a commit of `git`'s remote; used from now on."""
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, _name(git.remote.url, commit))
        store = Store(git, path, f"{self._slot}/{commit}")
        self._used.add(os.path.join(path, store.ref))
        return store

    def retire(self) -> None:
        """Remove the marks of this slot that were not used, and repositories that have no mark left."""
        for name in _names(self._folder):
            path = os.path.join(self._folder, name)
            marks = os.path.join(path, "refs", "initkit")
            own = os.path.join(marks, self._slot)
            for mark in _names(own):
                # beside a mark there may be what its commit was found by
                if os.path.join(own, mark.removesuffix("-around")) not in self._used:
                    remove.anything(os.path.join(own, mark))
            with suppress(OSError):
                os.rmdir(own)
            if not _names(marks):
                self._remove(path)

    def _remove(self, path: str) -> None:
        """The name first, so that what is half removed is never taken for a repository."""
        going = self.new_name()
        os.rename(path, going)
        remove.anything(going)

    def new_name(self) -> str:
        """The path for something that may be cleared once this run is over."""
        return os.path.join(self._house, f"tmp-{os.urandom(8).hex()}")


def holds(store: Store, commit: str) -> bool:
    """Whether a commit was fetched whole: its ref is written last."""
    try:
        with open(os.path.join(store.path, store.ref), encoding="ascii", errors="replace") as file:
            return file.read(len(commit) + 1).rstrip("\n") == commit
    except FileNotFoundError:
        return False


def _name(url: str, commit: str) -> str:
    """A name that the repository's own words have no part in; SHA-1 and SHA-256 do not go together in one."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and --help needs none of it

    text = f"{url}\0{len(commit)}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
