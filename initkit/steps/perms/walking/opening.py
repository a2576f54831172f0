"""Opens the folders that a walk comes to, and counts those that it does not enter; their order is known to `walk`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms import settle
from initkit.steps.perms.walking.acting import CHANGED
from initkit.steps.perms.walking.folder import Folder, open_folder

if TYPE_CHECKING:
    from initkit.steps.perms.asked.places import Place
    from initkit.steps.perms.walking.acting import Acting

    Opened = tuple[int, os.stat_result]


class Entrance(NamedTuple):
    """Where a folder is.

    Attributes:
        above: the one that it is in; None for the root.
        parent: a descriptor of that one.
        name: there.
        place: what is asked of it and of what is in it.
    """

    above: Folder | None
    parent: int
    name: str
    place: Place

    def path(self) -> str:
        """From the root."""
        return "" if self.above is None else self.above.path_of(self.name)


def into(above: Folder, name: str) -> Entrance:
    """That of a folder in one that is open."""
    return Entrance(above, above.fd, name, above.place.below(name))


class Opening:
    """What one walk opens."""

    def __init__(self, acting: Acting) -> None:
        """Begin; `acting` is what is done with folders that are not entered, and where they are counted."""
        self._acting = acting
        self._terms = acting.terms
        self._tally = acting.tally

    def opened(self, entrance: Entrance) -> Folder | None:
        """A folder that is to be walked, open; None where it is not, which is counted.

        Raises:
            Enough: the walk need not go on.
        """
        place = entrance.place
        if not place.entered:
            self._alone(entrance)
            return None
        opened, settled = self._open(entrance)
        if opened is None:
            return None
        fd, found = opened
        if self._terms.one_file_system and settle.is_elsewhere(fd, found, self._terms):
            os.close(fd)
            self._tally.elsewhere += 1
            return None
        folder = Folder(entrance.above, entrance.name if entrance.above else "", fd, found, place)
        folder.settled = settled
        return folder

    def _alone(self, entrance: Entrance) -> None:
        """A folder that is not entered."""
        if entrance.place.wanted is None:
            self._tally.excluded += 1
        else:
            self._acting.single(entrance.parent, entrance.name, entrance.place.wanted, entrance.path)

    def _open(self, entrance: Entrance) -> tuple[Opened | None, bool]:
        """Its descriptor, if it can be had, and whether its own turn has come already."""
        settled = False
        try:
            return open_folder(entrance.parent, entrance.name), settled
        except PermissionError:
            # it may be closed to us, and to be opened: its own turn comes first then
            if entrance.place.wanted is not None:
                self._acting.single(entrance.parent, entrance.name, entrance.place.wanted, entrance.path)
                settled = True
        except OSError as error:
            if not self._is_one_again(entrance, error):
                return None, settled
        return self._again(entrance), settled

    def _again(self, entrance: Entrance) -> Opened | None:
        try:
            return open_folder(entrance.parent, entrance.name)
        except OSError as error:
            if error.errno in CHANGED and entrance.above is not None:
                self._tally.vanished += 1
            else:
                self._acting.failed(entrance.path, "read", error, entrance.parent)
        return None

    def _is_one_again(self, entrance: Entrance, error: OSError) -> bool:
        """A folder is none any more: look once more at what it is; whether it is a folder again."""
        above, parent, name, _ = entrance
        if error.errno not in CHANGED or above is None:
            self._acting.failed(entrance.path, "read", error, parent)
            return False
        self._tally.vanished += 1
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError:
            return False
        if stat.S_ISDIR(found.st_mode):
            return True
        wanted = above.place.of(name)
        if wanted is not None:
            self._acting.single(parent, name, wanted, entrance.path)
        return False
