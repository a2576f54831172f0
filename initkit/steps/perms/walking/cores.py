"""How many processors may be used; what for is none of its concern."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROOT = "/sys/fs/cgroup"


def cores(root: str = _ROOT) -> int:
    """Those that this process may run on, and as many as its quota of time makes whole ones, at least 1.

    The affinity is sched_getaffinity(2)'s. The quota is that of the cgroup which is mounted, as it is in a container,
    by version 2 (``cpu.max``) or 1 (``cpu.cfs_quota_us``): https://docs.kernel.org/admin-guide/cgroup-v2.html.
    """
    allowed = len(os.sched_getaffinity(0))
    quotas = [quota for quota in (_second(root), _first(root)) if quota is not None]
    return max(1, min([allowed, *(round(quota) for quota in quotas)]))


def _second(root: str) -> float | None:
    words = _words([f"{root}/cpu.max"])
    if len(words) != 2 or words[0] == "max":  # noqa: PLR2004 - a quota and a period
        return None
    return _share(words)


def _first(root: str) -> float | None:
    words = _words(f"{root}/cpu/{name}" for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    return None if words[:1] == ["-1"] else _share(words)


def _share(words: list[str]) -> float | None:
    try:
        quota, period = map(int, words)
        return quota / period
    except (ValueError, ZeroDivisionError):
        return None


def _words(paths: Iterable[str]) -> list[str]:
    words = []
    for path in paths:
        try:
            with open(path, encoding="ascii") as file:
                words += file.read().split()
        except (OSError, ValueError):
            return []
    return words
