"""Says why the system refused something, and what helps: a capability, the kubelet's fsGroup, another mount."""

from __future__ import annotations

import errno
import os
from functools import cache
from typing import NamedTuple

_NUMBERS = {"CHOWN": 0, "DAC_READ_SEARCH": 2, "FOWNER": 3, "FSETID": 4}  # capabilities(7), linux/capability.h
_NEEDED = {"reach": "DAC_READ_SEARCH", "read": "DAC_READ_SEARCH", "own": "CHOWN", "mode": "FOWNER", "setgid": "FSETID"}
_DOING = {
    "reach": "reaching",
    "read": "looking into",
    "own": "changing the owner or group of",
    "mode": "changing the mode of",
    "setgid": "giving setgid to",
    "keep": "changing",
}
# what may be over soon: another attempt makes sense
_PASSING = frozenset({
    errno.EIO,
    errno.ESTALE,
    errno.EAGAIN,
    errno.EBUSY,
    errno.ENOMEM,
    errno.ETIMEDOUT,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
})  # fmt: skip


class Failure(NamedTuple):
    """Why something was refused.

    Attributes:
        doing: what was refused: "changing the mode of".
        reason: what the system said, and what it means by it.
        advice: what a person can do about it.
        passing: whether another attempt may succeed.
    """

    doing: str
    reason: str
    advice: str
    passing: bool = False


def shown(path: str) -> str:
    """A path that can be printed: what is no text or would move a terminal's cursor is escaped."""
    return "".join(char if char.isprintable() else _escaped(char) for char in path)


def _escaped(char: str) -> str:
    octets = char.encode("utf-8", "surrogateescape")
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char) or "".join(f"\\x{octet:02x}" for octet in octets)


@cache
def effective_capabilities() -> frozenset[str]:
    """Those that count here and that this kernel says are in effect; none where /proc does not tell."""
    try:
        with open("/proc/self/status", "rb") as file:
            line = next((line for line in file if line.startswith(b"CapEff:")), b"CapEff: 0")
    except OSError:
        return frozenset()
    held = int(line.split()[1], 16)
    return frozenset(name for name, number in _NUMBERS.items() if held >> number & 1)


def failure_of(operation: str, error: OSError) -> Failure:
    """What it means that `operation` (reach, read, own, mode, setgid or keep) met this error."""
    doing = _DOING[operation]
    if operation == "keep":
        advice = "set them in the volume's mount options (uid, gid, file_mode or umask), as CIFS and vFAT need it"
        return Failure(doing, "the file system did not keep what it was told", advice)
    if error.errno in {errno.EPERM, errno.EACCES}:
        return _denied(operation, error)
    if error.errno == errno.EROFS:
        advice = "drop `readOnly: true` from this container's volumeMount, or set it right where it can be written"
        return Failure(doing, "the file system is mounted read-only", advice)
    if operation == "own" and error.errno == errno.EINVAL:
        advice = "use an id that /proc/self/uid_map and gid_map cover, or run the pod with `hostUsers: true`"
        return Failure(doing, "the id is not mapped in this user namespace", advice)
    if operation in {"own", "mode"} and error.errno == errno.ENOENT:
        advice = "mount /proc: without it a mode cannot be set on exactly the file that was looked at"
        return Failure(doing, "/proc is not mounted", advice)
    return Failure(doing, os.strerror(error.errno or 0), "", error.errno in _PASSING)


def _denied(operation: str, error: OSError) -> Failure:
    doing, capability = _DOING[operation], _NEEDED[operation]
    said = os.strerror(error.errno or 0)
    if capability not in effective_capabilities():
        return Failure(doing, f"{said} (UID {os.geteuid()} without CAP_{capability})", _without(capability))
    return Failure(
        doing,
        f"{said} although CAP_{capability} is there",
        "look for NFS with root_squash (set it on the server), an immutable file (`lsattr`), an id that this user"
        " namespace does not map, or a denial by SELinux or AppArmor (`dmesg`)",
    )


def _without(capability: str) -> str:
    """How to grant a capability, or do without."""
    grant = f"securityContext: {{runAsUser: 0, capabilities: {{add: [{capability}]}}}}"
    note = "" if os.geteuid() == 0 else " (one that is added for another user has no effect)"
    instead = {
        "CHOWN": "; or have the kubelet do it: the pod's securityContext: {fsGroup: GID}",
        "FSETID": "; or add the group to the pod's supplementalGroups",
    }.get(capability, "; or run as the owner of the files")
    return f"give this init container {grant}{note}{instead}"
