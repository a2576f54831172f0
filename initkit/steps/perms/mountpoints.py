"""Whether anything is mounted in a tree; which mount an entry was reached through is asked of `kernel`."""

from __future__ import annotations

import os
import re

_ESCAPED = re.compile(rb"\\([0-7]{3})")
_POINT = 4  # which word of a line is the mount point, counted from 0: proc_pid_mountinfo(5)


def is_anything_below(path: str) -> bool:
    """Whether something is mounted below a real path; True where the system does not tell."""
    below = os.fsencode(path.rstrip("/")) + b"/"
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            return any(_point(line).startswith(below) for line in lines)
    except (OSError, IndexError):
        return True


def _point(line: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), line.split()[_POINT])
