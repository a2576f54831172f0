"""How many processors may be used, by affinity and by the quota of a cgroup."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from initkit.steps.perms.walking.cores import cores

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("max 100000\n", ALLOWED),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("140000 100000\n", 1),
        ("150000 100000\n", 2),
        ("9900000 100000\n", ALLOWED),
        ("nonsense\n", ALLOWED),
        ("1 0\n", ALLOWED),
        ("", ALLOWED),
    ],
)
def test_a_quota_of_time_counts_as_whole_processors(tmp_path: Path, text: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cores(str(tmp_path)) == min(most, ALLOWED)


@pytest.mark.parametrize(("quota", "most"), [("-1", ALLOWED), ("100000", 1), ("20000", 1), ("x", ALLOWED)])
def test_a_quota_of_the_first_version_of_cgroups(tmp_path: Path, quota: str, most: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert cores(str(tmp_path)) == most


def test_without_cgroups_it_is_the_affinity_alone(tmp_path: Path) -> None:
    assert cores(str(tmp_path / "none")) == ALLOWED
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores(str(tmp_path / "none")) == 1
    finally:
        os.sched_setaffinity(0, before)
