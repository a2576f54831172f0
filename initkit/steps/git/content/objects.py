"""The files that pointers of Git LFS stand for, kept in a folder of our own, fetched by git-lfs itself.

::

    REPOSITORY/lfs/<slot>/objects/ab/cd/abcd…    a file by its SHA-256, as git-lfs lays them out
    REPOSITORY/lfs/<slot>/…                      its temporary files
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.errors import TemporaryError
from initkit.steps.git import remove
from initkit.steps.git.access.for_lfs import for_lfs
from initkit.steps.git.content import pointed

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import BinaryIO

    from initkit.core.stop import Stop
    from initkit.steps.git.calling.program import Program
    from initkit.steps.git.content.pointers import Pointer

_SETTINGS = {
    "lfs.basicTransfersOnly": "true",  # no program of anybody else's
    "lfs.ssh.autoMultiplex": "false",  # it would need a folder for its socket
    "lfs.transfer.maxRetries": "2",  # the step itself tries again, and what has come by then stays
    "lfs.transfer.maxRetryDelay": "2",
    "lfs.concurrentTransfers": "8",
    "lfs.fetchRecentAlways": "false",
    "lfs.skipDownloadErrors": "false",
    "lfs.lockIgnoredFiles": "false",
}
_BLOCK = 1 << 20  # bytes that are read at once


class Objects:
    """The files of one repository.

    Args:
        repository: where the repository is that has the pointers.
        slot: the name of the link that they are published through.
    """

    def __init__(self, repository: str, slot: str) -> None:
        self._folder = os.path.join(repository, "lfs", slot)

    def path(self, pointer: Pointer) -> str:
        """Where a file is, or would be."""
        oid = pointer.oid
        return os.path.join(self._folder, "objects", oid[:2], oid[2:4], oid)

    def missing(self, pointers: Collection[Pointer], stop: Stop) -> list[Pointer]:
        """Those whose file is not here whole; what a crash or somebody else spoiled is removed."""
        found = [pointer for pointer in pointers if not self._is_whole(pointer, stop)]
        for pointer in found:
            remove.file(self.path(pointer))
        return found

    def fetch(self, git: Program, endpoint: str, pointers: Collection[Pointer], scratch: str) -> None:
        """Fetch files.

        Args:
            git: the program, with what it takes to reach the server.
            endpoint: the LFS server's URL; empty where it is to be found by the remote's.
            pointers: what to fetch.
            scratch: a path for a folder that is removed again.

        Raises:
            InitkitError: they cannot be fetched, or git-lfs is missing.
        """
        task = f"fetch files of Git LFS from {endpoint or git.remote}"
        self._clear()
        try:
            sha = pointed.write(scratch, pointers)
            with for_lfs(git.access, git.remote, git.context) as access:
                self._ask(git.but(access=access, variables={"GIT_DIR": scratch}), task, endpoint, sha)
        finally:
            with suppress(OSError):  # the next run clears what stays
                remove.anything(scratch)
                self._clear()
        if any(not os.path.exists(self.path(pointer)) for pointer in pointers):
            raise TemporaryError(task, "git-lfs ended without an error and without all files")

    def retire(self, pointers: Collection[Pointer]) -> None:
        """Remove all files but these."""
        kept = {self.path(pointer) for pointer in pointers}
        for folder, _, names in os.walk(os.path.join(self._folder, "objects")):
            for name in names:
                path = os.path.join(folder, name)
                if path not in kept:
                    remove.file(path)

    def clear(self) -> None:
        """Remove everything."""
        remove.anything(self._folder)

    def _clear(self) -> None:
        """Remove what is no file that came whole; git-lfs keeps a log of each failure for ever."""
        for name in ("tmp", "incomplete", "cache", "logs"):
            remove.anything(os.path.join(self._folder, name))

    def _ask(self, git: Program, task: str, endpoint: str, sha: str) -> None:
        chosen = _SETTINGS | {"lfs.storage": self._folder, "remote.origin.url": git.remote.url}
        chosen |= {"lfs.url": endpoint} if endpoint else {}
        options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        git.ask(task, *options, "lfs", "fetch", "origin", sha)

    def _is_whole(self, pointer: Pointer, stop: Stop) -> bool:
        try:
            with open(self.path(pointer), "rb") as file:
                same = os.fstat(file.fileno()).st_size == pointer.size
                return same and _sha256(file, stop) == pointer.oid
        except FileNotFoundError:
            return False


def _sha256(file: BinaryIO, stop: Stop) -> str:
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and --help needs none of it

    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        stop.check()
        digest.update(block)
    return digest.hexdigest()
