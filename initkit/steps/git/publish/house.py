"""Our own folder in DEST, which both layouts live in; what is published, and how, is theirs to say.

::

    DEST/.initkit/git.flock     the lock, and the mark that the folder is ours
    DEST/.initkit/repository    what was fetched
    DEST/.initkit/published     the record of what stands in DEST itself (layout plain): there while it is whole
    DEST/.initkit/files         the manifest of it, and while it is being changed of all that may be ours
    DEST/.initkit/tmp-*         what is being made or removed
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.record import Record as Fields
from initkit.steps.git import remove
from initkit.steps.git.publish import record

if TYPE_CHECKING:
    from initkit.core.step import Context

NAME = ".initkit"
LOCK = "git.flock"
MARKER = "published"
FILES = "files"
TEMPORARY = "tmp-"
_OPEN_TO_ALL = 0o755  # readers go through it


class House(Fields):
    """The folder `.initkit` in DEST.

    Attributes:
        dest: DEST, as an absolute path.
    """

    dest: str

    @property
    def path(self) -> str:
        """The folder."""
        return os.path.join(self.dest, NAME)

    @property
    def lock(self) -> str:
        """The file to lock."""
        return self.inside(LOCK)

    def inside(self, name: str) -> str:
        """The path of what has this name in it."""
        return os.path.join(self.path, name)

    def names(self) -> list[str]:
        """What is in it, in order; nothing where it is not there."""
        try:
            return sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []

    def refuse_strangers(self) -> None:
        """Raise where something that initkit did not make has its name.

        Raises:
            PermanentError: its name is taken.
        """
        mode = mode_of(self.path)
        if mode is None:
            return
        if not stat.S_ISDIR(mode):
            raise self.taken(self.path, "no folder", "give another DEST")
        names = self.names()
        if names and LOCK not in names:
            raise self.taken(self.path, "a folder", "give another DEST")

    def taken(self, path: str, what: str, advice: str) -> PermanentError:
        """The error for what is not ours and in the way."""
        return PermanentError(f"publish in {self.dest}", f"{path} is {what} that initkit did not make", advice)

    def open(self) -> None:
        """Make DEST and the folder, so that every user can go through them, whatever the umask."""
        missing = []
        folder = self.path
        while mode_of(folder) is None:
            missing.append(folder)
            folder = os.path.dirname(folder)
        for folder in reversed(missing):
            with suppress(FileExistsError):  # by another replica
                os.mkdir(folder)
            os.chmod(folder, _OPEN_TO_ALL | stat.S_IMODE(os.stat(folder).st_mode))

    def new_name(self) -> str:
        """A path for something that is being made; what has such a name does not outlive the next run."""
        return self.inside(TEMPORARY + os.urandom(8).hex())

    def new_tree(self) -> str:
        """Make an empty folder for a tree; returns its path."""
        path = self.new_name()
        os.mkdir(path)
        return path

    def write(self, name: str, text: bytes, *, sync: bool = False) -> None:
        """Write a file in it, whole or not at all.

        Args:
            name: the file's.
            text: its content.
            sync: whether it is to outlive a crash of the node from now on.
        """
        record.replace(self.inside(name), text, self.new_name(), sync=sync)

    def clear(self, context: Context) -> None:
        """Remove what killed runs were making or removing."""
        for name in self.names():
            if name.startswith(TEMPORARY):
                self.remove(context, name)

    def remove(self, context: Context, *names: str) -> None:
        """Remove something in it, one after the other; a warning says from where on it stays."""
        for path in map(self.inside, names):
            context.stop.check()
            try:
                remove.anything(path)
            except OSError as error:
                context.voice.warn(f"cannot remove {path}: {error.strerror}; it is left for a later run")
                return


def mode_of(path: str) -> int | None:
    """Type and permissions of what stands there, links not followed; None for nothing."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None
