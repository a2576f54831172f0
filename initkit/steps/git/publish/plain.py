"""Content as files in DEST itself, for readers that cannot follow a link; how they get there is known to `moving`.

DEST is empty at first. While its content changes, the marker (`DEST/.initkit/published`) is gone, and the list of
files holds the old ones and the new ones: whatever instant a run is killed at, the next one knows what is ours.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.record import Record as Fields
from initkit.steps.git import remove
from initkit.steps.git.publish import manifest, record
from initkit.steps.git.publish.house import FILES, MARKER, NAME, House, mode_of
from initkit.steps.git.publish.moving import Move

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.git.publish.layout import Verify
    from initkit.steps.git.publish.manifest import Entry
    from initkit.steps.git.publish.record import Record

# what a volume brings along: ext4, quotas of it, snapshots of file servers
_BROUGHT = frozenset(
    {NAME, "lost+found", "aquota.user", "aquota.group", "quota.user", "quota.group", ".snapshot", ".zfs"}
)


class Plain(Fields):
    """DEST, and files in it; see `Layout` for what is not said here.

    Attributes:
        dest: the folder, as an absolute path.
        record: the file that `--record` names, as an absolute path; empty without.
        timed: whether files have the commit's time, and so another one with each commit.
    """

    dest: str
    record: str = ""
    timed: bool = False

    @property
    def rooms(self) -> House:
        """Where everything is but the files."""
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
        """DEST itself."""
        return self.dest

    def refuse_strangers(self) -> None:
        """Raise where DEST was never ours and is not empty; nothing in it is ever touched.

        Raises:
            PermanentError: something is in it.
        """
        self.rooms.refuse_strangers()
        if mode_of(self.rooms.inside(FILES)) is not None or mode_of(self.dest) is None:
            return
        for name in sorted(os.listdir(self.dest)):
            path = os.path.join(self.dest, name)
            if name not in _BROUGHT and path != self.record:
                raise self._refused(path)

    def open(self) -> None:
        """See `Layout`."""
        self.rooms.open()

    def published(self) -> Record | None:
        """See `Layout`."""
        return record.load(self.rooms.inside(MARKER))

    def fault(self, verify: Verify, context: Context) -> str:
        """See `Layout`; files of others in DEST are none."""
        contents = verify == "full"
        root = os.path.realpath(self.dest)
        return manifest.fault(root, self.rooms.inside(FILES), context, contents=contents, strict=False)

    def clear(self, context: Context) -> None:
        """See `Layout`."""
        self.rooms.clear(context)

    def new_tree(self) -> str:
        """See `Layout`."""
        return self.rooms.new_tree()

    def show(self, key: str, verify: Verify, context: Context) -> Record | None:
        """None: there is one content, and it stands in DEST."""
        del key, verify, context
        return None

    def publish(self, tree: str, text: bytes, record: Record, context: Context) -> None:
        """Move a tree that is complete into DEST, and what left the content out of it; then set the marker.

        Raises:
            PermanentError: something that is not ours is in the way; nothing was changed.
        """
        new = manifest.entries(text)
        old = self._known()
        root = os.path.join(tree, record.subpath)
        with Move.opened(self.dest, root, old, new, timed=self.timed) as move:
            self._refuse_own_names(new)
            move.refuse_strangers()
            context.stop.check()
            self.rooms.write(FILES, manifest.show({**old, **new}.values()), sync=True)
            remove.file(self.rooms.inside(MARKER))
            settled = move.run()
        self.rooms.write(FILES, manifest.show(settled), sync=True)
        self.rooms.write(MARKER, bytes(record))

    def overdue(self, context: Context) -> bool:
        """Nothing ever is: there is one content."""
        del context
        return False

    def retire(self, context: Context) -> None:
        """See `overdue`."""

    def _known(self) -> dict[str, Entry]:
        path = self.rooms.inside(FILES)
        try:
            with open(path, "rb") as file:
                return manifest.entries(file.read())
        except FileNotFoundError:
            return {}
        except (manifest.DamagedManifestError, ValueError) as error:
            cause = f"{path}, the list of our files in it, is damaged"
            raise PermanentError(f"publish in {self.dest}", cause, "empty the folder, .initkit too") from error

    def _refuse_own_names(self, new: dict[str, Entry]) -> None:
        ours = os.path.relpath(self.record, self.dest) if self.record else NAME
        for name in (NAME, ours):
            if name in new:
                path = os.path.join(self.dest, name)
                cause = f"the repository has {manifest.shown(name)} too, which initkit needs itself"
                advice = "publish it with --layout link" if name == NAME else "give another --record"
                raise PermanentError(f"publish in {self.dest}", cause, f"{advice} ({manifest.shown(path)})")

    def _refused(self, path: str) -> PermanentError:
        mode = mode_of(path) or 0
        if stat.S_ISLNK(mode) and os.readlink(path).startswith(f"{NAME}/"):
            cause = f"{path} leads to what was published with --layout link"
            return PermanentError(f"publish in {self.dest}", cause, "give another DEST, or empty it, .initkit too")
        what = "a folder" if stat.S_ISDIR(mode) else "a file"
        advice = "give an empty folder, or publish with --layout link"
        return self.rooms.taken(manifest.shown(path), what, advice)
