"""A clock that only moves when it is told to, and a voice that remembers what was said."""

from __future__ import annotations

import math
import os
import queue
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import pytest

from initkit.core.clock import SystemClock
from initkit.core.step import Context
from initkit.core.stop import Stop

if TYPE_CHECKING:
    import select
    from collections.abc import Callable, Mapping

    from initkit.core.clock import Clock

T = TypeVar("T")


class VirtualClock:
    """Sleeping moves it; `after(seconds, action)` has something happen once that time has come."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.sleeps: list[float] = []
        self.chances: list[float] = []
        self._due: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1_700_000_000.0 + self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)

    def chance(self) -> float:
        return self.chances.pop(0) if self.chances else 0.5

    def receive(self, mailbox: queue.SimpleQueue[T], seconds: float) -> T | None:
        until = self.time + seconds
        while True:
            with suppress(queue.Empty):
                return mailbox.get_nowait()
            if self.time >= until:
                return None
            # what arrives meanwhile is received when it arrives
            self.sleep(min([until, *(moment for moment, _ in self._due)]) - self.time)

    def poll(self, poll: select.epoll, seconds: float) -> list[tuple[int, int]]:
        until = self.time + seconds
        while True:
            if (events := poll.poll(0)) or self.time >= until:
                return events
            self.sleep(min([until, *(moment for moment, _ in self._due)]) - self.time)

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self._due.append((self.time + seconds, action))

    def advance(self, seconds: float) -> None:
        until = self.time + seconds
        while due := sorted((entry for entry in self._due if entry[0] <= until), key=lambda entry: entry[0]):
            self._due.remove(due[0])
            self.time = max(self.time, due[0][0])
            due[0][1]()
        self.time = until


@dataclass
class RecordingVoice:
    """Remembers everything that a step says."""

    notes: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)
    founds: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    progressed: list[tuple[str, str, float | None]] = field(default_factory=list)
    dones: list[str] = field(default_factory=list)
    detailed: bool = False

    def note(self, text: str, **_facts: object) -> None:
        self.notes.append(text)

    def detail(self, text: str, **_facts: object) -> None:
        self.details.append(text)

    def warn(self, text: str, **_facts: object) -> None:
        self.warnings.append(text)

    def result(self, text: str) -> None:
        self.results.append(text)

    def progress(self, name: str, text: str, *, share: float | None = None) -> None:
        self.progressed.append((name, text, share))

    def done(self, name: str) -> None:
        self.dones.append(name)

    def missing(self, name: str, why: str, *, attempts: int) -> None:  # noqa: ARG002 - the protocol's
        self.missed.append((name, why))

    def found(self, name: str, detail: str, *, attempts: int, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        self.founds.append(name)


def make_context(
    *,
    clock: Clock | None = None,
    stop: Stop | None = None,
    voice: RecordingVoice | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    attempt_timeout: float = 10.0,
    looking: bool = False,
) -> Context:
    """A context as the runner would make it; by default on the real clock, with the real PATH and HOME."""
    stop = stop or Stop()
    clock = clock or SystemClock(stop)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return Context(
        clock=clock,
        stop=stop,
        voice=voice or RecordingVoice(),
        environ=inherited | dict(environ or {}),
        deadline=clock.now() + timeout if timeout else math.inf,
        attempt_timeout=attempt_timeout,
        looking=looking,
    )


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def voice() -> RecordingVoice:
    return RecordingVoice()
