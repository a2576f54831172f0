"""Opens the roots of trees, and refuses those that `system` knows; what is below them is the concern of `walk`."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.steps.perms.denied.causes import failure_of, shown
from initkit.steps.perms.system import belongs_to_system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REALLY = "name the volume itself, or say --really"


class Root(NamedTuple):
    """A root that is held open.

    Attributes:
        path: its real path.
        parent: a descriptor of the folder that it is in.
        name: its name there; ``.`` of ``/`` alone.
        found: what was found there.
    """

    path: str
    parent: int
    name: str
    found: os.stat_result


def refuse_paths(paths: Sequence[str], *, really: bool = False) -> None:
    """What is wrong with these roots as far as their text shows.

    Raises:
        ValueError: there is none, one belongs to the system (unless `really`), or one lies within another.
    """
    for path in paths:
        if not path or "\0" in path or not _is_text(path):
            raise ValueError(f"expected the path of a file or folder, got {path!r}")
        if not really and belongs_to_system(os.path.normpath(path)):
            raise ValueError(f"expected the path of a volume, got {path!r}, which belongs to the system (see --really)")
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


def _nested(paths: Sequence[str]) -> tuple[str, str] | None:
    """A path and another, or the same again, within it."""
    for i, outer in enumerate(paths):
        for j, inner in enumerate(paths):
            if i != j and (inner + "/").startswith(outer.rstrip("/") + "/"):
                return outer, inner
    return None


@contextmanager
def opened(paths: Sequence[str], *, really: bool = False) -> Iterator[list[Root]]:
    """All roots, held open; with `really` those too that belong to the system.

    Raises:
        SuspectError: one does not exist; another pod may be about to create it.
        TemporaryError: one could not be reached now.
        PermanentError: one is a symbolic link, belongs to the system or is within another; or access was denied.
    """
    with ExitStack() as stack:
        roots = [_open(path, stack, really=really) for path in paths]
        nested = _nested([root.path for root in roots])
        if nested:
            raise PermanentError(
                f"set permissions in {shown(nested[1])}",
                f"it lies within {shown(nested[0])}, which is also given",
                "give the outer path only, and a rule for what differs within it",
            )
        yield roots


def objection_to(root: Root) -> str:
    """Why a root that is open would be refused without `really`; empty where it would not."""
    from initkit.steps.perms.disguise import objection  # noqa: PLC0415 - not needed for --help

    return objection(root.path, root.parent, root.name, root.found)


def _open(path: str, stack: ExitStack, *, really: bool) -> Root:
    real = path
    task = f"set permissions in {shown(path)}"
    folder = -1
    try:
        real = _real(path)
        folder, missing = nearest(os.path.dirname(real))
        stack.callback(os.close, folder)
        if missing:
            raise missing
        name = os.path.basename(real) or "."
        root = Root(real, folder, name, os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError as error:
        raise _not_opened(task, error, folder) from error
    _refuse_link(task, root)
    refused = "" if really else objection_to(root)
    if refused:
        raise PermanentError(task, shown(refused), _REALLY)
    return root


def _refuse_link(task: str, root: Root) -> None:
    if stat.S_ISLNK(root.found.st_mode):
        raise PermanentError(
            task, f"it is a symbolic link{_target(root.path)}, and links are not followed", "name what it leads to"
        )


def _target(link: str) -> str:
    """Where a link leads to; nothing where it is none any more (realpath(3) says EINVAL then)."""
    try:
        return f" to {shown(os.path.realpath(link))}"
    except OSError:
        return ""


def _real(path: str) -> str:
    """The path without links, except for its last name: that one must not be a link, and is looked at later."""
    bare = path.rstrip("/") or "/"
    folder, name = os.path.split(bare)
    if name in {"", ".", ".."}:
        folder, name = bare, ""
    # POSIX lets // stand for something else
    return "/" + os.path.join(os.path.realpath(folder), name).strip("/")


def nearest(path: str) -> tuple[int, OSError | None]:
    """A descriptor (O_PATH) of a real path, name by name: a link that takes a folder's place meanwhile is refused.

    Where that fails, the nearest folder that could be reached, and the error. The caller has to close it.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
    folder = os.open("/", flags)
    for name in filter(None, path.split("/")):
        try:
            below = os.open(name, flags, dir_fd=folder)
        except OSError as error:
            return folder, error
        os.close(folder)
        folder = below
    return folder, None


def _not_opened(task: str, error: OSError, folder: int) -> InitkitError:
    if isinstance(error, FileNotFoundError):
        return SuspectError(task, "it does not exist", "mount the volume at this path, or have it made by --create dir")
    if isinstance(error, NotADirectoryError):
        return SuspectError(task, "a part of the path is a file or has become a link", "name the volume itself")
    failure = failure_of("reach", error, folder)
    kind = TemporaryError if failure.passing else PermanentError
    return kind(task, failure.reason, failure.advice)
