"""How it goes: what is published, and how rounds have ended; told by /healthz and /metrics."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from initkit.core.record import Record
from initkit.core.redact import redact
from initkit.serve.metrics import CONTENT_TYPE, Metric, Sample, exposition, single
from initkit.serve.pages import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.clock import Clock

_PREFIX = "initkit_git"


class State(Record):
    """All of it at one moment; times are seconds since the epoch, 0 for never.

    Attributes:
        sha: what is published, as far as this run knows; empty before the first success.
        since: when this run published it, or found it published.
        succeeded: when a round last succeeded.
        error: why the last round failed; empty if it did not.
        publishes: how often something was published or made whole.
        failures: how many rounds failed.
        in_a_row: how many of them since the last that succeeded.
        rounds: how many there were.
        seconds: how long all of them took together.
    """

    sha: str = ""
    since: float = 0.0
    succeeded: float = 0.0
    error: str = ""
    publishes: int = 0
    failures: int = 0
    in_a_row: int = 0
    rounds: int = 0
    seconds: float = 0.0


class Standing:
    """The state, changed by rounds and read by the server's thread.

    Args:
        clock: the time.
        labels: what the step is about: its repository and its ref.
    """

    def __init__(self, clock: Clock, labels: Mapping[str, str]) -> None:
        self._clock = clock
        self._labels = {name: redact(value) for name, value in labels.items()}
        self._lock = threading.Lock()
        self._state = State()

    @property
    def state(self) -> State:
        """All of it."""
        return self._state

    def succeeded(self, sha: str, seconds: float, *, changed: bool) -> None:
        """A round has ended well."""
        with self._lock:
            self._shows(sha)
            state = self._counted(seconds)
            publishes = state.publishes + changed
            self._state = state.but(succeeded=self._clock.wall(), error="", in_a_row=0, publishes=publishes)

    def failed(self, error: Exception, seconds: float, *, published: str = "") -> None:
        """A round has failed, although this commit may have been published."""
        with self._lock:
            if published:
                self._shows(published)
            state = self._counted(seconds)
            failures, in_a_row = state.failures + 1, state.in_a_row + 1
            self._state = state.but(error=redact(str(error)), failures=failures, in_a_row=in_a_row)

    def shows(self, sha: str) -> None:
        """This is published, whether or not a round has ended well."""
        with self._lock:
            self._shows(sha)

    def _shows(self, sha: str) -> None:
        if sha != self._state.sha:
            self._state = self._state.but(sha=sha, since=self._clock.wall())

    def _counted(self, seconds: float) -> State:
        return self._state.but(rounds=self._state.rounds + 1, seconds=self._state.seconds + seconds)

    def page(self, path: str) -> Page | None:
        """What stands at a path; None where there is nothing."""
        if path == "/healthz":
            return self._health()
        return Page(200, CONTENT_TYPE, exposition(self._metrics())) if path == "/metrics" else None

    def _health(self) -> Page:
        """Ready once something is published, and for good: what is there is served whether or not it can be renewed."""
        import json  # noqa: PLC0415 - only where somebody asks

        state = self._state
        ready = bool(state.sha)
        told: dict[str, object] = {"status": "ready" if ready else "nothing is published yet"}
        if ready:
            told |= {"sha": state.sha, "since": _moment(state.since)}
        if state.succeeded:
            told["succeeded"] = _moment(state.succeeded)
        if state.error:
            told |= {"error": state.error, "failures": state.in_a_row}
        body = json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")
        return Page(200 if ready else 503, "application/json", body + b"\n")

    def _metrics(self) -> list[Metric]:
        state = self._state
        info = (Sample(1, {**self._labels, "sha": state.sha}),) if state.sha else ()
        seconds = (Sample(state.seconds, {}, "_sum"), Sample(state.rounds, {}, "_count"))
        return [
            Metric(f"{_PREFIX}_published_info", "gauge", "What is published.", info),
            single(
                f"{_PREFIX}_last_success_timestamp_seconds",
                "gauge",
                "When a round last succeeded, in seconds since the epoch; 0 before the first.",
                state.succeeded,
            ),
            single(
                f"{_PREFIX}_published_timestamp_seconds",
                "gauge",
                "Since when this commit is published, as far as this run knows, in seconds since the epoch.",
                state.since,
            ),
            Metric(f"{_PREFIX}_round_duration_seconds", "summary", "How long rounds took, waiting aside.", seconds),
            single(f"{_PREFIX}_publishes_total", "counter", "How often something was published.", state.publishes),
            single(f"{_PREFIX}_failures_total", "counter", "How many rounds failed.", state.failures),
            single(
                f"{_PREFIX}_failures_in_a_row",
                "gauge",
                "How many rounds failed since the last that succeeded.",
                state.in_a_row,
            ),
        ]


def _moment(seconds: float) -> str:
    """RFC 3339, in UTC."""
    import time  # noqa: PLC0415 - as above

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
