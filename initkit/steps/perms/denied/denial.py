"""What a denial (EPERM, EACCES) comes from and what helps, worked out from facts; `facts` gathers them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.perms import kernel
from initkit.steps.perms.denied import capabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.steps.perms.denied.facts import Facts

_WITHOUT_OWNERS = frozenset({"cifs", "exfat", "fuseblk", "hfs", "msdos", "ntfs", "ntfs3", "smb3", "smbfs", "vfat"})
_NFS = frozenset({"nfs", "nfs4"})
_SHARED_BY_NODE = frozenset({"9p", "virtiofs"})
_SETTING = frozenset({"own", "mode", "setgid"})


class Cause(NamedTuple):
    """Why, and what to do about it; `lacks` is the capability that alone would have allowed it."""

    reason: str
    advice: str
    lacks: str = ""


class Case(NamedTuple):
    """A denial.

    Attributes:
        operation: as `causes.failure_of` has it.
        number: of the error.
        facts: what is known.
    """

    operation: str
    number: int
    facts: Facts

    @property
    def said(self) -> str:
        """What the system said, and that no capability was missing."""
        needed = capabilities.needed(self.operation, self.number)
        lacking = capabilities.lacking(self.operation, self.number, self.facts.process.held)
        held = next((name for name in needed if name in self.facts.process.held.effective), "")
        said = os.strerror(self.number)
        return said if lacking or not held else f"{said} although CAP_{held} is there"

    @property
    def kind(self) -> str:
        """The type of the file system; empty where nobody knows."""
        return self.facts.entry.mount.kind if self.facts.entry.mount else ""

    @property
    def is_setting(self) -> bool:
        """Whether an owner or a mode was to be set."""
        return self.operation in _SETTING


def explained(operation: str, number: int, facts: Facts) -> Cause:
    """The first cause that these facts prove, or else make likely."""
    case = Case(operation, number, facts)
    return next(cause for cause in (look(case) for look in _LOOKS) if cause)


def without_owners(kind: str) -> Cause | None:
    """That a file system of this type has none, where that is so."""
    if kind not in _WITHOUT_OWNERS:
        return None
    return Cause(
        f"{kind} has no owners and modes of its own",
        "set them for all of the volume by its mountOptions: uid=, gid=, file_mode= and dir_mode= (CIFS), or fmask="
        " and dmask= (vFAT, exFAT, NTFS)",
    )


def _frozen(case: Case) -> Cause | None:
    attributes = case.facts.entry.attributes
    if case.number != errno.EPERM or not attributes or case.operation in {"read", "reach"}:
        return None
    word, letter = ("immutable", "i") if attributes & kernel.IMMUTABLE else ("append-only", "a")
    rest = "; or leave it out by --exclude" if case.is_setting else ""
    return Cause(f"it is {word}", f"see `lsattr` on the node, and clear it by `chattr -{letter}`{rest}")


def _ownerless(case: Case) -> Cause | None:
    return without_owners(case.kind) if case.is_setting else None


def _unmapped(case: Case) -> Cause | None:
    """A user namespace has no power over what belongs to ids that it does not map (user_namespaces(7))."""
    process, owner = case.facts.process, case.facts.entry.owner
    if not process.namespaced or owner is None:
        return None
    strange = [f"{what} {own}" for what, own, as_shown in zip(("UID", "GID"), owner, process.strangers, strict=True)
               if own == as_shown]  # fmt: skip
    if not strange:
        return None
    return Cause(
        f"{os.strerror(case.number)} ({' and '.join(strange)}: an id that is not mapped in this user namespace)",
        "run the pod with `hostUsers: true`, or have the volume's files owned by ids that /proc/self/uid_map covers",
    )


def _surely_unmapped(case: Case) -> Cause | None:
    return None if case.facts.process.maps_strangers else _unmapped(case)


def _incapable(case: Case) -> Cause | None:
    held = case.facts.process.held
    name = capabilities.lacking(case.operation, case.number, held)
    if not case.facts.process.proc:
        return None  # nobody knows
    if not name or (case.number == errno.EACCES and case.is_setting and _by_module(case)):
        return None
    reason = f"{os.strerror(case.number)} {capabilities.without(name, held)}"
    advice = capabilities.granted([name], held)
    if case.kind in _NFS:
        return Cause(reason, f"{advice}; on NFS the export must have no_root_squash too")
    return Cause(reason, advice, name)


def _squashed(case: Case) -> Cause | None:
    if case.kind not in _NFS:
        return None
    return Cause(
        f"{case.said}: on {case.kind} the server decides, and takes root for nobody (root_squash)",
        "export it with no_root_squash, set it right on the server, or run as the owner of the files",
    )


def _not_for_others(case: Case) -> Cause | None:
    if case.number != errno.EACCES or case.is_setting or not case.kind.startswith("fuse"):
        return None
    return Cause(
        f"{case.said}: only who mounted a {case.kind} may look into it, not even root",
        "mount it with allow_other",
    )


def _driven(case: Case) -> Cause | None:
    if not case.is_setting or not (case.kind.startswith("fuse") or case.kind in _SHARED_BY_NODE):
        return None
    return Cause(
        f"{case.said}: {case.kind} is served by a program that does not take it",
        "set owners and modes in the volume's mountOptions, as the documentation of its driver says",
    )


def _by_module(case: Case) -> Cause | None:
    """For what root may do, EACCES comes from a security module: the kernel itself says EPERM of owners and modes."""
    process, label = case.facts.process, case.facts.entry.label
    if case.number != errno.EACCES:
        return None
    if process.selinux:
        labelled = f", which is labelled {label}" if label else ""
        return Cause(
            f"{case.said}: SELinux denies it to {process.selinux}{labelled}",
            "give the pod the volume's level: securityContext: {seLinuxOptions: {level: LEVEL}}, or relabel the"
            " volume (`:z` where an engine mounts it, chcon -t container_file_t on a node); `ausearch -m avc` tells",
        )
    if process.apparmor:
        return Cause(
            f"{case.said}: the AppArmor profile {process.apparmor} denies it",
            "give the container a profile that allows it (securityContext: {appArmorProfile: ...}); the node's kernel"
            ' log tells: apparmor="DENIED"',
        )
    return None


def _somehow(case: Case) -> Cause:
    process = case.facts.process
    modules = [name for name, here in (("SELinux", process.selinux), ("AppArmor", process.apparmor)) if here]
    denial = f"a denial by {' or '.join(modules or ['SELinux or AppArmor'])} (`dmesg` on the node)"
    return Cause(
        case.said,
        "look for NFS with root_squash (set it on the server), an immutable file (`lsattr`), an id that this user"
        f" namespace does not map, or {denial}",
    )


# what is certain comes first, then what a capability would help with, then what is left
_LOOKS: tuple[Callable[[Case], Cause | None], ...] = (
    _frozen, _ownerless, _surely_unmapped, _incapable,
    _squashed, _not_for_others, _driven, _unmapped, _by_module, _somehow,
)  # fmt: skip
