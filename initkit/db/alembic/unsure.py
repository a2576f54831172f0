"""What cannot be told without running somebody's code, and why; what to do then is the caller's business."""

from __future__ import annotations


class Unsure(Exception):  # noqa: N818 - no error: alembic itself is asked then
    """Reading is not enough; raised inside this room, and returned by `standing.look`.

    Attributes:
        reason: a short phrase for the log: ``env.py calls get_schema()``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
