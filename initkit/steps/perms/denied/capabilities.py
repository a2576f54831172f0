"""Which capabilities this process has (capabilities(7)), which one a call lacked, and how a pod is given it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "FSETID": 4}  # linux/capability.h
_LOOKING = ("DAC_READ_SEARCH", "DAC_OVERRIDE")
# one of these; the first one allows the least
_NEEDED = {
    "reach": _LOOKING,
    "read": _LOOKING,
    "own": ("CHOWN",),
    "mode": ("FOWNER",),
    "setgid": ("FSETID",),
    "create": ("DAC_OVERRIDE",),
    "stamp": ("DAC_OVERRIDE",),
}
_FS_GROUP = "have the kubelet do it: the pod's securityContext: {fsGroup: GID}"
_INSTEAD = {
    "CHOWN": _FS_GROUP,
    "FOWNER": f"run as the owner of the files, or {_FS_GROUP}",
    "FSETID": "add the group to the pod's supplementalGroups",
    "DAC_OVERRIDE": f"run as the owner of the folder, or {_FS_GROUP}",
    "DAC_READ_SEARCH": f"run as the owner of the files, or {_FS_GROUP}",
}


class Held(NamedTuple):
    """What a process may.

    Attributes:
        uid: its effective one.
        effective: capabilities that are in effect.
        bounding: those that a program of root's would have; what the container was given.
    """

    uid: int
    effective: frozenset[str] = frozenset()
    bounding: frozenset[str] = frozenset()


def read(status: bytes, uid: int) -> Held:
    """What /proc/self/status tells; no capability where it is empty."""
    found = dict(line.split(b":", 1) for line in status.splitlines() if line.startswith(b"Cap"))
    return Held(uid, _names(found.get(b"CapEff", b"0")), _names(found.get(b"CapBnd", b"0")))


def _names(mask: bytes) -> frozenset[str]:
    held = int(mask, 16)
    return frozenset(name for name, number in _NUMBERS.items() if held >> number & 1)


def needed(operation: str, number: int) -> tuple[str, ...]:
    """Capabilities of which any one would have allowed it; none where `operation` needs none."""
    if operation in {"create", "stamp"} and number == errno.EPERM:
        return ("FOWNER",)  # in a sticky folder, only the owner may rename or remove
    return _NEEDED.get(operation, ())


def lacking(operation: str, number: int, held: Held) -> str:
    """The capability that was missing; empty if it was there, or none is needed."""
    names = needed(operation, number)
    return "" if held.effective.intersection(names) or not names else names[0]


def without(name: str, held: Held) -> str:
    """That it is missing, and why it may be although the pod asks for it."""
    why = ""
    if held.uid and name in held.bounding:
        # there is no ambient set in Kubernetes: execve(2) leaves nothing to who is not root
        why = f", which is in the bounding set but not in effect because UID {held.uid} is not root"
    return f"(UID {held.uid} without CAP_{name}{why})"


def granted(names: Iterable[str], held: Held) -> str:
    """How to be given all of them at once, and how to do without."""
    missing = [name for name in _NUMBERS if name in names]
    add = f"capabilities: {{add: [{', '.join(missing)}]}}"
    context = add if held.uid == 0 else f"runAsUser: 0, runAsNonRoot: false, {add}"
    notes = []
    if held.uid and not held.bounding.issuperset(missing):
        notes.append("one that is added for another user than root has no effect")
    if "DAC_READ_SEARCH" in missing:
        instead = " instead of DAC_READ_SEARCH" if missing[1:] else ""
        notes.append(f"or DAC_OVERRIDE{instead}, which the baseline of Pod Security allows")
    note = f" ({'; '.join(notes)})" if notes else ""
    return f"give this init container securityContext: {{{context}}}{note}, or {_INSTEAD[missing[0]]}"
