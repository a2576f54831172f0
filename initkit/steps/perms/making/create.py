"""Makes the folder that is to be a root, and what is missing above it; `building` knows how they come to be right."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.steps.perms.denied.causes import failure_of, shown
from initkit.steps.perms.making.building import build
from initkit.steps.perms.making.dressing import Disturbed, NotBuilt
from initkit.steps.perms.making.leftovers import sweep
from initkit.steps.perms.roots import nearest
from initkit.steps.perms.system import belongs_to_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.steps.perms.asked.wanted import Wanted
    from initkit.steps.perms.denied.causes import Failure

_HELD = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_NO_WAY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_TRIES = 100  # each replica beside this one can come between once


class Way(NamedTuple):
    """How far a path exists: the real path of the nearest folder that does, and the names that are missing in it."""

    base: str
    names: list[str]


def missing(path: str, *, really: bool = False) -> list[str]:
    """The real paths of the folders that `create` would make, the outermost first; none where the path exists.

    Raises:
        PermanentError: a symbolic link that leads nowhere or something that is no folder is in the way, it belongs to
            the system (unless `really`), or access was denied.
    """
    way = _way(path, really=really)
    return [os.path.join(way.base, *way.names[: count + 1]) for count in range(len(way.names))]


def create(path: str, wanted: Wanted, context: Context, *, really: bool = False) -> bool:
    """Make a folder and its missing parents, all with the owner, group and mode that are wanted; whether it was made.

    Nobody ever sees one of them under its name with others. Where nothing is asked an owner is this process's, a group
    as mkdir(2) gives it, and a mode 0755 (with setgid as the folder above has it) without what the umask says. It may
    be killed at any instant: what is left then has a name of its own, and the next run that comes here removes it.

    Raises:
        TemporaryError: it failed in a way that may be over soon.
        PermanentError: as `missing`, or the system refused it; then nothing is left behind.
    """
    if context.looking:
        return False
    way = _way(path, really=really)
    _sweep(way)
    for _ in range(_TRIES):
        if not way.names:
            return False
        context.stop.check()
        with suppress(Disturbed):
            if _make(path, way, wanted, context):
                return True
        way = _way(path, really=really)
    raise TemporaryError(
        _task(path), f"others go on changing {shown(way.base)}", "look what makes and removes folders there"
    )


def _make(path: str, way: Way, wanted: Wanted, context: Context) -> bool:
    base = _held(path, way.base)
    try:
        with context.stop.in_flight():
            return build(base, way.names, wanted)
    except NotBuilt as refused:
        raise _failed(path, refused.operation, refused.failure) from refused
    finally:
        os.close(base)


def _task(path: str) -> str:
    return f"create {shown(path)}"


def _failed(path: str, operation: str, failure: Failure) -> InitkitError:
    kind = TemporaryError if failure.passing else PermanentError
    cause = failure.reason if operation in {"create", "reach"} else f"{failure.reason} when {failure.doing} it"
    return kind(_task(path), cause, failure.advice)


@contextmanager
def _reaching(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failed(path, "reach", failure_of("reach", error)) from error


def _way(path: str, *, really: bool) -> Way:
    with _reaching(path):
        here = os.path.join(os.getcwd(), path).rstrip("/") or "/"
        names: list[str] = []
        while (found := _found(here)) is None:
            here, name = os.path.split(here)
            names.insert(0, name)
        _refuse_obstacle(path, here, found, is_last=not names)
        base = "/" + os.path.realpath(here, strict=True).lstrip("/")  # POSIX lets // stand for something else
    names = [name for name in names if name != "."]
    if ".." in names:
        raise PermanentError(
            _task(path), "it goes back by .. from a folder that does not exist", "name the folder itself"
        )
    real = os.path.join(base, *names)
    if names and not really and belongs_to_system(real):
        raise PermanentError(
            _task(path), f"it is {shown(real)}, which belongs to the system", "name the volume itself, or say --really"
        )
    return Way(base, names)


def _found(path: str) -> os.stat_result | None:
    """What is at a path, its last link not followed; None where there is nothing, or no way to it."""
    try:
        return os.lstat(path)
    except OSError as error:
        if error.errno not in _NO_WAY:
            raise
        return None


def _refuse_obstacle(path: str, here: str, found: os.stat_result, *, is_last: bool) -> None:
    """Refuse what is there but no folder. A link at the end of the path is for `roots` to judge, if it leads anywhere.

    Raises:
        PermanentError: so it is.
    """
    is_link = stat.S_ISLNK(found.st_mode)
    try:
        mode = os.stat(here).st_mode
    except OSError as error:
        if not is_link or error.errno not in _NO_WAY:
            raise
        raise PermanentError(
            _task(path),
            f"{shown(here)} is a symbolic link to {shown(os.readlink(here))}, where nothing is",
            "remove the link, or create what it leads to",
        ) from error
    if not stat.S_ISDIR(mode) and not (is_link and is_last):
        raise PermanentError(_task(path), f"{shown(here)} is there and is no folder", "remove it, or name another path")


def _held(path: str, real: str) -> int:
    """A descriptor of a real path, name by name: a link that takes a folder's place meanwhile is not followed.

    Raises:
        Disturbed: one is no folder any more.
    """
    folder, error = nearest(real)
    if error is None:
        return folder
    os.close(folder)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        raise Disturbed from error
    raise _failed(path, "reach", failure_of("reach", error)) from error


def _sweep(way: Way) -> None:
    """Remove what killed runs have left: in the folder that exists, where they began; or else in all above the path."""
    for folder in [way.base] if way.names else _above(way.base):
        with suppress(OSError):
            fd = os.open(folder, _HELD)
            try:
                sweep(fd)
            finally:
                os.close(fd)


def _above(path: str) -> Iterator[str]:
    """The folders above one on the same file system, the nearest first: what was made in them lies there too."""
    with suppress(OSError):
        device = os.lstat(path).st_dev
        while path != "/" and os.lstat(path := os.path.dirname(path)).st_dev == device:
            yield path
