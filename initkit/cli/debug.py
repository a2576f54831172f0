"""`initkit hold`: a container that stays alive while somebody looks inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from initkit.core.errors import UsageError
from initkit.core.options import Declared, Opt, declared
from initkit.core.values import Duration
from initkit.engine import hold as holding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.clock import Clock
    from initkit.core.step import Voice


@declared
class Hold(Declared):
    """Keep a container alive until the time is over, a file is touched, or it is stopped."""

    for_: Annotated[Duration, Opt("How long (0 = until it is stopped).")] = 3600.0
    file: Annotated[
        str | None, Opt("The file whose touch ends it [default: initkit-release in TMPDIR, /tmp or /dev/shm].", "PATH")
    ] = None
    release: Annotated[bool, Opt("Touch that file now, and so end the hold that runs in this container.")] = False

    def run(self, clock: Clock, voice: Voice, environ: Mapping[str, str]) -> None:
        """Hold, or end a hold.

        Raises:
            UsageError: there is no file to touch.
            Stopped: a signal asked for the end.
        """
        path = self.file or holding.release_file(environ)
        if not self.release:
            voice.note(f"held: {holding.hold(self.for_, path, clock, voice)}")
            return
        if path is None:
            raise UsageError("release the hold", "no folder may be written", "name one with --file PATH on both sides")
        try:
            holding.release(path)
        except OSError as error:
            raise UsageError(
                "release the hold", f"{path}: {error.strerror}", "name another with --file PATH"
            ) from error
        voice.note(f"touched {path}", path=path)
