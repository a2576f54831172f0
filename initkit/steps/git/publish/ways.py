"""Ways through a folder that others use meanwhile: one name at a time and never through a link."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.steps.git.publish.manifest import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 1 << 18  # bytes that are compared at once


class Ways:
    """Ways to the folders below one; the last one is remembered, for the next folder is often in it.

    Args:
        root: a descriptor of the folder.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._last = ""
        self._folder: int | None = None

    def to(self, path: str) -> int | None:
        """A descriptor of the folder at `path`, until the next call; None where none is, or a link is on the way."""
        begun = self._folder is not None and path.startswith(f"{self._last}/")
        rest = path.removeprefix(f"{self._last}/") if begun else path
        found = self._folder if begun else os.dup(self._root)
        if not begun:
            self.close()
        self._folder = None
        for name in rest.split("/") if rest else ():
            found = _stepped(found, name)
            if found is None:
                return None
        self._last, self._folder = path, found
        return found

    def close(self) -> None:
        """Close what is open."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


def _stepped(folder: int | None, name: str) -> int | None:
    assert folder is not None  # noqa: S101 - for the type
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):  # which a link is too, with these flags
        return None
    finally:
        os.close(folder)


@contextmanager
def writable(folder: int) -> Iterator[None]:
    """Have what is in a folder ours to change for as long as the block lasts, if that can be had.

    Its owner may be another one by `--owner`, and a root that only has CHOWN may not write there; perms may have made
    it 0555.
    """
    if os.access(".", os.W_OK | os.X_OK, dir_fd=folder):
        yield
        return
    before = os.fstat(folder)
    with suppress(PermissionError):
        os.fchown(folder, os.geteuid(), -1)
        os.fchmod(folder, stat.S_IMODE(before.st_mode) | stat.S_IRWXU)
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.fchmod(folder, stat.S_IMODE(before.st_mode))
            os.fchown(folder, before.st_uid, -1)


def make_like(like: os.stat_result, folder: int) -> None:
    """Give a folder the permissions and the owner of another one."""
    if stat.S_IMODE(os.fstat(folder).st_mode) != stat.S_IMODE(like.st_mode):
        with suppress(PermissionError):  # only the owner may, or who has FOWNER
            os.fchown(folder, os.geteuid(), -1)
        os.fchmod(folder, stat.S_IMODE(like.st_mode))
    found = os.fstat(folder)
    if (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(folder, like.st_uid, like.st_gid)


def look(name: str, folder: int | None) -> os.stat_result | None:
    """What stands under a name in a folder, links not followed; None for nothing."""
    if folder is None:
        return None
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_same(name: str, source: int, target: int) -> bool:
    """Whether both folders hold the same under a name: type, permissions, owner and content."""
    one, other = look(name, source), look(name, target)
    if one is None or other is None or _outside(one) != _outside(other):
        return False
    if stat.S_ISLNK(one.st_mode):
        return os.readlink(name, dir_fd=source) == os.readlink(name, dir_fd=target)
    with opened(name, source, _FILE) as left, opened(name, target, _FILE) as right:
        return all(a == b for a, b in zip(_blocks(left), _blocks(right), strict=False))


def _outside(status: os.stat_result) -> tuple[int, ...]:
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return status.st_mode, status.st_uid, status.st_gid, size


def _blocks(descriptor: int) -> Iterable[bytes]:
    while block := os.read(descriptor, _BLOCK):
        yield block
    yield b""
