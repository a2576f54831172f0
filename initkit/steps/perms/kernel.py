"""System calls that Python's `os` does not have; what they are for is known to whoever asks.

The C library is asked by `ctypes`. Where it or the kernel has no such call (`ENOSYS`, a seccomp filter's `EPERM` for a
number that it does not know), the way through ``/proc/self/fd`` is taken, which open(2) documents for O_PATH.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import TYPE_CHECKING

from initkit.steps.perms import mounts

if TYPE_CHECKING:
    from collections.abc import Iterable

IMMUTABLE, APPEND_ONLY = 0x10, 0x20  # STATX_ATTR_IMMUTABLE and _APPEND, linux/stat.h
_EMPTY_PATH = 0x1000  # AT_EMPTY_PATH, linux/fcntl.h
_MOUNT_ID = 0x1000  # STATX_MNT_ID, linux/stat.h; since Linux 5.8
_NOREPLACE = 1  # RENAME_NOREPLACE, linux/fs.h
_FCHMODAT2 = 452  # the same number on all architectures; since Linux 6.6
_STATX_SIZE = 256
_MASK, _ATTRIBUTES, _ID = 0, 0x08, 0x90  # where stx_mask, stx_attributes and stx_mnt_id lie in struct statx

_libc = ctypes.CDLL(None, use_errno=True)  # which frees the interpreter meanwhile: a server may be slow to answer
_fchownat = _libc.fchownat
_NOTHING = ctypes.c_char_p(b"")
_EMPTY = ctypes.c_int(_EMPTY_PATH)
_has_fchmodat2 = True


def _raise(name: str = "") -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), name or None)


def chown(fd: int, uid: int, gid: int) -> None:
    """Give what a descriptor holds, also one opened with O_PATH, to `uid` and `gid`; -1 leaves one as it is.

    Raises:
        OSError: the system refused it.
    """
    chown_all([fd], uid, gid)


def chown_all(fds: Iterable[int], uid: int, gid: int) -> None:
    """The same to several, in turn.

    Raises:
        OSError: the system refused it to one; those before it are done.
    """
    user, group = ctypes.c_uint(uid), ctypes.c_uint(gid)
    for fd in fds:
        if _fchownat(fd, _NOTHING, user, group, _EMPTY):
            _raise()


def chmod(fd: int, mode: int) -> None:
    """Set the mode of what a descriptor holds, also one opened with O_PATH; of a symbolic link it cannot be set.

    Raises:
        OSError: the system refused it; ENOENT where neither fchmodat2(2) nor /proc is there.
    """
    global _has_fchmodat2  # noqa: PLW0603 - what the kernel has does not change
    if _has_fchmodat2:
        if not _libc.syscall(_FCHMODAT2, fd, _NOTHING, ctypes.c_uint(mode), _EMPTY):
            return
        # what a filter of before Linux 6.6 says of a number it does not know is EPERM, as of a file of someone else's
        if ctypes.get_errno() not in {errno.ENOSYS, errno.EPERM}:
            _raise()
    os.chmod(f"/proc/self/fd/{fd}", mode)
    _has_fchmodat2 = False


def mount_id(fd: int) -> int | None:
    """The number of the mount that what a descriptor holds was reached through; None where the system does not tell.

    It differs where `st_dev` does not: a bind mount of the same file system. By statx(2), else by fdinfo (proc(5)).
    """
    answer = _statx(fd)
    if answer and struct.unpack_from("=I", answer, _MASK)[0] & _MOUNT_ID:
        return int(struct.unpack_from("=Q", answer, _ID)[0])
    return mounts.number_of(fd)


def attributes(fd: int) -> int:
    """`IMMUTABLE` and `APPEND_ONLY`, where the file system tells that what a descriptor holds is so; 0 where not."""
    answer = _statx(fd)
    return int(struct.unpack_from("=Q", answer, _ATTRIBUTES)[0]) & (IMMUTABLE | APPEND_ONLY) if answer else 0


def _statx(fd: int) -> bytes:
    """The answer of statx(2) with the number of the mount; empty where there is none."""
    answer = ctypes.create_string_buffer(_STATX_SIZE)
    try:
        told = _libc.statx(fd, _NOTHING, _EMPTY, _MOUNT_ID, answer)
    except AttributeError:  # a C library without it
        return b""
    return b"" if told else answer.raw


def rename_new(old_folder: int, old: str, new_folder: int, new: str) -> None:
    """Rename, unless there is something of the new name already: renameat2(2) with RENAME_NOREPLACE.

    Raises:
        OSError: the system refused it; EEXIST where there is something, EINVAL where the file system cannot do it.
    """
    if _libc.renameat2(old_folder, os.fsencode(old), new_folder, os.fsencode(new), _NOREPLACE):
        _raise(new)
