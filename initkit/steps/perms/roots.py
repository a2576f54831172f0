"""Opens the roots of trees, and refuses those that nobody means; what is below them is the concern of `walk`."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from initkit.core.errors import InitkitError, PermanentError, SuspectError
from initkit.steps.perms.causes import failure_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# what the image needs to run; volumes are mounted below these (/usr/share/nginx/html, /var/lib/postgresql/data)
_TOP = frozenset(f"/{name}" for name in ("", "bin", "boot", "dev", "etc", "proc", "sbin", "sys", "usr", "var"))
_USR = frozenset(f"/usr/{name}" for name in ("bin", "lib", "libexec", "local", "sbin", "share"))
_LIB = frozenset(f"{place}/lib{width}" for place in ("", "/usr") for width in ("", "32", "64", "x32"))
_SYSTEM = _TOP | _USR | _LIB | {"/var/lib"}
_KERNEL = ("/proc/", "/sys/", "/dev/")
_MEMORY = "/dev/shm"  # noqa: S108 - an emptyDir in memory is often mounted there


class Root(NamedTuple):
    """A root that is held open.

    Attributes:
        path: its real path.
        parent: a descriptor of the folder that it is in.
        name: its name there.
        found: what was found there.
    """

    path: str
    parent: int
    name: str
    found: os.stat_result


def refuse_paths(paths: Sequence[str]) -> None:
    """What is wrong with these roots as far as their text shows.

    Raises:
        ValueError: there is none, one belongs to the system, or one lies within another.
    """
    for path in paths:
        if not path or "\0" in path or not _is_text(path):
            raise ValueError(f"expected the path of a file or folder, got {path!r}")
        if belongs_to_system(os.path.normpath(path)):
            raise ValueError(f"expected the path of a volume, got {path!r}, which belongs to the system")
    nested = _nested([os.path.normpath(path) for path in paths])
    if nested:
        raise ValueError(
            f"expected paths beside one another, got {nested[1]!r} within {nested[0]!r}; use a rule for it"
        )


def _is_text(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def belongs_to_system(path: str) -> bool:
    """Whether a normal path is one of those that are refused as roots."""
    if path == _MEMORY or path.startswith(_MEMORY + "/"):
        return False
    path = "/" + path.lstrip("/") if path.startswith("/") else path  # POSIX lets // stand for something else
    return path in _SYSTEM or path.startswith(_KERNEL)


def _nested(paths: Sequence[str]) -> tuple[str, str] | None:
    """A path and another, or the same again, within it."""
    for i, outer in enumerate(paths):
        for j, inner in enumerate(paths):
            if i != j and (inner + "/").startswith(outer + "/"):
                return outer, inner
    return None


@contextmanager
def opened(paths: Sequence[str]) -> Iterator[list[Root]]:
    """All roots, held open.

    Raises:
        SuspectError: one does not exist; another pod may be about to create it.
        PermanentError: one is a symbolic link, belongs to the system or is within another; or access was denied.
    """
    with ExitStack() as stack:
        roots = [_open(path, stack) for path in paths]
        nested = _nested([root.path for root in roots])
        if nested:
            raise PermanentError(
                f"set permissions in {shown(nested[1])}",
                f"it lies within {shown(nested[0])}, which is also given",
                "give the outer path only, and a rule for what differs within it",
            )
        yield roots


def _open(path: str, stack: ExitStack) -> Root:
    real = _real(path)
    task = f"set permissions in {shown(path)}"
    if belongs_to_system(real):
        raise PermanentError(task, f"it is {real}, which belongs to the system", "name the volume itself")
    try:
        parent = _open_folder(os.path.dirname(real), stack)
        name = os.path.basename(real)
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        raise _not_opened(task, error) from error
    if stat.S_ISLNK(found.st_mode):
        target = os.path.realpath(real)
        raise PermanentError(
            task, f"it is a symbolic link to {shown(target)}, and links are not followed", "name what it leads to"
        )
    return Root(real, parent, name, found)


def _real(path: str) -> str:
    """The path without links, except for its last name: that one must not be a link, and is looked at later."""
    bare = path.rstrip("/") or "/"
    folder, name = os.path.split(bare)
    if name in {"", ".", ".."}:
        return os.path.realpath(bare)
    return os.path.join(os.path.realpath(folder), name)


def _open_folder(path: str, stack: ExitStack) -> int:
    """A descriptor of a real path, name by name: a link that takes a folder's place meanwhile is refused."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
    folder = os.open("/", flags)
    try:
        for name in filter(None, path.split("/")):
            below = os.open(name, flags, dir_fd=folder)
            os.close(folder)
            folder = below
    except OSError:
        os.close(folder)
        raise
    stack.callback(os.close, folder)
    return folder


def _not_opened(task: str, error: OSError) -> InitkitError:
    if isinstance(error, FileNotFoundError):
        return SuspectError(
            task, "it does not exist", "mount the volume at this path, or have an earlier step create it"
        )
    failure = failure_of("reach", error)
    return PermanentError(task, failure.reason, failure.advice)
