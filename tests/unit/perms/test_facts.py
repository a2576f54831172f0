"""What the kernel tells of a process and of mounts, as it writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.steps.perms import mounts
from initkit.steps.perms.denied import capabilities
from initkit.steps.perms.denied.capabilities import Held
from initkit.steps.perms.denied.facts import confining_context, covers, enforced_profile
from initkit.steps.perms.mounts import Mount

if TYPE_CHECKING:
    from pathlib import Path

SELINUX = "system_u:system_r:container_t:s0:c12,c34"

# as proc_pid_mountinfo(5) has it
_MOUNTINFO = b"""\
511 490 0:52 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/l/ABC:/l/DEF,upperdir=/u,workdir=/w
530 511 0:61 /export/my\\040files /my\\040files rw,relatime shared:3 master:2 - nfs4 10.0.0.7:/export rw,vers=4.2
531 511 259:1 /var/lib/kubelet/pods/1/volumes /data ro,noatime - ext4 /dev/nvme0n1p1 rw,seclabel
532 511 0:70 / /bucket rw,nosuid - fuse.s3fs s3fs ro,user_id=0,group_id=0
"""


def test_capabilities_as_the_kernel_tells_them() -> None:
    status = b"Name:\tpython\nCapInh:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n"
    assert capabilities.read(status, 1000) == Held(
        1000, frozenset(), frozenset({"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"})
    )
    assert capabilities.read(b"", 0) == Held(0)


def test_mounts_as_the_kernel_tells_them() -> None:
    assert mounts.read(_MOUNTINFO, 511) == Mount("/", "overlay")
    assert mounts.read(_MOUNTINFO, 530) == Mount("/my files", "nfs4")
    assert mounts.read(_MOUNTINFO, 531) == Mount("/data", "ext4")
    assert mounts.read(_MOUNTINFO, 532) == Mount("/bucket", "fuse.s3fs", all_read_only=True)
    assert mounts.read(_MOUNTINFO, 5) is None


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/", True),
        ("/data", False),
        ("/dat", False),
        ("/my files", False),
        ("/my", False),
        ("/buck", False),
        ("", True),
    ],
)
def test_only_what_is_mounted_deeper_down_counts(
    path: str,
    answer: bool,  # noqa: FBT001 - a table
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", str(tmp_path / "mountinfo"))
    (tmp_path / "mountinfo").write_bytes(_MOUNTINFO)
    assert mounts.is_anything_below(path) is answer
    below = _MOUNTINFO.replace(b" /data ", b" /my\\040files/data ")
    (tmp_path / "mountinfo").write_bytes(below)
    assert mounts.is_anything_below("/my files")
    assert not mounts.is_anything_below("/my files/data")


@pytest.mark.parametrize("text", [None, b"nonsense\n"])
def test_where_mounts_are_not_told_there_may_be_some(
    text: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", str(tmp_path / "mountinfo"))
    if text is not None:
        (tmp_path / "mountinfo").write_bytes(text)
    assert mounts.is_anything_below("/data")


@pytest.mark.parametrize(
    ("context", "enforcing", "selinux", "profile"),
    [
        (SELINUX, "1", SELINUX, ""),
        (SELINUX, "", SELINUX, ""),  # a container need not see whether it is enforced
        (SELINUX, "0", "", ""),
        ("system_u:system_r:spc_t:s0", "1", "", ""),
        ("cri-containerd.apparmor.d (enforce)", "", "", "cri-containerd.apparmor.d"),
        ("docker-default (complain)", "", "", ""),
        ("unconfined", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_what_confines_a_process(context: str, enforcing: str, selinux: str, profile: str) -> None:
    assert confining_context(context, enforcing) == selinux
    assert enforced_profile(context) == profile


def test_a_user_namespace_maps_what_its_ranges_have() -> None:
    pods = [(0, 65536)]
    assert covers(pods, 65534)
    assert not covers(pods, 65536)
    assert not covers(pods, 0, 2**32 - 1)
    assert covers([(0, 2**32 - 1)], 0, 2**32 - 1)
    assert covers([], 4711)
