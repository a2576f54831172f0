"""What a run tells people and programs while it goes on: text lines, JSON lines, a heartbeat; all of it redacted.

Not here: the termination message (`termination`), the display on a terminal (`live`).
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TextIO

from initkit.core.record import Record
from initkit.core.values import show_duration
from initkit.engine.progress import Progress, UnderWay
from initkit.engine.results import EXIT_WOULD_CHANGE, exit_code, printable, redact_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.core.clock import Clock
    from initkit.engine.results import Result

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
HEARTBEAT = 10.0  # seconds between two lines that name what is still missing, or how far a step has come
_BRIEFLY = 0.2  # seconds
_NAMED = 10  # of what is missing, in one heartbeat
_LISTED = 50  # of the same, for programs: container runtimes split lines at 16 KiB


class Event(Record):
    """Something that is worth a line.

    Attributes:
        name: what a program tells events apart by: ``missing``, ``found``, ``ended``...
        step: the step that it is about; empty for the run.
        text: the line, for people.
        facts: the same, for programs.
    """

    level: Level
    name: str
    step: str
    text: str
    facts: dict[str, object]
    wall: float


class Sink(Protocol):
    """Where events go.

    Attributes:
        shows_now: whether `update` shows anything; to list a thousand targets for each of them takes its time.
    """

    shows_now: ClassVar[bool]

    def write(self, event: Event) -> None:
        """Show one event."""
        ...

    def update(self, missing: Sequence[Missing], under_way: Sequence[Progress]) -> None:
        """Show what is missing and what is under way just now, where that can be shown apart from events."""
        ...

    def close(self) -> None:
        """Show nothing more."""
        ...


class Missing(Record):
    """Something that a step waits for."""

    step: str
    name: str
    why: str
    since: float
    attempts: int


class Reporter:
    """Takes what steps and the runner say, from any thread, and hands it to a sink."""

    def __init__(self, sink: Sink, clock: Clock, *, level: Level = "info", results: Sink | None = None) -> None:
        self._sink = sink
        self._clock = clock
        self._level = LEVELS.index(level)
        self._results = results or sink
        self._missing: dict[tuple[str, str], Missing] = {}
        self._deadlines: dict[str, float] = {}
        self._beaten = clock.now()
        self._steps = 0
        self._muted = False
        self._attempted: set[tuple[str, str]] = set()
        self._under_way = UnderWay()
        self._tried: dict[str, int] = {}
        self._lock = threading.RLock()

    def emit(  # noqa: PLR0913 - an event's parts
        self,
        level: Level,
        name: str,
        text: str,
        facts: Mapping[str, object] | None = None,
        *,
        step: str = "",
        sink: Sink | None = None,
    ) -> None:
        """Show one event, redacted, if its level is to be shown."""
        if (not self.shows(level) and sink is None) or (self._muted and step):
            return
        clean = {key: redact_json(value) for key, value in (facts or {}).items()}
        event = Event(level, name, printable(step), printable(text), clean, self._clock.wall())
        with self._lock:
            (sink or self._sink).write(event)

    def shows(self, level: Level) -> bool:
        """Whether events of this level are shown."""
        return LEVELS.index(level) >= self._level

    def voice(self, step: str) -> StepVoice:
        """The voice that a step speaks with."""
        return StepVoice(self, step)

    def planned(self, steps: int) -> None:
        """How many steps there are; of a single one the summary alone says how it ended."""
        self._steps = steps

    def began(self, name: str, kind: str, *, deadline: float) -> None:
        """A step begins."""
        with self._lock:
            self._deadlines[name] = deadline
            self._beaten = self._clock.now()
        self.emit("debug", "began", "begins", {"kind": kind}, step=name)

    def stays(self, step: str) -> None:
        """A step has what it waited for and goes on without a deadline: nothing of it is missing any more."""
        with self._lock:
            self._deadlines.pop(step, None)
            self._forget(step)

    def _forget(self, step: str) -> None:
        for key in [key for key in self._missing if key[0] == step]:
            del self._missing[key]
        self._under_way.end(step)
        self._show()

    def ended(self, result: Result) -> None:
        """A step has ended."""
        with self._lock:
            self._forget(result.name)
        if result.traceback:
            self.emit("error", "traceback", result.traceback.rstrip(), step=result.name)
        bad = result.exit_code and result.exit_code != EXIT_WOULD_CHANGE
        spent = f" ({show_duration(round(result.seconds, 2))})" if result.attempts else ""
        text = f"{result.status}{': ' if result.detail else ''}{result.detail}{spent}"
        facts = {key: value for key, value in result.as_json().items() if key != "name"}
        level: Level = "debug" if self._steps == 1 else "error" if bad else "info"
        self.emit(level, "ended", text, facts, step=result.name)

    def missed(self, step: str, name: str, why: str, attempts: int) -> None:
        """Something is still missing; a line is shown when the reason is a new one."""
        if self._muted:
            return
        with self._lock:
            before = self._missing.get((step, name))
            since = before.since if before else self._clock.now()
            self._missing[step, name] = Missing(step, name, why, since, attempts)
            self._attempted.discard((step, name))
            self._tried[step] = max(attempts, self._tried.get(step, 0))
            is_news = before is None or before.why != why
            if is_news:  # how many attempts it were is shown by the next tick
                self._show()
        if is_news:
            text = why if name == step else f"waiting for {name}: {why}"
            self.emit("info", "missing", text, {"target": name, "why": why, "attempts": attempts}, step=step)

    def found(self, step: str, name: str, detail: str, attempts: int, seconds: float) -> None:
        """Something is no longer missing."""
        if self._muted:
            return
        with self._lock:
            self._missing.pop((step, name), None)
            self._tried[step] = max(attempts, self._tried.get(step, 0))
            self._show()
        tries = _tries(attempts)
        spent = show_duration(round(seconds, 2))
        self.emit(
            "info",
            "found",
            f"{name} {detail} after {spent} ({tries})",
            {"target": name, "attempts": attempts, "seconds": round(seconds, 3)},
            step=step,
        )

    def progressed(self, progress: Progress) -> None:
        """A step has come further; a line is left to the next tick."""
        with self._lock:
            if self._muted:
                return
            self._under_way.put(progress, self._clock.now())
            self._show()

    def done(self, step: str, name: str) -> None:
        """A step is over with something that it was at."""
        with self._lock:
            if self._under_way.take(step, name):
                self._show()

    def trying(self, step: str) -> None:
        """The step makes another attempt: why the last one failed is not what it waits for just now."""
        with self._lock:
            self._attempted.add((step, step))

    def gave_up(self, step: str) -> None:
        """An attempt has failed: what it was at is at an end."""
        with self._lock:
            if self._under_way.end(step):
                self._show()

    def tried(self, step: str) -> int:
        """The most attempts that the step has made at anything."""
        return self._tried.get(step, 0)

    def _show(self) -> None:
        if self._sink.shows_now:
            self._sink.update(self._missed(), self._under_way.all())

    def _missed(self) -> list[Missing]:
        return [entry for key, entry in self._missing.items() if key not in self._attempted]

    def tick(self) -> None:
        """Every ten seconds, say what is missing and how far steps have come.

        It is called at least once a second by whoever waits for the run.
        """
        if not self._lock.acquire(timeout=_BRIEFLY):
            return  # somebody writes to a stream that nobody reads: signals matter more
        try:
            missing, now = self._due()
            progress = [] if self._sink.shows_now else self._under_way.due(now, HEARTBEAT)
        finally:
            self._lock.release()
        for one in progress:
            self.emit("info", "progress", one.line, one.facts, step=one.step)
        for step in dict.fromkeys(entry.step for entry in missing):
            self._beat(step, [entry for entry in missing if entry.step == step], now)

    def _due(self) -> tuple[list[Missing], float]:
        """What is to be named now, if it is time."""
        now = self._clock.now()
        missing = self._missed()
        if missing or self._under_way.all():
            self._show()
        due = bool(missing) and now - self._beaten >= HEARTBEAT
        if due or not missing:
            self._beaten = now
        return (missing if due else []), now

    def _beat(self, step: str, missing: Sequence[Missing], now: float) -> None:
        def spent(entry: Missing) -> str:
            return show_duration(round(now - entry.since))

        shown = [f"{m.name}: {m.why} (for {spent(m)}, {_tries(m.attempts)})" for m in missing[:_NAMED]]
        more = [f"and {len(missing) - _NAMED} more"] if len(missing) > _NAMED else []
        left = self._deadlines.get(step, float("inf")) - now
        limit = f"; {show_duration(max(0, round(left)))} left" if left != float("inf") else ""
        facts = [
            {"target": m.name, "why": m.why, "seconds": round(now - m.since, 3), "attempts": m.attempts}
            for m in missing[:_LISTED]
        ]
        text = f"still waiting for {'; '.join([*shown, *more])}{limit}"
        self.emit("info", "waiting", text, {"missing": facts, "missing_count": len(missing)}, step=step)

    def summary(self, results: Sequence[Result]) -> None:
        """The closing lines: one per step, in columns."""
        width = max((len(result.name) for result in results), default=0)
        # what --check was asked for is shown whatever the level of the log
        apart = self._results if self._results is not self._sink else None
        for result in results:
            bad = result.exit_code and result.exit_code != EXIT_WOULD_CHANGE
            spent = f"  {show_duration(round(result.seconds, 2))}" if result.attempts else ""
            text = f"{result.status:<12}  {result.name:<{width}}  {result.detail}{spent}".rstrip()
            for change in result.changes:
                text += f"\n{'':<14}{'':<{width}}    {change}"
            facts = dict(result.as_json())
            self.emit("error" if bad else "info", "summary", text, facts, sink=apart)
        code = exit_code(results)
        if code:
            self.emit("debug", "exit", f"exit code {code}", {"exit_code": code})

    def mute(self) -> None:
        """Hear steps no more: one that could not be ended in time may go on in its thread."""
        self._muted = True

    @property
    def muted(self) -> bool:
        """Whether steps are no longer heard."""
        return self._muted

    def close(self) -> None:
        """Nothing more will be said."""
        self._sink.close()
        if self._results is not self._sink:
            self._results.close()


def _tries(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


class StepVoice(Record):
    """One step's way to the reporter: the `Voice` of its context."""

    reporter: Reporter
    step: str

    @property
    def detailed(self) -> bool:
        """Whether the level of the log is ``debug``."""
        return self.reporter.shows("debug")

    def note(self, text: str, **facts: object) -> None:
        """A line."""
        self.reporter.emit("info", "note", text, facts, step=self.step)

    def detail(self, text: str, **facts: object) -> None:
        """A line that only ``--log-level debug`` shows."""
        self.reporter.emit("debug", "detail", text, facts, step=self.step)

    def warn(self, text: str, **facts: object) -> None:
        """A line that should be looked at."""
        self.reporter.emit("warning", "warning", text, facts, step=self.step)

    def result(self, text: str) -> None:
        """What was asked for, on standard output, whose stream takes the secrets out."""
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()

    def progress(self, name: str, text: str, *, share: float | None = None) -> None:
        """Work on `name` has come so far."""
        self.reporter.progressed(Progress(self.step, name, text, share))

    def done(self, name: str) -> None:
        """Work on `name` is over."""
        self.reporter.done(self.step, name)

    def missing(self, name: str, why: str, *, attempts: int) -> None:
        """Something is still being waited for."""
        self.reporter.missed(self.step, name, why, attempts)

    def found(self, name: str, detail: str, *, attempts: int, seconds: float) -> None:
        """Something is no longer being waited for."""
        self.reporter.found(self.step, name, detail, attempts, seconds)


class TextSink:
    """A line per event, for `kubectl logs`: the time in UTC, the step, what happened."""

    shows_now: ClassVar[bool] = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, event: Event) -> None:
        """Show one event."""
        self._stream.write(text_line(event) + "\n")
        self._stream.flush()

    def update(self, missing: Sequence[Missing], under_way: Sequence[Progress]) -> None:
        """A log has no place for what is only true just now."""

    def close(self) -> None:
        """Nothing to do."""


def text_line(event: Event) -> str:
    """An event as people read it in a log."""
    if event.name == "summary":
        return event.text
    moment = time.strftime("%H:%M:%S", time.gmtime(event.wall))
    warning = "warning: " if event.level == "warning" else ""
    step = f"{event.step}: " if event.step else ""
    return f"{moment} {step}{warning}{event.text}"


class JsonSink:
    """One JSON object a line: ``time`` (RFC 3339, UTC), ``level``, ``event``, ``step``, ``message`` and the facts."""

    shows_now: ClassVar[bool] = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, event: Event) -> None:
        """Show one event."""
        import json  # noqa: PLC0415 - loaded when asked for

        seconds, fraction = divmod(round(event.wall * 1000), 1000)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:03}Z"
        line: dict[str, object] = {"time": moment, "level": event.level, "event": event.name}
        if event.step:
            line["step"] = event.step
        text = event.text if event.name != "summary" else " ".join(event.text.split())
        line["message"] = text
        facts = {key: value for key, value in event.facts.items() if key not in line}
        self._stream.write(json.dumps(line | facts, ensure_ascii=False) + "\n")
        self._stream.flush()

    def update(self, missing: Sequence[Missing], under_way: Sequence[Progress]) -> None:
        """A log has no place for what is only true just now."""

    def close(self) -> None:
        """Nothing to do."""
