"""What git says when it fails, sorted by what helps; how often it is tried again is not decided here."""

from __future__ import annotations

import errno
import re
from typing import NamedTuple

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError


class DamagedError(PermanentError):
    """Objects are broken or missing: in our own store, which can be made anew, or where they come from."""


class _Rule(NamedTuple):
    pattern: str
    error: type[InitkitError]
    advice: str


_VOLUME = "free some space, or give the volume more"
_WRITE = "make the folder writable for this user (fsGroup, or a perms step before)"
_REPOSITORY = "check the repository's URL, and that the credential may see it"
_CREDENTIAL = "check the user and the password or token"
_CERTIFICATE = "give the certificate of the server's authority by SSL_CERT_FILE"

# the first one that matches decides: what a person must change stands before what follows from it
_RULES = (
    _Rule(r"no space left on device|disk quota exceeded", PermanentError, _VOLUME),
    _Rule(r"read-only file system", PermanentError, "mount the volume without readOnly"),
    _Rule(
        r"(?:unable to|cannot|could not|couldn't) (?:create|write|open|mkdir|unlink|stat|rename)\b.*permission denied"
        r"|insufficient permission for adding an object",
        PermanentError,
        _WRITE,
    ),
    _Rule(r"dubious ownership", PermanentError, "give the path of the repository itself, not of a link to it"),
    _Rule(
        r"cannot run sh\b", PermanentError, "serve the repository over http or git: reading from a path needs a shell"
    ),
    _Rule(r"remote helper '\S+'|'remote-\w+' is not a git command", PermanentError, "install git with its HTTP helper"),
    _Rule(
        r"transport '\S+' not allowed|protocol \S+ (?:is )?(?:not supported|disabled)",
        PermanentError,
        "give the URL that it leads to",
    ),
    _Rule(r"dumb http transport does not support shallow", PermanentError, "give --depth 0"),
    _Rule(r"unadvertised object", PermanentError, "name a branch or a tag: this server gives no commit by its SHA"),
    _Rule(
        r"unable to update url base from redirection|returned error: 30\d",
        PermanentError,
        "give the URL that the server redirects to",
    ),
    _Rule(
        r"authentication failed|could not read (?:username|password)|returned error: 40[13]|invalid credentials",
        SuspectError,
        _CREDENTIAL,
    ),
    _Rule(r"certificate|\bssl\b.*verif", SuspectError, _CERTIFICATE),
    _Rule(
        r"repository '?.*'? ?not found|does not (?:appear to be|exist)|not exported|no such repository"
        r"|returned error: 4(?:04|10)",
        SuspectError,
        _REPOSITORY,
    ),
    _Rule(r"couldn't find remote ref|not our ref|no such ref", SuspectError, "check the ref, and that it was pushed"),
    _Rule(
        r"returned error: (?:5\d\d|429|408)|early eof|unexpected disconnect|hung up|could not resolve|unable to look up"
        r"|connection (?:refused|reset|timed out)|failed to connect|couldn't connect|timed? ?out|too slow|rpc failed"
        r"|empty reply|network is unreachable|no route to host|gnutls|openssl|(?:recv|send) failure|transfer closed",
        TemporaryError,
        "",
    ),
    _Rule(
        r"fsck error|bad object|is corrupt|corrupted|object file .* is empty|unable to read (?:tree|sha1|[0-9a-f]{40})"
        r"|missing (?:blob|tree|commit)|not a git repository|bad (?:numeric )?config|index file|inflate|packfile"
        r"|did not send all necessary|invalid index-pack|index-pack failed|unpack(?:ing|-objects)? failed"
        r"|failed to unpack|shallow file|not a valid object name|unknown repository extension",
        DamagedError,
        "check the repository with git fsck",
    ),
)


def translate(task: str, said: str) -> InitkitError:
    """The error that git's standard error stands for; what is unknown may pass.

    Args:
        task: what was being done, as a verb and its object.
        said: all that git wrote, in the C locale.
    """
    lines = [_clean(line) for line in said.splitlines() if line.strip()]
    for rule in _RULES:
        for line in lines:
            if re.search(rule.pattern, line, re.IGNORECASE):
                return rule.error(task, _short(line), rule.advice)
    return TemporaryError(task, _short(_telling(lines)))


def _telling(lines: list[str]) -> str:
    marked = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (marked or lines or ["git failed without a word"])[-1]


def _clean(line: str) -> str:
    """A line without what a terminal would obey: a server's words come through here."""
    return "".join(c if c.isprintable() else "?" for c in line.strip())


def _short(line: str) -> str:
    text = re.sub(r"^(?:remote: |fatal: |error: )+", "", line)
    return text if len(text) <= 200 else f"{text[:197]}..."  # noqa: PLR2004 - a line that is still read


_ADVICE = {
    errno.ENOSPC: _VOLUME,
    errno.EDQUOT: _VOLUME,
    errno.EROFS: "mount the volume without readOnly",
    errno.EACCES: _WRITE,
    errno.EPERM: _WRITE,
    errno.ENOTDIR: "give a folder",
    errno.EISDIR: "give the link another name with --link",
    errno.EOPNOTSUPP: "use a volume whose file system has links and locks",
}


def from_os(task: str, error: OSError) -> InitkitError:
    """The error for what a file system refused; what is unknown may pass (a network file system's EIO, ESTALE)."""
    cause = error.strerror or str(error)
    if error.filename is not None:
        cause += f": {error.filename}"
    if error.errno in _ADVICE:
        return PermanentError(task, cause, _ADVICE[error.errno])
    return TemporaryError(task, cause)
