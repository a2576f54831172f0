"""A folder that a walk is in, and how it is opened; what is done in it is known to `walk`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initkit.steps.perms.asked.places import Place

    ScandirIterator = os._ScandirIterator[str]  # noqa: SLF001 - what typeshed calls the type of os.scandir()

_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Folder:
    """A folder that the walk is in, or that waits for parts of it that were given away."""

    __slots__ = (
        "above",
        "below",
        "fd",
        "found",
        "given",
        "listing",
        "name",
        "owed",
        "place",
        "settled",
        "token",
        "waits",
    )

    def __init__(self, above: Folder | None, name: str, fd: int, found: os.stat_result, place: Place) -> None:
        """It is to be listed, and settled after that.

        Args:
            above: the one that it is in; None for where this walk began.
            name: in `above`; of where the walk began, the path from the root.
            fd: its own descriptor; -1 while it is closed.
            found: what it was when the walk came to it.
            place: what is asked of it and of what is in it.
        """
        self.above = above
        self.name = name
        self.fd = fd
        self.found = found
        self.place = place
        self.below: list[str] = []  # folders in it that are still to come
        self.listing: ScandirIterator | None = None
        self.settled = False
        self.waits = False  # all of it has been walked or given away
        self.owed = 0  # parts of it that are not done: folders that wait themselves, and what was given away
        self.given = 0  # of these, what was given away
        self.token: bytes = b""  # of who gave it to this walk

    @property
    def is_root(self) -> bool:
        """Whether the whole walk began here."""
        return self.above is None and not self.name

    def whole_path(self) -> str:
        """From the root; ``""`` for the root itself. It is not kept: the paths of a deep tree would fill the memory."""
        names = []
        folder: Folder | None = self
        while folder is not None:
            names.append(folder.name)
            folder = folder.above
        return "/".join(filter(None, reversed(names)))

    def path_of(self, name: str) -> str:
        """The path of something in it."""
        return f"{self.whole_path()}/{name}".lstrip("/")

    def close(self) -> None:
        """Close it, if it is open."""
        if self.listing is not None:
            self.listing.close()
            self.listing = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def open_folder(parent: int, name: str) -> tuple[int, os.stat_result]:
    """A folder's descriptor, and what it is; it must be both readable and searchable."""
    fd = os.open(name, _READ, dir_fd=parent)
    try:
        return fd, os.stat(".", dir_fd=fd)
    except OSError:
        os.close(fd)
        raise


def reopen(above: Folder, here: int) -> bool:
    """Open the folder above by ``..``, if that is still the same one."""
    return _is_opened(above, here, "..")


def regain(folder: Folder) -> bool:
    """Open a folder by the names that lead to it from the nearest open one above, while each is still the same one.

    Where that way ends too early, the last one that could be reached is left open.
    """
    way = [folder]
    while way[-1].fd < 0 and way[-1].above is not None:
        way.append(way[-1].above)
    start = here = way.pop()
    while way:
        below = way.pop()
        if not _is_opened(below, here.fd, below.name):
            return False
        if here is not start:
            here.close()
        here = below
    return here.fd >= 0


def _is_opened(folder: Folder, parent: int, name: str) -> bool:
    """Open what is of that name as this folder, if it is the very same one."""
    try:
        fd, found = open_folder(parent, name)
    except OSError:
        return False
    if not os.path.samestat(found, folder.found):
        os.close(fd)
        return False
    folder.fd = fd
    return True
