"""Trees in the house, and the link in DEST that leads to one of them; git is not known here.

::

    DEST/current -> .initkit/<sha>-<shape>[/SUBPATH]
    DEST/.initkit/<sha>-<shape>          a tree; ".1", ".2" after it where the name is taken by a damaged one
    DEST/.initkit/<sha>-<shape>.files    its manifest
    DEST/.initkit/<sha>-<shape>.json     its record, written once the tree is complete; its time of change says when
                                         the tree was replaced
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.record import Record as Fields
from initkit.steps.git.publish import manifest
from initkit.steps.git.publish.house import FILES, NAME, House, mode_of
from initkit.steps.git.publish.record import Record, load

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.git.publish.layout import Verify

_TREE = re.compile(r"(?P<key>(?P<sha>[0-9a-f]{40}(?:[0-9a-f]{24})?)-[0-9a-f]{12})(?:\.\d{1,9})?")


class Place(Fields):
    """DEST and the link in it; see `Layout` for what is not said here.

    Attributes:
        dest: the folder, as an absolute path.
        link: the link's name.
        keep_for: how long a tree is kept after it was replaced, in seconds.
    """

    dest: str
    link: str
    keep_for: float = 0.0

    @property
    def rooms(self) -> House:
        """Where everything is but the link."""
        return House(self.dest)

    @property
    def house(self) -> str:
        """See `Layout`."""
        return self.rooms.path

    @property
    def lock(self) -> str:
        """See `Layout`."""
        return self.rooms.lock

    @property
    def path(self) -> str:
        """The link, where readers look."""
        return os.path.join(self.dest, self.link)

    def refuse_strangers(self) -> None:
        """Raise where something stands in the way; nothing of it is ever touched.

        Raises:
            PermanentError: the link's name or the house's is taken, or DEST holds what was published without a link.
        """
        if mode_of(self.rooms.inside(FILES)) is not None:
            cause = "files were published in it with --layout plain"
            raise PermanentError(f"publish in {self.dest}", cause, "give another DEST, or empty it, .initkit too")
        target = self._target()
        if target is not None and not target.startswith(f"{NAME}/"):
            advice = "give another name with --link"
            raise self.rooms.taken(self.path, f"a link to {target or 'elsewhere'}", advice)
        self.rooms.refuse_strangers()

    def open(self) -> None:
        """Make the folders."""
        self.rooms.open()

    def published(self) -> Record | None:
        """The record of the tree that the link leads to, if it is complete."""
        target = self._target()
        if target is None:
            return None
        name, _, subpath = target.removeprefix(f"{NAME}/").partition("/")
        record = self._record(name)
        complete = record is not None and record.subpath == subpath and os.path.isdir(self.path)
        return record if complete else None

    def fault(self, verify: Verify, context: Context) -> str:
        """See `Layout`; a tree is never repaired under its readers."""
        return self._fault(self._linked() or "", verify, context)

    def new_tree(self) -> str:
        """See `Layout`."""
        return self.rooms.new_tree()

    def show(self, key: str, verify: Verify, context: Context) -> Record | None:
        """Lead the link to a whole tree of that key other than the one that it leads to, which was found not to be."""
        before = self._linked()
        for name in self._trees():
            record = self._record(name)
            if name == before or key_of(name) != key or record is None or self._fault(name, verify, context):
                continue
            record = record.but(time=round(context.clock.wall()))
            self.rooms.write(f"{name}.json", bytes(record))
            self._switch(name, record.subpath, context)
            return record
        return None

    def publish(self, tree: str, manifest: bytes, record: Record, context: Context) -> None:
        """Give a tree that is complete its name, its manifest and its record, and lead the link to it."""
        taken = set(self.rooms.names())
        names = (record.key if not number else f"{record.key}.{number}" for number in range(len(taken) + 1))
        name = next(name for name in names if name not in taken)
        os.rename(tree, self.rooms.inside(name))
        self.rooms.write(f"{name}.files", manifest)
        self.rooms.write(f"{name}.json", bytes(record))
        self._switch(name, record.subpath, context)

    def clear(self, context: Context) -> None:
        """Remove what killed runs left: what was being made, and trees that are not complete and that no link shows."""
        self.rooms.clear(context)
        shown = self._shown()
        names = set(self.rooms.names())
        for name in sorted(names):
            tree = name.removesuffix(".json").removesuffix(".files")
            if not _TREE.fullmatch(tree):
                continue
            alone = tree not in names
            unfinished = name == tree and tree not in shown and self._record(tree) is None
            if alone or unfinished:
                self._remove(tree, context)

    def overdue(self, context: Context) -> bool:
        """See `Layout`."""
        return bool(self._overdue(context))

    def retire(self, context: Context) -> None:
        """Remove this link's trees that were replaced longer ago than `keep_for`; never one that a link leads to."""
        for name in self._overdue(context):
            self._remove(name, context)

    def _overdue(self, context: Context) -> list[str]:
        shown = self._shown()
        return [name for name in self._trees() if name not in shown and self._is_overdue(name, context)]

    def _is_overdue(self, name: str, context: Context) -> bool:
        try:
            age = context.clock.wall() - os.stat(self.rooms.inside(f"{name}.json")).st_mtime
        except FileNotFoundError:
            return False
        # a clock that was set back must not keep trees for years
        if -_CLOCKS_DIFFER < age < self.keep_for:
            return False
        record = self._record(name)
        return record is not None and record.link == self.link

    def _switch(self, name: str, subpath: str, context: Context) -> None:
        """Lead the link to a tree: readers see the old one or the new one.

        When the old one was replaced is written just before it is: a run that is killed in between does not count.
        """
        context.stop.check()
        before = self._linked()
        if before and before != name:
            now = context.clock.wall()
            with suppress(FileNotFoundError):
                os.utime(self.rooms.inside(f"{before}.json"), (now, now))
        temporary = self.rooms.new_name()
        os.symlink("/".join(part for part in (NAME, name, subpath) if part), temporary)
        os.rename(temporary, self.path)

    def _fault(self, name: str, verify: Verify, context: Context) -> str:
        record = self._record(name)
        if record is None:
            return "it is not complete"
        root = os.path.join(self.rooms.inside(name), record.subpath)
        contents = verify == "full"
        return manifest.fault(root, self.rooms.inside(f"{name}.files"), context, contents=contents)

    def _linked(self) -> str | None:
        """The name of the tree that the link leads to, complete or not."""
        target = self._target()
        return target.split("/")[1] if target else None

    def _remove(self, tree: str, context: Context) -> None:
        """The record first, so that what is half removed is never taken for a tree."""
        self.rooms.remove(context, f"{tree}.json", f"{tree}.files", tree)

    def _target(self) -> str | None:
        mode = mode_of(self.path)
        if mode is None:
            return None
        if not stat.S_ISLNK(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a file"
            raise self.rooms.taken(self.path, what, "move it away, or give another name with --link")
        return os.readlink(self.path)

    def _trees(self) -> list[str]:
        return [name for name in self.rooms.names() if _TREE.fullmatch(name)]

    def _shown(self) -> set[str]:
        """The names of all trees that links in DEST lead to: several steps may publish in one folder."""
        with os.scandir(self.dest) as entries:
            targets = [os.readlink(entry.path) for entry in entries if entry.is_symlink()]
        return {target.split("/")[1] for target in targets if target.startswith(f"{NAME}/")}

    def _record(self, name: str) -> Record | None:
        """The record of a tree, if both are there and the record is whole."""
        mode = mode_of(self.rooms.inside(name))
        if not _TREE.fullmatch(name) or mode is None or not stat.S_ISDIR(mode):
            return None
        return load(self.rooms.inside(f"{name}.json"))


_CLOCKS_DIFFER = 3600.0  # seconds that the clocks of two machines on one volume may differ


def key_of(name: str) -> str:
    """The key in a tree's name: the commit and the shape."""
    match = _TREE.fullmatch(name)
    return match["key"] if match else ""
