"""Roots that belong to the system although their path does not say so; which paths do is known to `system`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from initkit.steps.perms import mounts
from initkit.steps.perms.system import OFTEN_MOUNTED, PROGRAMS, SYSTEM, belongs_to_system

if TYPE_CHECKING:
    from collections.abc import Iterator

_KERNELS = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
    "fusectl", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs",
})  # fmt: skip
# what a root file system has, such as a node's that is mounted by hostPath
_OF_A_ROOT = ("etc/passwd", "usr/bin", "proc", "dev")


def objection(path: str, parent: int, name: str, found: os.stat_result) -> str:
    """What speaks against a root; empty where nothing does.

    Args:
        path: its real one.
        parent: a descriptor of the folder that it is in.
        name: its name there.
        found: what it is.
    """
    if belongs_to_system(path):
        return f"it is {path}, which belongs to the system"
    same = next((other for other in _identities() if os.path.samestat(other[1], found)), None)
    if same and same[0] != path:
        return f"it is {same[0]} by another name, which belongs to the system"
    try:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent)
    except OSError:
        return ""  # whatever comes next tells
    try:
        return _of_image(path, fd) or _of_kernel(fd) or _of_node(fd, found)
    finally:
        os.close(fd)


def _identities() -> Iterator[tuple[str, os.stat_result]]:
    """What is at the system's paths now, so that a bind mount or a hard link of it is known."""
    for path in sorted(SYSTEM):
        try:
            yield path, os.stat(path)
        except OSError:
            continue


def _of_image(path: str, fd: int) -> str:
    """Programs, and folders where a volume would be, if none is mounted there."""
    if path not in OFTEN_MOUNTED and not path.startswith(PROGRAMS):
        return ""
    if _mount_of("/") not in {mounts.number_of(fd), None}:
        return ""
    return f"it is {path} of the image, and no volume is mounted there"


def _mount_of(path: str) -> int | None:
    fd = os.open(path, os.O_PATH)
    try:
        return mounts.number_of(fd)
    finally:
        os.close(fd)


def _of_kernel(fd: int) -> str:
    mount = mounts.of(fd)
    return f"it is on {mount.kind}, which belongs to the kernel" if mount and mount.kind in _KERNELS else ""


def _of_node(fd: int, found: os.stat_result) -> str:
    if not stat.S_ISDIR(found.st_mode):
        return ""
    for name in _OF_A_ROOT:
        try:
            os.stat(name, dir_fd=fd, follow_symlinks=False)
        except OSError:
            return ""
    return "it looks like the root of a whole system, such as a node's"
