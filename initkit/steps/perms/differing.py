"""What differs between an entry and what it should have; nothing here makes a system call."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms.asked.mode import SET_IDS

if TYPE_CHECKING:
    import os

    from initkit.steps.perms.asked.wanted import Wanted


class Difference(NamedTuple):
    """What an entry is to get; None for what is already right, or nobody asked for."""

    found: os.stat_result
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None

    def __bool__(self) -> bool:
        return self.uid is not None or self.gid is not None or self.mode is not None

    def __str__(self) -> str:
        """``owner 0 -> 1000, mode 0644 -> 0640``."""
        texts = []
        if self.uid is not None:
            texts.append(f"owner {self.found.st_uid} -> {self.uid}")
        if self.gid is not None:
            texts.append(f"group {self.found.st_gid} -> {self.gid}")
        if self.mode is not None:
            texts.append(f"mode {stat.S_IMODE(self.found.st_mode):04o} -> {self.mode:04o}")
        return ", ".join(texts)


def difference(found: os.stat_result, wanted: Wanted) -> Difference:
    """What is to be changed so that what was found becomes what is wanted."""
    uid = None if wanted.uid == found.st_uid else wanted.uid
    gid = None if wanted.gid == found.st_gid else wanted.gid
    old = found.st_mode & 0o7777
    new = wanted.goal(found)
    if old & SET_IDS and (uid is not None or gid is not None) and stat.S_ISREG(found.st_mode):
        # a program that was setuid for its old owner must not be so for the new one unless the mode says so itself;
        # chown(2) clears most of them, but not setgid of a file that its group may not execute
        new = wanted.over(old & ~SET_IDS, folder=False)
    return Difference(found, uid, gid, None if new == old else new)
