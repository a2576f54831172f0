"""unix: a unix stream socket that accepts connections; what is spoken there is for other schemes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Declared, Parser, declared
from initkit.steps.wait.net import dial
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context

LONGEST = 107  # bytes of a path or an abstract name: sun_path has 108 with a null byte behind or before (unix(7))


def parse_socket(text: str) -> str:
    """The path from ``unix:///PATH``, ``unix:PATH`` or ``PATH``; ``@NAME`` is in the abstract namespace.

    Raises:
        ValueError: it is empty or too long, or a URL that names a host.
    """
    path = text.removeprefix("unix:")
    if path.startswith("//") and text.startswith("unix:"):
        path = path[2:].removeprefix("localhost")
        if not path.startswith("/"):
            raise ValueError(f"expected unix:PATH or unix:///PATH, got {text!r}")
    name = path.removeprefix("@")
    if not name or "\0" in name:
        raise ValueError(f"expected the path of a socket, got {text!r}")
    if (size := len(os.fsencode(name))) > LONGEST:
        raise ValueError(f"expected the path of a socket, of at most {LONGEST} bytes, got one of {size}")
    return path


SocketPath = Annotated[str, Parser("PATH", parse_socket, schema={"type": "string", "pattern": "."})]


@declared
class Unix(Declared):
    """A unix stream socket that accepts connections."""

    schemes: ClassVar[tuple[str, ...]] = ("unix",)
    pace: ClassVar[Pace] = Pace()

    path: Annotated[SocketPath, Arg("Its path; @NAME for one in the abstract namespace.", "PATH")]

    @property
    def name(self) -> str:
        """``unix:PATH``."""
        return f"unix:{self.path}"

    def probe(self, context: Context) -> str:
        """Connect, and close again.

        Raises:
            AbsentError: there is no such socket, or nobody listens there.
            TemporaryError: it does not accept just now.
            SuspectError: this user may not use it.
        """
        path = f"\0{self.path[1:]}" if self.path.startswith("@") else self.path
        with dial.connect_path(context, path):
            return "accepts connections"


TARGET = Unix
