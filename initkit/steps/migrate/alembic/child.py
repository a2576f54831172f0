"""The child that runs alembic: one request comes by a pipe, and what happens is said on another; see `running.py`."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.clock import SystemClock
from initkit.core.errors import InitkitError, Stopped
from initkit.core.step import Context
from initkit.core.stop import Stop
from initkit.steps.migrate.alembic import tied, wire
from initkit.steps.migrate.alembic.address import environment
from initkit.steps.migrate.alembic.failure import state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.steps.migrate.alembic.wire import Request

_UNHEARD = 70


class Speaker:
    """Says events, from any thread, each whole; what a step's voice says is an event too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def say(self, event: str, **facts: object) -> None:
        """Say one event."""
        line = json.dumps({"event": event} | facts, default=str).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    @property
    def detailed(self) -> bool:
        """Who listens decides what is shown."""
        return True

    def note(self, text: str, **_facts: object) -> None:
        """See `core.step.Voice`."""
        self.say("note", text=text)

    def detail(self, text: str, **_facts: object) -> None:
        """See `core.step.Voice`."""
        self.say("detail", text=text)

    def warn(self, text: str, **_facts: object) -> None:
        """See `core.step.Voice`."""
        self.say("warn", text=text)

    def result(self, text: str) -> None:
        """See `core.step.Voice`."""
        self.say("detail", text=text)

    def progress(self, name: str, text: str, *, share: float | None = None) -> None:
        """Nothing in here has any."""

    def done(self, name: str) -> None:
        """Nothing in here has any."""

    def missing(self, name: str, why: str, *, attempts: int) -> None:
        """See `core.step.Voice`."""
        self.say("missing", name=name, why=why, attempts=attempts)

    def found(self, name: str, detail: str, *, attempts: int, seconds: float) -> None:
        """See `core.step.Voice`."""
        self.say("found", name=name, detail=detail, attempts=attempts, seconds=seconds)


def _work(request: Request, context: Context, speaker: Speaker) -> None:
    """Do it.

    The environment is changed here and nowhere else: env.py reads it, and so do libpq and whatever env.py imports.
    """
    from initkit.steps.migrate.alembic.work import Work  # noqa: PLC0415 - it loads alembic, and our death is tied first

    name = request.settings.get("application_name", "")
    patience = request.attempt_timeout
    os.environ.update(environment(request.database, request.environ, patience, export=request.export, name=name))
    work = Work(request, context, speaker.say)
    tasks: dict[str, Callable[[], None]] = {"ask": work.ask, "upgrade": work.upgrade, "sql": work.sql}
    tasks[request.task]()


def _concluded(request: Request, context: Context, speaker: Speaker) -> None:
    """Do it, and say how it ended, as the last word."""
    try:
        _work(request, context, speaker)
    except Stopped:
        end: dict[str, object] = {"event": "stopped"}
    except InitkitError as error:
        end = {"event": "error", "state": state_of(error.__cause__)} | wire.error_event(error)
    except BaseException:  # noqa: BLE001 - a bug of ours: the parent tells it
        end = {"event": "bug", "text": traceback.format_exc()}
    else:
        end = {"event": "done"}
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # env.py may have closed it, or put anything else in its place
            stream.flush()
    speaker.say(**end)  # type: ignore[arg-type]


def main() -> None:
    """Do what the pipe says."""
    requests, events, parent = (int(word) for word in sys.argv[1:])
    tied.die_with_parent(parent)
    for descriptor in (requests, events):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no names
    pipe = open(requests, "rb")  # noqa: SIM115 - it stays open as long as we live
    request = wire.request_of(pipe.readline())
    stop = Stop()
    tied.obey(pipe, stop)
    sys.argv[:] = ["alembic"]
    sys.dont_write_bytecode = True  # what is mounted stays as it is
    speaker = Speaker(events)
    context = Context(SystemClock(stop), stop, speaker, request.environ, attempt_timeout=request.attempt_timeout)
    code = _UNHEARD
    try:
        _concluded(request, context, speaker)
        code = 0
    finally:
        os._exit(code)  # threads and loops of env.py keep nobody


if __name__ == "__main__":
    main()
