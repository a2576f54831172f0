"""What it means that a file cannot be read, or holds something else: agents mount them late, and write in steps."""

from __future__ import annotations

import errno
import os

from initkit.core.errors import InitkitError, SuspectError, TemporaryError

_MISSING = {errno.ENOENT, errno.ENOTDIR}
_REFUSED = {errno.EACCES, errno.EPERM}
_NO_FILE = {errno.EISDIR, errno.ENXIO, errno.ELOOP, errno.ENAMETOOLONG}


def unreadable(error: OSError, task: str, mend: str = "") -> InitkitError:
    """What a file that cannot be opened or read means: a person must probably act, or the system is not up to it.

    Args:
        error: as open(2), stat(2) or read(2) has it.
        task: for messages: ``read /tls/ca.pem``.
        mend: what else may be wrong: ``mend --ca``.
    """
    cause = (error.strerror or str(error)).lower()
    also = f", or {mend}" if mend else ""
    if error.errno in _MISSING:
        return SuspectError(task, cause, f"mount it{also}; it may still be on its way")
    if error.errno in _REFUSED:
        return SuspectError(task, cause, f"make it readable for UID {os.geteuid()}{also}")
    if error.errno in _NO_FILE:
        return SuspectError(task, cause, mend or "check the path")
    return TemporaryError(task, cause, "look into the system's own log")


def unusable(task: str, cause: str, mend: str = "check the file") -> InitkitError:
    """What a file that holds something else means: whoever writes it may just be half through."""
    return SuspectError(task, cause, f"{mend}; it may still be written")
