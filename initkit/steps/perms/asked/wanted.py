"""What one entry is to have, and the terms of a walk: what `rules` and the step have decided, as plain values.

It is what worker processes are told, so nothing here may need the options or click.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os

    from initkit.steps.perms.asked.mode import Mode


class Wanted(NamedTuple):
    """What one entry is to have; None leaves that as it is.

    Attributes:
        uid: of the owner.
        gid: of the group.
        dir_mode: of a folder.
        file_mode: of a regular file.
        umask: permission bits that neither folder nor file is to have, whatever the modes say; 0 for none.
    """

    uid: int | None = None
    gid: int | None = None
    dir_mode: Mode | None = None
    file_mode: Mode | None = None
    umask: int = 0

    def plainly(self) -> tuple[int | None, int | None, str | None, str | None, int]:
        """The same as numbers and texts: modes as they were written."""
        dir_mode, file_mode = (None if mode is None else str(mode) for mode in (self.dir_mode, self.file_mode))
        return self.uid, self.gid, dir_mode, file_mode, self.umask

    def goal(self, found: os.stat_result) -> int:
        """The twelve bits that what was found is to have: those that it has where nothing is asked.

        Links have no mode of their own, and those of devices, sockets and fifos are left alone.
        """
        old = stat.S_IMODE(found.st_mode)
        folder = stat.S_ISDIR(found.st_mode)
        return self.over(old, folder=folder) if folder or stat.S_ISREG(found.st_mode) else old

    def over(self, old: int, *, folder: bool) -> int:
        """The twelve bits that a folder or a regular file with the mode `old` is to have."""
        mode = self.dir_mode if folder else self.file_mode
        return (old if mode is None else mode.over(old, folder=folder)) & ~self.umask


class Terms(NamedTuple):
    """How a walk over one root is to be done.

    Attributes:
        path: of the root, for messages.
        device: that the root is on (`st_dev`).
        mount: that the root was reached through (`kernel.mount_id`); None where the system does not tell.
        owner: of the root when the walk began: whose hard links may be changed where no owner is asked for.
        one_file_system: whether other file systems and other mounts are left alone.
        hard_links: whether files that have other names, perhaps outside, are changed like any other.
        mounted: whether something may be mounted below the root: then each file is asked for its mount before it is
            changed; folders always are.
        keep_going: whether the walk goes on where something is refused.
    """

    path: str
    device: int
    mount: int | None
    owner: int
    one_file_system: bool = True
    hard_links: bool = False
    mounted: bool = True
    keep_going: bool = True

    def full_path(self, path: str) -> str:
        """A path below the root as the system has it."""
        return f"{self.path.rstrip('/')}/{path}" if path else self.path
