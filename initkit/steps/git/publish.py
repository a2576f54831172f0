"""The folder that readers look into: trees, their records and the link that is switched; git is not known here.

::

    DEST/current -> .initkit/<sha>-<shape>[/SUBPATH]
    DEST/.initkit/git.flock              the lock, and the mark that the folder is ours
    DEST/.initkit/<sha>-<shape>          a tree; ".1", ".2" after it where the name is taken by a damaged one
    DEST/.initkit/<sha>-<shape>.json     its record, written once the tree is complete
    DEST/.initkit/repository             what was fetched
    DEST/.initkit/tmp-*                  what is being made or removed
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.git import remove

if TYPE_CHECKING:
    from collections.abc import Iterable

    from initkit.core.step import Context

HOUSE = ".initkit"
_LOCK = "git.flock"
_TEMPORARY = "tmp-"
_TREE = re.compile(r"(?P<key>(?P<sha>[0-9a-f]{40}(?:[0-9a-f]{24})?)-[0-9a-f]{12})(?:\.\d{1,9})?")


@dataclass(frozen=True)
class Record:
    """What a complete tree holds; nothing in it is secret.

    Attributes:
        link: the link that it was made for.
        time: when it was made, in seconds since the epoch.
    """

    repository: str
    ref: str
    sha: str
    subpath: str
    link: str
    time: int


@dataclass(frozen=True)
class Place:
    """DEST and the link in it.

    Attributes:
        dest: the folder, as an absolute path.
        link: the link's name.
    """

    dest: str
    link: str

    @property
    def house(self) -> str:
        """The folder for everything but the link."""
        return os.path.join(self.dest, HOUSE)

    @property
    def lock(self) -> str:
        """The file to lock."""
        return self._inside(_LOCK)

    @property
    def path(self) -> str:
        """The link, where readers look."""
        return os.path.join(self.dest, self.link)

    def refuse_strangers(self) -> None:
        """Raise where something that initkit did not make stands in the way; nothing of it is ever touched.

        Raises:
            PermanentError: the link's name or the folder's is taken.
        """
        target = self._target()
        if target is not None and not target.startswith(f"{HOUSE}/"):
            raise self._taken(self.path, f"a link to {target or 'elsewhere'}", "give another name with --link")
        mode = _mode(self.house)
        if mode is None:
            return
        if not stat.S_ISDIR(mode):
            raise self._taken(self.house, "no folder", "give another DEST")
        names = os.listdir(self.house)
        if names and _LOCK not in names:
            raise self._taken(self.house, "a folder", "give another DEST")

    def open(self) -> None:
        """Make the folders."""
        os.makedirs(self.house, exist_ok=True)

    def published(self) -> str | None:
        """The name of the complete tree that the link leads to."""
        target = self._target()
        if target is None:
            return None
        name, _, subpath = target.removeprefix(f"{HOUSE}/").partition("/")
        record = self._record(name)
        complete = record is not None and record.subpath == subpath and os.path.isdir(self.path)
        return name if complete else None

    def complete(self, key: str) -> str | None:
        """The name of a complete tree of that key, published or not."""
        names = sorted(self._trees())
        return next((name for name in names if key_of(name) == key and self._record(name) is not None), None)

    def new_name(self) -> str:
        """A path for something that is being made."""
        return self._inside(_TEMPORARY + os.urandom(8).hex())

    def keep(self, made: str, key: str, record: Record) -> str:
        """Give a tree that is complete its name, and its record; returns the name."""
        taken = set(os.listdir(self.house))
        names = (key if not number else f"{key}.{number}" for number in range(len(taken) + 1))
        name = next(name for name in names if name not in taken)
        os.rename(made, self._inside(name))
        text = self.new_name()
        with open(text, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(asdict(record), file)
        os.rename(text, self._inside(f"{name}.json"))
        return name

    def switch(self, name: str, subpath: str) -> None:
        """Lead the link to a tree: readers see the old one or the new one."""
        temporary = self.new_name()
        os.symlink("/".join(part for part in (HOUSE, name, subpath) if part), temporary)
        os.rename(temporary, self.path)

    def linked(self) -> str | None:
        """The name of the tree that the link leads to, complete or not."""
        target = self._target()
        return target.split("/")[1] if target else None

    def clear(self, context: Context) -> None:
        """Remove what killed runs left: what was being made, and trees that are not complete and that no link shows."""
        shown = self._shown()
        names = set(os.listdir(self.house))
        for name in sorted(names):
            tree = name.removesuffix(".json")
            record_alone = name != tree and _TREE.fullmatch(tree) and tree not in names
            unfinished = _TREE.fullmatch(name) and self._record(name) is None and name not in shown
            if name.startswith(_TEMPORARY) or record_alone or unfinished:
                self._remove(name, context)

    def retire(self, keep: Iterable[str | None], context: Context) -> None:
        """Remove this link's trees but those to keep: a reader may still be in the one before."""
        kept = {*keep, *self._shown()}
        for name in sorted(self._trees()):
            record = self._record(name)
            if record is not None and record.link == self.link and name not in kept:
                self._remove(name, context)

    def _remove(self, name: str, context: Context) -> None:
        """The record first and the name next, so that what is half removed is never taken for a tree."""
        context.stop.check()
        path = self._inside(name)
        try:
            if _TREE.fullmatch(name):
                remove.file(f"{path}.json")
                moved = self.new_name()
                os.rename(path, moved)
                path = moved
            remove.anything(path)
        except OSError as error:
            context.voice.warn(f"cannot remove {path}: {error.strerror}; it is left for a later run")

    def _inside(self, name: str) -> str:
        return os.path.join(self.house, name)

    def _target(self) -> str | None:
        mode = _mode(self.path)
        if mode is None:
            return None
        if not stat.S_ISLNK(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a file"
            raise self._taken(self.path, what, "move it away, or give another name with --link")
        return os.readlink(self.path)

    def _taken(self, path: str, what: str, advice: str) -> PermanentError:
        return PermanentError(f"publish in {self.dest}", f"{path} is {what} that initkit did not make", advice)

    def _trees(self) -> list[str]:
        return [name for name in os.listdir(self.house) if _TREE.fullmatch(name)]

    def _shown(self) -> set[str]:
        """The names of all trees that links in DEST lead to: several steps may publish in one folder."""
        with os.scandir(self.dest) as entries:
            targets = [os.readlink(entry.path) for entry in entries if entry.is_symlink()]
        return {target.split("/")[1] for target in targets if target.startswith(f"{HOUSE}/")}

    def _record(self, name: str) -> Record | None:
        """The record of a tree, if both are there and the record is whole."""
        mode = _mode(self._inside(name))
        if not _TREE.fullmatch(name) or mode is None or not stat.S_ISDIR(mode):
            return None
        try:
            with open(self._inside(f"{name}.json"), encoding="utf-8", errors="surrogateescape") as file:
                return Record(**json.load(file))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def key_of(name: str) -> str:
    """The key in a tree's name: the commit and the shape."""
    match = _TREE.fullmatch(name)
    return match["key"] if match else ""


def sha_of(name: str) -> str:
    """The commit in a tree's name."""
    return name.partition("-")[0]


def _mode(path: str) -> int | None:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None
