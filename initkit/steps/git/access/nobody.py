"""A passwd entry for a user that has none: ssh refuses to start without one, and clusters choose the user's number."""

from __future__ import annotations

import os
import pwd
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.git.access.memory import in_memory, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = "libnss_wrapper.so"
_PLACES = ("/usr/lib/*-linux-*", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/usr/local/lib64", "/lib")
_ADVICE = "install libnss-wrapper in the image, or give the user an entry in /etc/passwd"


@contextmanager
def named(task: str, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Variables by which ssh finds an entry for this user; none where there is one.

    The entry and its group are files in memory that nss_wrapper(1) reads in place of those in /etc.

    Args:
        task: what it is good for, for the message.
        environ: the environment. What is preloaded by it gives this program an entry, and is not passed on to git.

    Raises:
        PermanentError: there is no entry, and no library to make one.
    """
    user, group = os.getuid(), os.getgid()
    if _has_entry(user) and "nss_wrapper" not in environ.get("LD_PRELOAD", ""):
        yield {}
        return
    library = find_library()
    if not library:
        raise PermanentError(task, f"ssh needs a passwd entry, and the user {user} has none", _ADVICE)
    with ExitStack() as stack:
        entries = stack.enter_context(in_memory("passwd", f"initkit:x:{user}:{group}::/nonexistent:\n".encode()))
        groups = stack.enter_context(in_memory("group", f"initkit:x:{group}:\n".encode()))
        yield {
            "NSS_WRAPPER_PASSWD": path_of(entries),
            "NSS_WRAPPER_GROUP": path_of(groups),
            "INITKIT_SSH_PRELOAD": library,
        }


def find_library() -> str:
    """Where nss_wrapper is; ``""`` where it is not. ``ctypes.util.find_library`` would run a shell."""
    import glob  # noqa: PLC0415 - few users need it

    found = (path for place in _PLACES for path in sorted(glob.glob(f"{place}/{_NAME}*")))
    return next(found, "")


def _has_entry(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
