"""file: something in a file system that another container puts there; how its content is read belongs to `contents`."""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.options import Arg, Declared, Opt, Parser, declared
from initkit.core.values import Pause, parse_pause, show_duration
from initkit.steps.wait import contents
from initkit.steps.wait.memory import Memory, Observer
from initkit.steps.wait.target import AbsentError, Pace, ProbeContext

if TYPE_CHECKING:
    from initkit.core.step import Context

_TYPES = {"file": stat.S_ISREG, "dir": stat.S_ISDIR, "socket": stat.S_ISSOCK}
_GONE = {errno.ENOENT, errno.ENOTDIR}
_DENIED = {errno.EACCES, errno.EPERM}
_ADVICE = "check who is to write it, and that the volume is shared"
# A change within one tick of a file system's clock shows in no mtime; the coarsest tick in use is FAT's.
_TICK = 2.0  # seconds

_OBSERVERS: Memory[Observer] = Memory(Observer)


def parse_path(text: str) -> str:
    """A path from ``file:PATH``, ``file:///PATH`` or ``PATH``.

    Raises:
        ValueError: it is empty, or a URL that names a host.
    """
    path = text.removeprefix("file:")
    if path.startswith("//") and text.startswith("file:"):
        path = path[2:].removeprefix("localhost")
        if not path.startswith("/"):
            raise ValueError(f"expected file:PATH or file:///PATH, got {text!r}")
    if not path or "\0" in path:
        raise ValueError(f"expected a path, got {text!r}")
    return path


def parse_newer(text: str) -> float | str:
    """Seconds where it looks like a duration, else a path; a file called ``5m`` is written ``./5m``.

    Raises:
        ValueError: it is neither, or a duration of 0.
    """
    if re.fullmatch(r"\s*[\d.]+(?:ms|[smhd\d.])*\s*", text):
        return parse_pause(text)
    if not text or "\0" in text:
        raise ValueError(f"expected a path or a duration such as 5m, got {text!r}")
    return text


def parse_text(text: str) -> str:
    """What is looked for in a file.

    Raises:
        ValueError: it is empty.
    """
    if not text:
        raise ValueError("expected a text, got none")
    return text


def _show_newer(value: float | str) -> str:
    return value if isinstance(value, str) else show_duration(value)


FilePath = Annotated[str, Parser("PATH", parse_path)]
Newer = Annotated[
    float | str, Parser("PATH-OR-DURATION", parse_newer, show=_show_newer, schema={"type": ["string", "number"]})
]
SearchedText = Annotated[str, Parser("TEXT", parse_text)]


@declared
class File(Declared):
    """A file, folder or socket that exists; a symbolic link counts as what it leads to."""

    schemes: ClassVar[tuple[str, ...]] = ("file",)
    pace: ClassVar[Pace] = Pace()

    path: Annotated[FilePath, Arg("Where it is to appear.", "PATH")]
    type: Annotated[Literal["file", "dir", "socket"] | None, Opt("What it must be.")] = None
    not_empty: Annotated[bool, Opt("Wait until the file has content, or the folder an entry.")] = False
    unchanged_for: Annotated[
        Pause | None, Opt("Wait until it, or all in the folder, was seen unchanged for that long.")
    ] = None
    contains: Annotated[SearchedText | None, Opt("Wait until the file holds this text (no pattern).")] = None
    newer_than: Annotated[
        Newer | None, Opt("Wait until it is newer than another file, or was changed within a duration.")
    ] = None

    def __post_init__(self) -> None:
        """Refuse what can never be so.

        Raises:
            ValueError: content is asked for in what has none.
        """
        if self.contains is not None and self.type not in {None, "file"}:
            raise ValueError(f"expected --type file with --contains, got {self.type}")
        if self.not_empty and self.type == "socket":
            raise ValueError("expected --type file or dir with --not-empty, got socket")

    @property
    def name(self) -> str:
        """``file:PATH``."""
        return f"file:{self.path}"

    def probe(self, context: Context) -> str:
        """Look at it; a FIFO or a device is never opened.

        Raises:
            AbsentError: it is not there, or certainly not as asked for.
            TemporaryError: it may still change, or could not be looked through in time.
            SuspectError: this user may not look there.
            PermanentError: nothing can have such a name.
        """
        try:
            return self._looked(context)
        except OSError as error:
            if self._remembers:
                _OBSERVERS.of(self).forget()
            raise self._failure(error) from error

    @property
    def _remembers(self) -> bool:
        return self.unchanged_for is not None or self.contains is not None

    def _looked(self, context: Context) -> str:
        limit = contents.Limit(context.clock, context.attempt_timeout)
        began = context.clock.now()
        found = os.stat(self.path)
        if isinstance(context, ProbeContext):
            context.reached()
        self._check_kind(found)
        self._check_age(found, context.clock.wall())
        if self._remembers:
            self._check_over_time(found, began, limit)
        return "is there"

    def _check_kind(self, found: os.stat_result) -> None:
        kind = self.type or ("file" if self.contains is not None else None)
        if kind and not _TYPES[kind](found.st_mode):
            raise self._absent(f"it is there but is no {kind}")
        if self.not_empty and not self._has_content(found):
            raise self._absent("it is there but empty")

    def _has_content(self, found: os.stat_result) -> bool:
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size > 0
        with os.scandir(self.path) as entries:
            return next(entries, None) is not None

    def _check_age(self, found: os.stat_result, wall: float) -> None:
        if isinstance(self.newer_than, str) and found.st_mtime_ns <= self._other_mtime(self.newer_than):
            raise self._absent(f"it is there but not newer than {self.newer_than}")
        if isinstance(self.newer_than, float) and found.st_mtime < wall - self.newer_than:
            raise self._absent(f"it is there but older than {show_duration(self.newer_than)}")

    def _other_mtime(self, path: str) -> int:
        """When the file was changed that ours is compared with, in nanoseconds."""
        try:
            return os.stat(path).st_mtime_ns
        except OSError as error:
            cause = f"cannot look at {path} to compare: {(error.strerror or str(error)).lower()}"
            denied = error.errno in _DENIED
            raise (SuspectError if denied else TemporaryError)(self._task, cause, "check --newer-than") from error

    def _check_over_time(self, found: os.stat_result, began: float, limit: contents.Limit) -> None:
        observer = _OBSERVERS.of(self)
        snapshot: object = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if self.unchanged_for is not None and stat.S_ISDIR(found.st_mode):
            snapshot = (snapshot, contents.tree(self.path, limit))
        same_for = observer.saw(snapshot, began, limit.clock.now())
        if self.unchanged_for is not None and same_for < self.unchanged_for:
            cause = f"it is there but was not yet seen unchanged for {show_duration(self.unchanged_for)}"
            raise TemporaryError(self._task, cause, "wait for who writes it to end")
        if self.contains is None:
            return
        if observer.was_searched(snapshot) or not contents.holds(self.path, self.contains, limit):
            if same_for >= _TICK:
                observer.searched(snapshot)
            raise self._absent("it is there but does not hold the text")

    @property
    def _task(self) -> str:
        return f"find {self.path}"

    def _absent(self, cause: str) -> AbsentError:
        return AbsentError(self._task, cause, _ADVICE)

    def _failure(self, error: OSError) -> InitkitError:
        cause = (error.strerror or str(error)).lower()
        if error.errno in _GONE:
            return self._absent(cause)
        if error.errno in _DENIED:
            where = os.fsdecode(error.filename or self.path)
            advice = f"check the modes of {where} and of the folders above it, or run as another user"
            return SuspectError(f"look at {where}", f"{cause} for UID {os.geteuid()}", advice)
        if error.errno == errno.ENAMETOOLONG:
            return PermanentError(self._task, cause, "mend the target")
        return TemporaryError(self._task, cause, _ADVICE)


TARGET = File
