"""Options of the sidecar; how it stays is the business of `staying`."""

from __future__ import annotations

from typing import Annotated

from initkit.core.options import Declared, Opt, declared
from initkit.core.values import Count, Duration
from initkit.steps.git.asked.values import Address, CommandLine


@declared
class Staying(Declared):
    """How the content is kept fresh, and who is told."""

    every: Annotated[Duration, Opt("Stay, and look again this often (0 = publish once and end).")] = 0.0
    once: Annotated[bool, Opt("Publish once and end, whatever --every says.")] = False
    max_failures: Annotated[
        Count, Opt("End with an error after this many failures in a row, once something was published (0 = never).")
    ] = 0
    exec_: Annotated[
        CommandLine | None,
        Opt("Run this after each change, without a shell; INITKIT_SHA says what was published.", "COMMAND"),
    ] = None
    exec_timeout: Annotated[Duration, Opt("End what --exec runs after this long (0 = no limit).")] = 60.0
    listen: Annotated[
        Address | None,
        Opt("While it stays, answer /healthz and /metrics here: ADDRESS:NUMBER, or :NUMBER for all.", "ADDRESS"),
    ] = None

    @property
    def stays(self) -> bool:
        """Whether it goes on once something was published."""
        return bool(self.every) and not self.once
