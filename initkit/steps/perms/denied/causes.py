"""Says why the system refused something, and what helps; denials are worked out by `denial`."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from initkit.steps.perms.denied.facts import Facts

_DOING = {
    "reach": "reaching",
    "read": "looking into",
    "own": "changing the owner or group of",
    "mode": "changing the mode of",
    "setgid": "giving setgid to",
    "keep": "changing",
    "create": "creating",
    "stamp": "stamping",
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
_MAPPED = "use an id that /proc/self/uid_map and gid_map cover, or run the pod with `hostUsers: true`"


class Failure(NamedTuple):
    """Why something was refused.

    Attributes:
        doing: what was refused: "changing the mode of".
        reason: what the system said, and what it means by it.
        advice: what a person can do about it.
        passing: whether another attempt may succeed.
        lacks: the capability that was missing, where `advice` is about nothing else; otherwise empty.
    """

    doing: str
    reason: str
    advice: str
    passing: bool = False
    lacks: str = ""


def shown(path: str) -> str:
    """A path that can be printed: what is no text or would move a terminal's cursor is escaped."""
    return path if path.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in path)


def _escaped(char: str) -> str:
    octets = char.encode("utf-8", "surrogateescape")
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char) or "".join(f"\\x{octet:02x}" for octet in octets)


def failure_of(operation: str, error: OSError, fd: int = -1) -> Failure:
    """What it means that an operation met this error.

    Args:
        operation: reach (a root), read, own, mode, setgid or keep (that, or something else, was not kept), create
            or stamp.
        error: what the system said.
        fd: a descriptor, still open, of what it was done to, or of the folder that it is in; -1 where there is none.
    """
    from initkit.steps.perms.denied import facts  # noqa: PLC0415 - a walk that meets no refusal does not need it

    return meaning(operation, error.errno or 0, facts.gathered(fd))


def meaning(operation: str, number: int, facts: Facts) -> Failure:
    """The same, from facts."""
    if operation != "keep" and number in {errno.EPERM, errno.EACCES}:
        from initkit.steps.perms.denied.denial import explained  # noqa: PLC0415 - as above

        cause = explained(operation, number, facts)
        return Failure(_DOING[operation], cause.reason, cause.advice, lacks=cause.lacks)
    look = _KNOWN.get((operation, number)) or _KNOWN.get(number) or _plainly
    reason, advice = _not_kept(facts) if operation == "keep" else look(operation, number, facts)
    return Failure(_DOING[operation], reason, advice, number in _PASSING)


def advised(failures: Iterable[Failure]) -> str:
    """What a person can do about all of them: capabilities that are missing are named together, to be added at once."""
    known = list(failures)
    missing = {failure.lacks for failure in known if failure.lacks}
    texts = [failure.advice for failure in known if failure.advice and not failure.lacks]
    if missing:
        from initkit.steps.perms.denied import capabilities, facts  # noqa: PLC0415 - as above

        texts.insert(0, capabilities.granted(missing, facts.gathered().process.held))
    return "; ".join(dict.fromkeys(texts))


def _not_kept(facts: Facts) -> tuple[str, str]:
    from initkit.steps.perms.denied.denial import without_owners  # noqa: PLC0415 - as above

    mount = facts.entry.mount
    known = without_owners(mount.kind) if mount else None
    if known:
        return known.reason, known.advice
    kind = f" ({mount.kind})" if mount else ""
    advice = "set them in the volume's mount options (uid, gid, file_mode or umask), as CIFS and vFAT need it"
    return f"the file system{kind} did not keep what it was told", advice


def _read_only(operation: str, number: int, facts: Facts) -> tuple[str, str]:  # noqa: ARG001 - one of `_KNOWN`
    mount = facts.entry.mount
    if mount and mount.kind == "overlay" and mount.point == "/":
        advice = "name a volume; or drop `readOnlyRootFilesystem: true` from this container's securityContext"
        return "the container's root file system is mounted read-only", advice
    if mount and mount.all_read_only:
        advice = "see whether the volume itself is `readOnly: true`, or the node has remounted it so after an error"
        return f"the file system ({mount.kind}) is mounted read-only everywhere", advice
    return "the file system is mounted read-only", (
        "drop `readOnly: true` from this container's volumeMount, or set it right where it can be written (ConfigMaps"
        " and Secrets cannot be: use their defaultMode)"
    )


def _invalid_id(operation: str, number: int, facts: Facts) -> tuple[str, str]:  # noqa: ARG001 - one of `_KNOWN`
    where = "in this user namespace" if facts.process.namespaced else "where the file system was mounted"
    return f"the id is not mapped {where}", _MAPPED


def _beyond(operation: str, number: int, facts: Facts) -> tuple[str, str]:  # noqa: ARG001 - one of `_KNOWN`
    """What the kernel says of ids that the user namespace of the file system, or of an idmapped mount, lacks."""
    return "an id, the wanted one or the one that is there, is not mapped on this mount", _MAPPED


def _full(operation: str, number: int, facts: Facts) -> tuple[str, str]:  # noqa: ARG001 - one of `_KNOWN`
    advice = "make room, or enlarge the volume; also what is only changed may need space (overlay copies the file)"
    return "no space is left on the volume", advice


def _quota(operation: str, number: int, facts: Facts) -> tuple[str, str]:  # noqa: ARG001 - one of `_KNOWN`
    return "a quota is used up", "raise it: what a file takes counts for its new owner or group"


def _unsupported(operation: str, number: int, facts: Facts) -> tuple[str, str]:
    said = os.strerror(number)
    if operation not in {"own", "mode", "setgid"} or facts.entry.mount is None:
        return said, ""
    advice = "set owners and modes in the volume's mountOptions, as the documentation of its driver says"
    return f"{facts.entry.mount.kind} cannot do it ({said})", advice


def _no_proc(operation: str, number: int, facts: Facts) -> tuple[str, str]:
    if facts.process.proc:
        return _plainly(operation, number, facts)
    advice = "mount /proc: without it, before Linux 6.6, a mode cannot be set on exactly the file that was looked at"
    return "/proc is not mounted", advice


def _plainly(operation: str, number: int, facts: Facts) -> tuple[str, str]:  # noqa: ARG001 - one of `_KNOWN`
    return os.strerror(number), ""


_KNOWN: dict[int | tuple[str, int], Callable[[str, int, Facts], tuple[str, str]]] = {
    errno.EROFS: _read_only,
    ("own", errno.EINVAL): _invalid_id,
    errno.EOVERFLOW: _beyond,
    errno.ENOSPC: _full,
    errno.EDQUOT: _quota,
    errno.ENOSYS: _unsupported,
    errno.EOPNOTSUPP: _unsupported,
    ("mode", errno.ENOENT): _no_proc,
}
