"""Starts the child that runs alembic, hears what it says, and ends it; what it does there is `child.py`'s business."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.core.record import Record
from initkit.steps.migrate.alembic import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.core.step import Context
    from initkit.steps.migrate.alembic.wire import Event, Request

_CHILD = "initkit.steps.migrate.alembic.child"
_GRACE = 5.0  # seconds that it has to cancel its statement and roll back
_LATE_GRACE = 1.0  # the same where it only looks
_DRAIN = 1.0  # seconds that its last output may take to arrive
_LATE_ADVICE = "see what it waits for with --log-level debug; where it only takes long, use a longer --timeout"


class Ends(Record):
    """The parent's ends of the pipes."""

    requests: int
    events: IO[bytes]


class Child:
    """One run of alembic: one task, after which it is gone, and with it all that env.py has made of it.

    Attributes:
        state: the SQLSTATE of what it met; empty where there is none.
        was_ended: whether `end` was called for another reason than a signal.
    """

    def __init__(self, context: Context, task: str) -> None:
        self.state = ""
        self._context = context
        self._task = task
        self._over = threading.Event()
        self._last = ""
        self._was_told = False
        self._is_late = False
        self._running: tuple[subprocess.Popen[bytes], Ends] | None = None

    @property
    def was_ended(self) -> bool:
        """Whether `end` was called for another reason than a signal."""
        return self._was_told and self._context.stop.signum is None

    def end(self, grace: float = _GRACE) -> None:
        """From another thread: have it cancel what it does and end; kill it if it does not within `grace` seconds."""
        self._was_told = True
        if self._running is None:
            return
        process, ends = self._running
        with suppress(OSError):  # it is gone
            os.write(ends.requests, b"stop\n")
        if not self._over.wait(grace):
            process.kill()

    def run(self, request: Request, hear: Callable[[Event], object], *, is_look: bool = False) -> None:
        """Have it do what `request` says; return once it is done and gone.

        Args:
            request: what to do.
            hear: is told of all events but what is said and how it ends.
            is_look: whether it is ended at the deadline, and told of when it takes long: it changes nothing.

        Raises:
            Stopped: a signal asked for the end.
            TemporaryError: it has not answered by the deadline.
            InitkitError: what it met, or that it died.
        """
        with ExitStack() as stack:
            stack.enter_context(self._context.stop.in_flight())
            process, ends = stack.enter_context(self._started())
            stack.callback(self._over.set)
            with suppress(BrokenPipeError):  # it died: the events end, and say nothing
                _write(ends.requests, request.line())
            self._running = process, ends
            if self._was_told:  # too early for somebody to be told
                raise self._unlocked()
            stack.enter_context(self._context.stop.calling(self.end))
            if is_look:
                theirs = f"env.py of {request.path}"
                threading.Thread(target=self._hurry, args=(theirs,), daemon=True, name="patience").start()
            end = self._listen(ends.events, hear)
            with suppress(subprocess.TimeoutExpired):  # it has said its last word, and leaves by itself
                process.wait(_DRAIN if end else 0)
            self._conclude(end, process)

    def _hurry(self, theirs: str) -> None:
        """Somebody's Python may hang, in which no driver's limit helps."""
        context = self._context
        began = context.clock.now()
        if self._over.wait(context.attempt_timeout):
            return
        context.voice.missing(theirs, "has not answered", attempts=1)
        if self._over.wait(min(context.remaining, threading.TIMEOUT_MAX)):
            context.voice.found(theirs, "has ended", attempts=1, seconds=context.clock.now() - began)
            return
        self._is_late = True
        self.end(_LATE_GRACE)

    @contextmanager
    def _started(self) -> Iterator[tuple[subprocess.Popen[bytes], Ends]]:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        with ExitStack() as stack:
            stack.callback(os.close, ours_out)
            events = stack.enter_context(open(ours_in, "rb"))
            with ExitStack() as theirs:
                theirs.callback(os.close, theirs_in)
                theirs.callback(os.close, theirs_out)
                process = self._spawn(theirs_in, theirs_out)
            output = threading.Thread(target=self._tell, args=(process.stdout,), daemon=True, name="alembic")
            output.start()
            try:
                yield process, Ends(ours_out, events)
            finally:
                process.kill()
                process.wait()
                output.join(_DRAIN)
                if process.stdout and not output.is_alive():  # else somebody that it started still holds the stream
                    process.stdout.close()

    @staticmethod
    def _spawn(requests: int, events: int) -> subprocess.Popen[bytes]:
        # -P: the current folder may well have one called alembic; a session of its own: Ctrl-C is for us to pass on
        command = [sys.executable, "-P", "-u", "-m", _CHILD, str(requests), str(events), str(os.getpid())]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(requests, events),
            start_new_session=True,
        )

    def _tell(self, output: IO[bytes] | None) -> None:
        """Print and logging of env.py and of revisions become lines of ours, so that they never tear one apart."""
        for line in output or ():
            text = line.decode(errors="replace").rstrip()
            if text:
                self._last = text
                self._context.voice.detail(text)

    def _listen(self, events: IO[bytes], hear: Callable[[Event], object]) -> Event | None:
        """Hear it out; return how it ended, None where it died without a word."""
        voice = self._context.voice
        for line in events:
            event = json.loads(line)
            match event["event"]:
                case "done" | "error" | "stopped" | "bug":
                    return dict(event)
                case "note" | "detail" | "warn" as manner:
                    getattr(voice, manner)(event["text"])
                case "missing":
                    voice.missing(event["name"], event["why"], attempts=event["attempts"])
                case "found":
                    facts = {name: event[name] for name in ("attempts", "seconds")}
                    voice.found(event["name"], event["detail"], **facts)
                case _:
                    hear(event)
        return None

    def _conclude(self, end: Event | None, process: subprocess.Popen[bytes]) -> None:
        kind = end["event"] if end else "death"
        if kind == "done":
            return
        if kind == "bug" and end:
            raise RuntimeError(end["text"])
        if kind == "error" and end:
            self.state = end["state"]
            raise wire.error_of(end)
        process.wait()
        self._context.stop.check()
        if self._is_late:
            raise TemporaryError(self._task, "env.py has not answered" + self._afterwards(), _LATE_ADVICE)
        if self.was_ended:
            raise self._unlocked()
        raise self._death(process.returncode)

    def _unlocked(self) -> TemporaryError:
        return TemporaryError(self._task, "it was ended, because the migration lock is no longer held")

    def _afterwards(self) -> str:
        return f" after it said {self._last!r}" if self._last else ""

    def _death(self, code: int) -> InitkitError:
        cause = f"alembic's process {_how(code)}{self._afterwards()}"
        advice = "give it more memory" if code == -signal.SIGKILL else "see the log above with --log-level debug"
        return SuspectError(self._task, cause, advice)


def _write(descriptor: int, text: bytes) -> None:
    while text:  # an environment may be larger than a pipe, and a signal's handler cuts a write short
        text = text[os.write(descriptor, text) :]


def _how(code: int) -> str:
    if code >= 0:
        return f"ended without a word, with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (", perhaps for want of memory" if code == -signal.SIGKILL else "")
