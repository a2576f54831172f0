"""Whether a root has to be walked at all; what a stamp is, and how it is written, is the concern of `stamp`.

``always``             every entry is looked at.
``on-root-mismatch``   only where owner, group or mode of the root itself differ, as the kubelet's
                       ``fsGroupChangePolicy: OnRootMismatch`` has it. The kubelet
                       (kubernetes/pkg/volume/volume_linux.go) compares the group, that the group may do all (read only:
                       all but write) and so may the owner, and setgid; more bits than that do not count, the owner not
                       at all. Here the root is compared with exactly what the rules say of it: an exact mode matches
                       exactly, a property that they leave open is not compared. It works because a walk comes to the
                       root last; it must leave the root as it was where something below has failed.
``stamp``              only where no stamp for these very rules can be believed, or the root itself differs.

Neither of the two notices what has happened below the root since.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from initkit.steps.perms import stamp
from initkit.steps.perms.denied.causes import shown
from initkit.steps.perms.differing import difference

if TYPE_CHECKING:
    from initkit.steps.perms.asked.wanted import Wanted
    from initkit.steps.perms.roots import Root

ALWAYS, ON_ROOT_MISMATCH, STAMP = "always", "on-root-mismatch", "stamp"


def stands(root: Root, wanted: Wanted | None, task_digest: str, policy: str) -> str | None:
    """Why there is nothing to do in a root: ``root as it should be (on-root-mismatch)``; None if it is to be walked.

    Args:
        root: as it was found; under ``stamp`` one file in it is looked at, besides that nothing.
        wanted: what the rules want of the root itself; None if they leave it alone.
        task_digest: `Task.digest`; only ``stamp`` needs it.
        policy: ``always``, ``on-root-mismatch`` or ``stamp``.
    """
    if policy == ALWAYS or (wanted is not None and difference(root.found, wanted)):
        return None
    if policy == ON_ROOT_MISMATCH:
        return None if _says_nothing(root, wanted) else f"root as it should be ({ON_ROOT_MISMATCH})"
    return f"stamped {stamp.name_of(task_digest)}" if stamp.is_there(root, task_digest) else None


def blind(root: Root, wanted: Wanted | None, policy: str) -> str | None:
    """A warning where the policy can never find that there is nothing to do; None where it can."""
    path = shown(root.path)
    if policy == ON_ROOT_MISMATCH and _says_nothing(root, wanted):
        return f"{path} is always walked: {policy} compares the root itself, of which the rules say nothing"
    if policy == STAMP and not stat.S_ISDIR(root.found.st_mode):
        return f"{path} is always looked at: it is a file, and a stamp needs a folder"
    return None


def stamp_due(root: Root, task_digest: str, policy: str) -> str | None:
    """The path of the stamp that is to be written although nothing else differs; None if none is.

    None also where this user may not write in the root: then a tree that is right already is as well as it can be.
    """
    if policy != STAMP or stamp.is_there(root, task_digest) or not stamp.could_be_written(root, task_digest):
        return None
    return f"{shown(root.path).rstrip('/')}/{stamp.name_of(task_digest)}"


def _says_nothing(root: Root, wanted: Wanted | None) -> bool:
    if wanted is None:
        return True
    mode = wanted.dir_mode if stat.S_ISDIR(root.found.st_mode) else wanted.file_mode
    return wanted.uid is None and wanted.gid is None and mode is None and not wanted.umask
