"""The container's termination message: why it ended, as `kubectl describe pod` shows it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit import __version__
from initkit.engine.results import exit_code, printable, word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.core.errors import InitkitError
    from initkit.engine.results import Result

DEFAULT_PATH = "/dev/termination-log"
LIMIT = 4096  # bytes: kubernetes.io, "Determine the Reason for Pod Failure"
_CUTS = (1024, 512, 256, 128, 64)  # characters of a step's detail, until everything fits
_LONGEST_NAME = 63  # characters: of a name in Kubernetes


def _dump(value: Mapping[str, object]) -> str:
    import json  # noqa: PLC0415 - most runs outside of a pod have nowhere to write it

    return json.dumps(value, ensure_ascii=False)


def refusal(error: InitkitError) -> str:
    """A JSON summary, of at most 4096 bytes, of why nothing was attempted."""
    for cut in (LIMIT // 2, *_CUTS):
        text = _dump(
            {
                "initkit": __version__,
                "exit_code": error.exit_code,
                "status": "failed",
                "message": _cut(printable(str(error)), cut),
            }
        )
        if _fits(text):
            return text
    return ""


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def message(results: Sequence[Result]) -> str:
    """A JSON summary of at most 4096 bytes: the exit code, the status, and each step.

    What does not fit is cut where it is least missed: long details first, of steps that went well before others, then
    the steps that went well, then those in the middle.
    """
    whole = _summary(results, results, cut=LIMIT)
    if _fits(whole):
        return whole
    bad = [result for result in results if result.exit_code] or list(results)
    for kept in (results, bad, bad[:30], bad[:10], bad[:3], bad[:1]):
        for cut in _CUTS:
            text = _summary(results, kept, cut=cut)
            if _fits(text):
                return text
    return _summary(results, [], cut=0)


def _fits(text: str) -> bool:
    return len(text.encode()) <= LIMIT


def _summary(results: Sequence[Result], kept: Sequence[Result], *, cut: int) -> str:
    steps = []
    for result in kept:
        entry = result.as_json()
        entry.pop("facts", None)
        entry.pop("changes", None)
        for key in ("name", "kind"):
            entry[key] = _cut(str(entry.get(key, "")), _LONGEST_NAME)
        detail = str(entry.get("detail", ""))
        # what went well may be cut harder
        limit = cut if result.exit_code else cut // 4
        entry["detail"] = _cut(detail, limit)
        steps.append(entry)
    summary: dict[str, object] = {
        "initkit": __version__,
        "exit_code": exit_code(results),
        "status": word(results),
        "steps": steps,
    }
    if len(kept) < len(results):
        summary["steps_left_out"] = len(results) - len(kept)
    return _dump(summary)


def is_wanted(path: str | None) -> bool:
    """Whether anybody would read it: a path was given, or the kubelet has mounted its own."""
    return path is not None or os.path.exists(DEFAULT_PATH)


def write(path: str | None, text: str) -> bool:
    """Put `text` into the termination log; whether that worked. It is never an error that it did not.

    Args:
        path: None means ``/dev/termination-log``, and only where the kubelet has mounted one.
        text: an empty one empties it.
    """
    target = path or DEFAULT_PATH
    flags = os.O_WRONLY | os.O_TRUNC | os.O_NOCTTY | os.O_NONBLOCK | (os.O_CREAT if path else 0)
    try:
        # the kubelet mounts it as a file: it can be written but neither replaced nor renamed
        descriptor = os.open(target, flags, 0o666)
    except OSError:
        return False
    try:
        os.write(descriptor, text.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
