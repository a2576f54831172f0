"""What a person reads: what was refused is named for what it is, with what helps."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.perms.denied.capabilities import Held
from initkit.steps.perms.denied.causes import Failure, failure_of, meaning, shown
from initkit.steps.perms.denied.facts import Entry, Facts, Process
from initkit.steps.perms.kernel import APPEND_ONLY, IMMUTABLE
from initkit.steps.perms.mounts import Mount
from initkit.steps.perms.walking.tally import Tally

_ALL = frozenset({"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID"})
_GIVEN = frozenset({"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"})  # what containers have by default
ROOT = Process(Held(0, _ALL, _ALL))
USER = Process(Held(1000, frozenset(), _GIVEN))
SELINUX = "system_u:system_r:container_t:s0:c12,c34"
EPERM, EACCES = errno.EPERM, errno.EACCES


def on(kind: str, process: Process = ROOT, **entry: Any) -> Facts:
    return Facts(process, Entry(Mount("/data", kind))._replace(**entry))


def why(operation: str, number: int, facts: Facts) -> Failure:
    return meaning(operation, number, facts)


@pytest.mark.parametrize(
    ("operation", "number", "capability"),
    [
        ("own", EPERM, "CHOWN"),
        ("mode", EPERM, "FOWNER"),
        ("setgid", EPERM, "FSETID"),
        ("read", EACCES, "DAC_READ_SEARCH"),
        ("reach", EACCES, "DAC_READ_SEARCH"),
        ("create", EACCES, "DAC_OVERRIDE"),
        ("create", EPERM, "FOWNER"),
        ("stamp", EACCES, "DAC_OVERRIDE"),
    ],
)
def test_the_capability_that_is_missing_is_named_and_granted(operation: str, number: int, capability: str) -> None:
    failure = why(operation, number, on("ext4", Process(Held(0))))
    assert failure.reason == f"{os.strerror(number)} (UID 0 without CAP_{capability})"
    assert f"securityContext: {{capabilities: {{add: [{capability}]}}}}" in failure.advice


def test_what_the_container_has_does_not_reach_another_user_than_root() -> None:
    failure = why("own", EPERM, on("ext4", USER))
    assert failure.reason == (
        "Operation not permitted (UID 1000 without CAP_CHOWN, which is in the bounding set but not in effect"
        " because UID 1000 is not root)"
    )
    assert "{runAsUser: 0, runAsNonRoot: false, capabilities: {add: [CHOWN]}}" in failure.advice
    assert "fsGroup" in failure.advice


def test_what_the_container_does_not_have_is_not_said_to_be_there() -> None:
    failure = why("read", EACCES, on("ext4", USER))
    assert failure.reason == "Permission denied (UID 1000 without CAP_DAC_READ_SEARCH)"
    assert "runAsUser: 0" in failure.advice


def test_folders_are_open_to_who_may_override() -> None:
    failure = why("read", EACCES, on("nfs4", Process(Held(0, _GIVEN, _GIVEN))))
    assert "although CAP_DAC_OVERRIDE is there" in failure.reason
    assert "root_squash" in failure.reason


@pytest.mark.parametrize("kind", ["nfs", "nfs4"])
@pytest.mark.parametrize(
    ("operation", "number"), [("own", EPERM), ("mode", EPERM), ("read", EACCES), ("create", EACCES)]
)
def test_root_squash_is_named_where_it_is_nfs(kind: str, operation: str, number: int) -> None:
    failure = why(operation, number, on(kind))
    assert f"on {kind} the server decides, and takes root for nobody (root_squash)" in failure.reason
    assert "no_root_squash" in failure.advice


def test_who_lacks_a_capability_on_nfs_is_told_that_it_takes_more() -> None:
    failure = why("own", EPERM, on("nfs4", USER))
    assert "UID 1000 without CAP_CHOWN" in failure.reason
    assert failure.advice.endswith("on NFS the export must have no_root_squash too")


@pytest.mark.parametrize("kind", ["vfat", "exfat", "cifs", "smb3", "ntfs3"])
@pytest.mark.parametrize("process", [ROOT, USER])
def test_file_systems_without_owners_are_named_whoever_asks(kind: str, process: Process) -> None:
    for operation in ("own", "mode", "keep"):
        failure = why(operation, EPERM, on(kind, process))
        assert failure.reason == f"{kind} has no owners and modes of its own"
        assert "uid=, gid=" in failure.advice


@pytest.mark.parametrize(
    ("operation", "number", "reason"),
    [
        ("own", EPERM, "fuse.s3fs is served by a program that does not take it"),
        ("own", errno.ENOSYS, "fuse.s3fs cannot do it"),
        ("mode", errno.EOPNOTSUPP, "fuse.s3fs cannot do it"),
        ("read", EACCES, "only who mounted a fuse.s3fs may look into it, not even root"),
        ("keep", EPERM, "the file system (fuse.s3fs) did not keep what it was told"),
    ],
)
def test_drivers_that_do_not_take_it_are_named(operation: str, number: int, reason: str) -> None:
    assert reason in why(operation, number, on("fuse.s3fs")).reason


@pytest.mark.parametrize(("flag", "word"), [(IMMUTABLE, "immutable"), (APPEND_ONLY, "append-only")])
@pytest.mark.parametrize("process", [ROOT, USER])
def test_what_nobody_may_change_is_named_whoever_asks(flag: int, word: str, process: Process) -> None:
    failure = why("own", EPERM, on("ext4", process, attributes=flag))
    assert failure.reason == f"it is {word}"
    assert "chattr" in failure.advice


def test_a_denial_by_selinux() -> None:
    process = ROOT._replace(selinux=SELINUX)
    failure = why("own", EACCES, on("xfs", process, label="system_u:object_r:var_t:s0"))
    assert f"SELinux denies it to {SELINUX}, which is labelled system_u:object_r:var_t:s0" in failure.reason
    assert "seLinuxOptions" in failure.advice
    assert "SELinux denies it" in why("read", EACCES, on("xfs", process)).reason
    # of owners and modes the kernel itself says EPERM: the missing capability is not what EACCES tells of
    assert "SELinux denies it" in why("own", EACCES, on("xfs", USER._replace(selinux=SELINUX))).reason
    assert "without CAP_CHOWN" in why("own", EPERM, on("xfs", USER._replace(selinux=SELINUX))).reason


def test_a_denial_by_apparmor() -> None:
    failure = why("mode", EACCES, on("ext4", ROOT._replace(apparmor="cri-containerd.apparmor.d")))
    assert "although CAP_FOWNER is there: the AppArmor profile cri-containerd.apparmor.d denies it" in failure.reason
    assert "appArmorProfile" in failure.advice


def test_what_nothing_proves_is_not_claimed() -> None:
    failure = why("own", EPERM, on("ext4", ROOT._replace(apparmor="cri-containerd.apparmor.d")))
    assert failure.reason == "Operation not permitted although CAP_CHOWN is there"
    assert "a denial by AppArmor" in failure.advice
    assert "root_squash" in why("own", EPERM, Facts(ROOT)).advice


def test_owners_that_a_user_namespace_does_not_map() -> None:
    inside = ROOT._replace(namespaced=True, maps_strangers=False)
    failure = why("mode", EPERM, on("ext4", inside, owner=(65534, 0)))
    assert failure.reason == "Operation not permitted (UID 65534: an id that is not mapped in this user namespace)"
    assert "hostUsers: true" in failure.advice
    assert "not mapped" in why("mode", EPERM, on("ext4", inside._replace(maps_strangers=True), owner=(65534, 0))).reason
    assert "not mapped" not in why("mode", EPERM, on("ext4", inside, owner=(1000, 0))).reason
    assert "not mapped" not in why("mode", EPERM, on("ext4", ROOT, owner=(65534, 65534))).reason.partition("(")[2]


def test_where_nobody_may_be_a_user_a_missing_capability_comes_first() -> None:
    inside = USER._replace(namespaced=True, maps_strangers=True)
    assert "without CAP_FOWNER" in why("mode", EPERM, on("ext4", inside, owner=(65534, 65534))).reason


@pytest.mark.parametrize(
    ("mount", "reason", "advice"),
    [
        (Mount("/data", "ext4"), "the file system is mounted read-only", "volumeMount"),
        (Mount("/data", "ext4", all_read_only=True), "read-only everywhere", "after an error"),
        (Mount("/", "overlay"), "the container's root file system", "readOnlyRootFilesystem"),
        (None, "the file system is mounted read-only", "volumeMount"),
    ],
)
def test_what_is_read_only_is_said_where_it_was_asked_for(mount: Mount | None, reason: str, advice: str) -> None:
    failure = why("mode", errno.EROFS, Facts(ROOT, Entry(mount)))
    assert reason in failure.reason
    assert advice in failure.advice


@pytest.mark.parametrize(
    ("operation", "number", "message"),
    [
        ("own", errno.EINVAL, "not mapped where the file system was mounted"),
        ("own", errno.EOVERFLOW, "not mapped on this mount"),
        ("create", errno.ENOSPC, "no space is left on the volume"),
        ("own", errno.EDQUOT, "a quota is used up"),
        ("mode", errno.EINVAL, os.strerror(errno.EINVAL)),
        ("mode", errno.ENOENT, os.strerror(errno.ENOENT)),
        ("read", errno.ENOSYS, os.strerror(errno.ENOSYS)),
    ],
)
def test_each_refusal_is_named_for_what_it_is(operation: str, number: int, message: str) -> None:
    assert message in why(operation, number, on("ext4")).reason


def test_an_id_that_the_own_user_namespace_does_not_map() -> None:
    failure = why("own", errno.EINVAL, on("ext4", ROOT._replace(namespaced=True)))
    assert failure.reason == "the id is not mapped in this user namespace"


def test_without_proc_old_kernels_cannot_set_modes() -> None:
    assert why("mode", errno.ENOENT, on("ext4", ROOT._replace(proc=False))).reason == "/proc is not mounted"


@pytest.mark.parametrize(
    ("number", "passing"),
    [(errno.ESTALE, True), (errno.EIO, True), (errno.ENOSPC, True), (EPERM, False), (errno.EROFS, False)],
)
def test_what_may_be_over_soon_is_told_from_what_stays(number: int, passing: bool) -> None:  # noqa: FBT001 - a table
    assert why("mode", number, on("ext4")).passing is passing


def test_only_the_first_ten_of_many_failures_are_shown() -> None:
    tally = Tally()
    tally.seen = 340
    for number in range(12):
        tally.failed(f"/data/{number}", Failure("changing the mode of", "Operation not permitted", "do this"))
    text = str(tally.error("set permissions in /data"))
    expected = (
        "cannot set permissions in /data: Operation not permitted when changing the mode of 12 of 340 entries: /data/0"
    )
    assert text.startswith(expected)
    assert text.endswith("/data/9, and 2 more; do this")
    assert "/data/10" not in text


def test_capabilities_that_are_missing_are_to_be_added_all_at_once() -> None:
    tally = Tally()
    for operation, number in (("mode", EPERM), ("own", EPERM), ("read", EACCES)):
        tally.failed("/data/a", why(operation, number, on("ext4", USER)))
    tally.failed("/data/b", Failure("changing the mode of", "it is immutable", "do that"))
    text = str(tally.error("x"))
    assert "add: [CHOWN, DAC_READ_SEARCH, FOWNER]}} (" in text
    assert text.count("securityContext: {fsGroup: GID}") == 1
    assert text.endswith("; do that")


def test_a_walk_is_repeated_unless_something_failed_that_stays_so() -> None:
    tally = Tally()
    tally.failed("/data/a", failure_of("read", OSError(errno.ESTALE, "")))
    assert isinstance(tally.error("x"), TemporaryError)
    tally.failed("/data/b", failure_of("mode", OSError(errno.EROFS, "")))
    assert isinstance(tally.error("x"), PermanentError)


def test_where_nobody_knows_capabilities_none_is_missed() -> None:
    failure = why("own", EPERM, on("ext4", Process(Held(0), proc=False)))
    assert failure.reason == "Operation not permitted"


def test_equal_failures_are_counted_as_one() -> None:
    assert len({failure_of("own", OSError(EPERM, "x")), failure_of("own", OSError(EPERM, "y"))}) == 1


def test_names_that_are_no_text_can_be_printed() -> None:
    assert shown("/a/b\nc\x1b[2J\udcff é") == "/a/b\\nc\\x1b[2J\\xff é"
