"""file: something in a file system that another container puts there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from initkit.core.errors import SuspectError, TemporaryError
from initkit.core.options import Arg, Declared, Opt, Parser, declared
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context

_TYPES = {"file": stat.S_ISREG, "dir": stat.S_ISDIR, "socket": stat.S_ISSOCK}


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


FilePath = Annotated[str, Parser("PATH", parse_path)]


@declared
class File(Declared):
    """A file, folder or socket that exists; a symbolic link counts as what it leads to."""

    schemes: ClassVar[tuple[str, ...]] = ("file",)
    pace: ClassVar[Pace] = Pace()

    path: Annotated[FilePath, Arg("Where it is to appear.", "PATH")]
    type: Annotated[Literal["file", "dir", "socket"] | None, Opt("What it must be.")] = None
    not_empty: Annotated[bool, Opt("Wait until the file has content, or the folder an entry.")] = False

    @property
    def name(self) -> str:
        """``file:PATH``."""
        return f"file:{self.path}"

    def probe(self, context: Context) -> str:  # noqa: ARG002 - looking takes no time
        """Look at it.

        Raises:
            TemporaryError: it is not there, or not as asked for.
            SuspectError: this user may not look there.
        """
        try:
            return self._looked()
        except PermissionError as error:
            advice = "check the modes of the folders above it, or run as another user"
            raise SuspectError(f"look at {self.path}", "permission denied", advice) from error
        except OSError as error:
            raise self._not_yet((error.strerror or str(error)).lower()) from error

    def _looked(self) -> str:
        found = os.stat(self.path)
        if self.type and not _TYPES[self.type](found.st_mode):
            raise self._not_yet(f"it is there but is no {self.type}")
        if self.not_empty and not self._has_content(found):
            raise self._not_yet("it is there but empty")
        return "is there"

    def _has_content(self, found: os.stat_result) -> bool:
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size > 0
        with os.scandir(self.path) as entries:
            return next(entries, None) is not None

    def _not_yet(self, cause: str) -> TemporaryError:
        return TemporaryError(f"find {self.path}", cause, "check who is to write it, and that the volume is shared")


TARGET = File
