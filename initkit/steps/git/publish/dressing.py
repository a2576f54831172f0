"""Modes, owner and times of a tree that nobody looks into yet, and its manifest from the same walk."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.identity import group_id, user_id
from initkit.core.record import Record
from initkit.steps.git.publish import manifest

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.git.asked.published import Published

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_GIVEN = frozenset({errno.EPERM, errno.EINVAL})  # the second in a user namespace without such a user
_SECOND = 1_000_000_000  # nanoseconds


class Dress(Record):
    """What every entry of a tree is given.

    Attributes:
        uid: the owner; -1 leaves it.
        gid: the group; -1 leaves it.
        more: permission bits for the group besides those that all have.
        mtime: in nanoseconds since the epoch; None leaves it.
        contents: whether files are read for the manifest.
    """

    uid: int
    gid: int
    more: int
    mtime: int | None
    contents: bool

    @classmethod
    def of(cls, asked: Published, time: int) -> Dress:
        """What the options ask for.

        Raises:
            PermanentError: there is no such owner.
        """
        owner = asked.owner
        uid = user_id(owner.user) if owner else -1
        gid = group_id(owner.group) if owner and owner.group is not None else -1
        mtime = time * _SECOND if asked.mtime == "commit" else None
        return cls(uid, gid, stat.S_IWGRP if asked.group_write else 0, mtime, asked.verify == "full")

    def mode(self, mode: int) -> int:
        """The permissions for an entry that was made with `mode`: what a umask took is given back.

        Who may execute is the repository's to say; a folder's setgid bit is the volume's (fsGroup), and stays.
        """
        executable = stat.S_ISDIR(mode) or mode & stat.S_IXUSR
        usual = 0o555 if executable else 0o444
        writable = stat.S_IWUSR | self.more if mode & stat.S_IWUSR else 0
        return usual | writable | mode & stat.S_ISGID

    @property
    def touches_all(self) -> bool:
        """Whether every entry has to be changed, whatever its mode."""
        return self.mtime is not None or self.uid != -1 or self.gid != -1


def dress(tree: str, subpath: str, asked: Published, time: int, context: Context) -> bytes:
    """Give a tree the modes, the owner and the times that were asked for; links are never followed.

    Args:
        tree: the folder.
        subpath: the folder in it that readers are led to; those above it are dressed too, but not listed.
        asked: the options.
        time: the commit's, in seconds since the epoch.
        context: whether the end was asked for.

    Returns:
        The manifest of what is below `subpath`.

    Raises:
        PermanentError: the owner does not exist, or may not be given.
        OSError: it cannot be changed.
    """
    above = [part for part in subpath.split("/") if part]
    root = os.open(tree, _FOLDER)
    try:
        walk = Walk(root, _possible(Dress.of(asked, time), root), context)
        lines = walk.through(subpath or ".")
        for count in range(len(above), -1, -1):
            walk.settle("/".join(above[:count]) or ".")
    except OSError as error:
        if error.errno in _NOT_GIVEN and asked.owner is not None:
            raise _refused(asked, error) from error
        raise
    finally:
        os.close(root)
    return manifest.close(lines)


def _possible(dress: Dress, root: int) -> Dress:
    """The same with a time that the file system can keep: it may end in 2038, or count in seconds."""
    if dress.mtime is None:
        return dress
    os.utime(root, ns=(dress.mtime, dress.mtime))
    return dress.but(mtime=os.fstat(root).st_mtime_ns)


def _refused(asked: Published, error: OSError) -> PermanentError:
    return PermanentError(
        f"give the content to {asked.owner}",
        error.strerror or "refused",
        "run as root with the capability CHOWN, or leave --owner out and use the pod's fsGroup",
    )


class Walk:
    """One pass through a tree, without recursion: a repository may be nested as deep as a path is long.

    Folders come last and the deepest first, so that nobody else may write where the walk still goes.
    """

    def __init__(self, root: int, dress: Dress, context: Context) -> None:
        self._root = root
        self._dress = dress
        self._context = context
        self._touches_all = dress.touches_all
        self._right: set[int] = set()  # modes that were found to be right: there are few

    def through(self, top: str) -> list[str]:
        """Dress all below a folder; returns the manifest's records."""
        lines = [manifest.head()]
        found = [""]
        folders = []
        while found:
            self._context.stop.check()
            folder = found.pop()
            folders.append(folder)
            # what works in a repository changes it, and is right to
            hidden = folder == ".git" or folder.startswith(".git/")
            found += self._folder(top, folder, [] if hidden else lines)
        for folder in reversed(folders[1:]):
            self.settle(f"{top}/{folder}")
        return lines

    def settle(self, path: str) -> None:
        """Dress one folder itself."""
        status = os.stat(path, dir_fd=self._root, follow_symlinks=False)
        if self._touches_all or self._dress.mode(status.st_mode) != stat.S_IMODE(status.st_mode):
            self._change(path, self._root, status)

    def _folder(self, top: str, folder: str, lines: list[str]) -> list[str]:
        """Dress the files and links in a folder; returns the folders in it."""
        folders = []
        prefix = f"{folder}/" if folder else ""
        where = f"{top}/{folder}" if folder else top
        with manifest.opened(where, self._root, _FOLDER) as descriptor, os.scandir(descriptor) as found:
            for entry in found:
                status = entry.stat(follow_symlinks=False)
                path = prefix + entry.name
                if stat.S_ISDIR(status.st_mode):
                    lines.append(manifest.line("d", path))
                    folders.append(path)
                else:
                    self._leaf(entry.name, path, descriptor, status, lines)
        return folders

    def _leaf(self, name: str, path: str, folder: int, status: os.stat_result, lines: list[str]) -> None:
        mode = status.st_mode
        if stat.S_ISLNK(mode):
            lines += [manifest.line("l", path), os.readlink(name, dir_fd=folder)]
            if self._touches_all:
                self._change_link(name, folder, status)
            return
        digest = manifest.UNREAD
        if self._dress.contents:
            digest = manifest.digest(folder, name, self._context)
        mtime = status.st_mtime_ns if self._dress.mtime is None else self._dress.mtime
        lines.append(manifest.line("f", path, status.st_size, mtime, digest))
        if mode not in self._right:
            self._settle_file(name, folder, status)

    def _settle_file(self, name: str, folder: int, status: os.stat_result) -> None:
        mode = status.st_mode
        if self._touches_all or self._dress.mode(mode) != stat.S_IMODE(mode):
            self._change(name, folder, status)
        else:
            self._right.add(mode)

    def _change(self, name: str, folder: int, status: os.stat_result) -> None:
        """As long as it is ours its mode and times are ours to set, so the owner comes last.

        A file with other names is a pack that the tree's repository shares with ours: given away, it could be changed.
        """
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            return
        flags = _FOLDER if stat.S_ISDIR(status.st_mode) else _FILE
        with manifest.opened(name, folder, flags) as descriptor:
            mode = self._dress.mode(status.st_mode)
            if mode != stat.S_IMODE(status.st_mode):
                os.fchmod(descriptor, mode)
            if self._dress.mtime is not None:
                os.utime(descriptor, ns=(self._dress.mtime, self._dress.mtime))
            if self._is_others(status):
                os.fchown(descriptor, self._dress.uid, self._dress.gid)

    def _change_link(self, name: str, folder: int, status: os.stat_result) -> None:
        mtime = self._dress.mtime
        if mtime is not None:
            os.utime(name, ns=(mtime, mtime), dir_fd=folder, follow_symlinks=False)
        if self._is_others(status):
            os.chown(name, self._dress.uid, self._dress.gid, dir_fd=folder, follow_symlinks=False)

    def _is_others(self, status: os.stat_result) -> bool:
        return self._dress.uid not in {-1, status.st_uid} or self._dress.gid not in {-1, status.st_gid}
