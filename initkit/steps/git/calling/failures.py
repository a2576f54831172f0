"""What git says when it fails, sorted by what helps; how often it is tried again is not decided here."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.steps.git.calling.answers import by_answers
from initkit.steps.git.calling.rules import (
    LOCAL,
    READ_ONLY,
    RULES,
    VOLUME,
    WRITE,
    DamagedError,
    HostKeyError,
    OtherFormatError,
    RefError,
    Rule,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.git.calling.trace import Heard

__all__ = ["DamagedError", "HostKeyError", "OtherFormatError", "RefError", "from_os", "is_full", "translate"]

_REMOTE = "remote: "  # how git marks a server's words
# what others chose, and what therefore decides nothing: addresses, paths, hosts, refs
_NAMES = re.compile(
    r"(?<!\w)'[^']*[^\w'-][^']*'"
    r"|\S*[/@]\S*?(?=[:;,.)]*(?:\s|$))"
    r"|(?i:(?<=resolve host: )|(?<=resolve proxy: )|(?<=hostname )|(?<=to host )|(?<=connect to )(?!host )"
    r"|(?<=look up )|(?<=remote ref ))[^\s:]+"
    r"|[\w-]+(?:\.[\w-]+)+"
)
_LONGEST = 600  # characters of a line
_UNTRACED = "for tracing: "  # where it cannot open our pipe, which nothing else depends on
# git's last word over ssh, whatever was said before
_LOST = "fatal: could not read from remote repository"


def translate(task: str, said: str, heard: Heard | None = None, now: float = 0.0) -> InitkitError:
    """The error that git's standard error stands for; what is unknown may pass.

    What a server says (``remote:``) counts only where git itself says nothing telling, and never as a fault of this
    machine.

    Args:
        task: what was being done, as a verb and its object.
        said: what git wrote, in the C locale.
        heard: what was answered over HTTP.
        now: seconds since the epoch.
    """
    said = re.sub(r"(key sent by the remote host is)\s+", r"\1 ", said)  # ssh tells it over two lines
    lines = [_clean(line) for line in said.splitlines() if line.strip()]
    said = "\n".join(lines)
    own = [line for line in lines if not line.startswith(_REMOTE) and _UNTRACED not in line]
    error = _first(task, own, RULES)
    if heard is not None:
        error = _local(error) or by_answers(task, said, heard, now) or error
    remote = [line for line in lines if line.startswith(_REMOTE)]
    passing = [rule for rule in RULES if not issubclass(rule.error, PermanentError)]
    error = error or _first(task, remote, passing) or _hung_up(task, [line for line in lines if _UNTRACED not in line])
    return error or TemporaryError(task, _short(_telling(lines)))


def _local(error: InitkitError | None) -> InitkitError | None:
    """The error, if it is the volume's: whatever the server said, that is to be mended first."""
    return error if error is not None and error.advice in LOCAL else None


def _first(task: str, lines: Sequence[str], rules: Sequence[Rule]) -> InitkitError | None:
    anonymous = [_NAMES.sub("'...'", line) for line in lines]
    for rule in rules:
        for line, words in zip(lines, anonymous, strict=True):
            if re.search(rule.pattern, words, re.IGNORECASE):
                return rule.error(task, _short(line), rule.advice)
    return None


def _hung_up(task: str, lines: Sequence[str]) -> TemporaryError | None:
    """The error for an end over ssh, with what was said last before, if anything was."""
    end = next((number for number, line in enumerate(lines) if line.lower().startswith(_LOST)), None)
    if end is None:
        return None
    cause = _short(lines[max(0, end - 1)])
    return TemporaryError(task, cause, "the server hung up or stalled: check it, and the network")


def _telling(lines: list[str]) -> str:
    marked = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (marked or lines or ["git failed without a word"])[-1]


def _clean(line: str) -> str:
    """A line without what a terminal would obey, and not longer than one that tells anything: a server may write it.

    What is searched with the expressions here takes the square of its length.
    """
    kept = line.strip()
    if len(kept) > _LONGEST:
        kept = f"{kept[: _LONGEST // 2]} ... {kept[-_LONGEST // 2 :]}"
    return "".join(c if c.isprintable() else "?" for c in kept)


def _short(line: str) -> str:
    text = re.sub(r"^(?:remote: |fatal: |error: )+", "", line)
    return text if len(text) <= 200 else f"{text[:197]}..."  # noqa: PLR2004 - a line that is still read


_ADVICE = {
    errno.ENOSPC: VOLUME,
    errno.EDQUOT: VOLUME,
    errno.EROFS: READ_ONLY,
    errno.EACCES: WRITE,
    errno.EPERM: WRITE,
    errno.ENOTDIR: "give a folder",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EISDIR: "give the link another name with --link",
    errno.EOPNOTSUPP: "use a volume whose file system has links and locks",
}


def is_full(error: Exception) -> bool:
    """Whether there was no room left on the volume."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return isinstance(error, InitkitError) and error.advice == VOLUME


def from_os(task: str, error: OSError) -> InitkitError:
    """The error for what a file system refused; what is unknown may pass (a network file system's EIO, ESTALE)."""
    cause = error.strerror or str(error)
    path = error.filename if error.filename2 is None else error.filename2  # where it was to be renamed to
    if path is not None:
        cause += f": {path}"
    if error.errno in _ADVICE:
        return PermanentError(task, cause, _ADVICE[error.errno])
    return TemporaryError(task, cause)
