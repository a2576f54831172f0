"""The global options, declared as a step's are."""

from __future__ import annotations

from typing import Annotated, Literal

from initkit.core.options import Declared, Opt, declared
from initkit.core.values import Duration


@declared
class Settings(Declared):
    """Options of the whole run; they may stand anywhere before ``--``."""

    check: Annotated[bool, Opt("Look only: exit 0 when there is nothing to do, 3 when something would change.")] = False
    log_format: Annotated[
        Literal["auto", "text", "json"],
        Opt("How to report on stderr; auto is a live display on a terminal, else text."),
    ] = "auto"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Opt("The least important events to report.")] = (
        "info"
    )
    quiet: Annotated[bool, Opt("Report failures only, as --log-level error; without a live display.")] = False
    hold_on_failure: Annotated[
        Duration | None, Opt("After a failure keep the container alive this long, to look inside.")
    ] = None
    report: Annotated[str | None, Opt("Write a JSON report of the run into this file.", "FILE")] = None
    termination_log: Annotated[
        str | None, Opt("The container's termination log; /dev/termination-log where that exists.", "PATH")
    ] = None
