"""What is known of this process and of an entry when something is refused; what it means is known to `denial`."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms import kernel, mounts
from initkit.steps.perms.denied import capabilities

if TYPE_CHECKING:
    from initkit.steps.perms.denied.capabilities import Held
    from initkit.steps.perms.mounts import Mount

_ALL = 2**32 - 1  # ids; the last one, -1, is none
_LABEL_PARTS = 3  # user:role:type, and a level after that


class Process(NamedTuple):
    """This process.

    Attributes:
        held: its user and capabilities.
        namespaced: whether it is in a user namespace that does not map all ids.
        strangers: UID and GID by which ids that are not mapped are shown.
        maps_strangers: whether these two are mapped themselves, so that they may also mean what they say.
        selinux: its context, where SELinux is enforced; otherwise empty.
        apparmor: its profile, where AppArmor enforces one; otherwise empty.
        proc: whether /proc is mounted.
    """

    held: Held
    namespaced: bool = False
    strangers: tuple[int, int] = (65534, 65534)
    maps_strangers: bool = True
    selinux: str = ""
    apparmor: str = ""
    proc: bool = True


class Entry(NamedTuple):
    """The one that something was refused for, or the folder that it is in.

    Attributes:
        mount: that it was reached through; None where nobody knows.
        attributes: `kernel.IMMUTABLE` and `kernel.APPEND_ONLY`.
        owner: UID and GID; None where nobody knows.
        label: that SELinux has for it; may be empty.
    """

    mount: Mount | None = None
    attributes: int = 0
    owner: tuple[int, int] | None = None
    label: str = ""


class Facts(NamedTuple):
    """All that is known."""

    process: Process
    entry: Entry = Entry()


def gathered(fd: int = -1) -> Facts:
    """What is known of this process and, if `fd` is one, of what that descriptor holds."""
    process = _of_process()
    return Facts(process, Entry() if fd < 0 else _of_entry(fd, labelled=bool(process.selinux)))


@cache
def _of_process() -> Process:
    uids, gids = _ranges("uid_map"), _ranges("gid_map")
    strangers = _number("overflowuid"), _number("overflowgid")
    context = _text("/proc/self/attr/current")
    return Process(
        held=capabilities.read(_text("/proc/self/status").encode(), os.geteuid()),
        namespaced=not (covers(uids, 0, _ALL) and covers(gids, 0, _ALL)),
        strangers=strangers,
        maps_strangers=covers(uids, strangers[0]) and covers(gids, strangers[1]),
        selinux=confining_context(context, _text("/sys/fs/selinux/enforce")),
        apparmor=enforced_profile(context),
        proc=os.path.exists("/proc/self/fd"),
    )


def _of_entry(fd: int, *, labelled: bool) -> Entry:
    try:
        found = os.fstat(fd)
    except OSError:
        return Entry()
    label = _label(fd) if labelled else ""
    return Entry(mounts.of(fd), kernel.attributes(fd), (found.st_uid, found.st_gid), label)


def covers(ranges: list[tuple[int, int]], first: int, count: int = 1) -> bool:
    """Whether one of these ranges (first id, count) has all of so many ids; with no range at all it is believed."""
    return not ranges or any(start <= first and first + count <= start + size for start, size in ranges)


def _ranges(name: str) -> list[tuple[int, int]]:
    lines = [line.split() for line in _text(f"/proc/self/{name}").splitlines()]
    return [(int(inside), int(count)) for inside, _outside, count in lines]


def confining_context(context: str, enforcing: str) -> str:
    """The SELinux context of a process, if it confines it; `enforcing` is ``0`` if it is only to be logged.

    Within a container nobody may be told whether it is enforced: then it is.
    """
    parts = context.split(":")
    if len(parts) < _LABEL_PARTS or enforcing.strip() == "0" or enforced_profile(context):
        return ""
    return "" if parts[2].startswith(("spc_t", "unconfined_", "kernel_t")) else context


def enforced_profile(context: str) -> str:
    """The AppArmor profile of a process: ``cri-containerd.apparmor.d (enforce)``."""
    name, space, mode = context.rpartition(" ")
    return name if space and mode == "(enforce)" else ""


def _label(fd: int) -> str:
    try:
        return os.getxattr(f"/proc/self/fd/{fd}", "security.selinux").rstrip(b"\0").decode("ascii", "replace")
    except OSError:
        return ""


def _number(name: str) -> int:
    text = _text(f"/proc/sys/kernel/{name}").strip()
    return int(text) if text else 65534


def _text(path: str) -> str:
    """What a file of the kernel's says; empty where it is not there."""
    try:
        with open(path, "rb") as file:
            return file.read().rstrip(b"\0\n").decode("utf-8", "replace")
    except OSError:
        return ""
