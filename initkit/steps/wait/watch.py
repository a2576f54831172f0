"""Looks at many targets side by side until they are ready; what a look is belongs to each scheme.

The loop is written by hand, without tenacity or asyncio, because it is what most pods run first and must start quickly.
Targets that only want a connection are looked at without a thread, by the loop itself.
"""

from __future__ import annotations

import heapq
import math
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, TemporaryError, TimedOutError
from initkit.core.outcome import Outcome
from initkit.core.record import Record
from initkit.core.stop import Stop
from initkit.core.values import show_duration
from initkit.steps.wait.events import EventQueue
from initkit.steps.wait.net.dial import Dialer, failure
from initkit.steps.wait.net.names import Names
from initkit.steps.wait.pool import ThreadPool
from initkit.steps.wait.target import ProbeContext
from initkit.steps.wait.watched import DEFAULTS, TOGETHER, Beat, Watched

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.core.values import HostPort
    from initkit.steps.wait.step import Wait

__all__ = ["DEFAULTS", "Watch", "counted", "look"]

Launch = Callable[[Callable[[], None]], None]
# seconds that each target adds to the pauses of all: a thousand of them are to leave most of a core to others
_CONNECTING, _PROBING = 0.00015, 0.004
_AT_MOST_EARLY = 0.02  # seconds that an attempt may come early, to be made together with others
_LAST_WORDS, _LAST_SHARE = 0.1, 0.05  # seconds, or share, of an attempt's time that its probe does not get
_LANDING = 1.0  # seconds for probes under way to clean up once the wait is over
_LISTED = 100  # targets among an outcome's facts: container runtimes split lines at 16 KiB
_NAMED = 20  # targets in a failure's text
_ALWAYS_ROOM = 4  # attempts, however few descriptors there are


class _Answer(Record):
    """What an attempt came back with: the `detail` of a target that is ready, or an error; or that a name is known."""

    place: int
    serial: int
    detail: str = ""
    error: BaseException | None = None
    is_name: bool = False


class Watch:
    """One wait: its targets, their attempts under way, and the queue that their answers come to."""

    def __init__(self, step: Wait, context: Context, *, launch: Launch | None = None) -> None:
        self._step = step
        self._context = context
        self._clock = context.clock
        self._pool = ThreadPool()
        self._launch = launch or self._pool.launch
        self._events: EventQueue[_Answer] = EventQueue()
        self._names = Names(context.clock)
        self._began = context.clock.now()
        self._beat = Beat(context.clock)
        self._all = [
            Watched(place, step, self._beat, context.voice, context.deadline) for place in range(len(step.targets))
        ]
        self._agenda: list[tuple[float, int]] = []
        self._ready: list[Watched] = []
        self._lost: list[Watched] = []
        self._queues: tuple[deque[Watched], deque[Watched]] = (deque(), deque())  # for sockets, for threads
        self._serials = 0
        self._busy = 0  # threads
        self._room = max(_ALWAYS_ROOM, os.sysconf("SC_OPEN_MAX") // 2)
        self._cost = sum(_CONNECTING if watched.endpoint else _PROBING for watched in self._all)
        self._over = Stop()
        self._probes = ProbeContext(**{**vars(context), "stop": self._over}, names=self._names)
        for watched in self._all:
            self._plan(watched)

    def run(self) -> Outcome:
        """Return once enough targets are ready.

        Raises:
            TimedOutError: the deadline came first.
            PermanentError: waiting on is pointless.
        """
        self._go_on_until(self._is_enough)
        ready = self._names_of(self._ready)
        facts: dict[str, object] = {"ready": ready[:_LISTED]}
        if len(ready) > _LISTED:
            facts["ready_count"] = len(ready)
        return Outcome.ok(counted(len(ready), self._step.wanted), facts)

    def look(self) -> tuple[list[str], dict[str, str]]:
        """Go on until each target is ready or lost; the names of those that are ready, and of the others the reason."""
        self._go_on_until(lambda: len(self._ready) + len(self._lost) == len(self._all))
        return self._names_of(self._ready), {w.target.name: w.plain() for w in self._all if not w.is_ready}

    def _names_of(self, some: Sequence[Watched]) -> list[str]:
        return [watched.target.name for watched in sorted(some, key=lambda watched: watched.place)]

    def _is_enough(self) -> bool:
        if len(self._ready) >= (1 if self._step.any else len(self._all)):
            return True
        # one lost target is enough, with `any` all of them
        if self._lost and (not self._step.any or len(self._lost) == len(self._all)):
            raise self._failure()
        return False

    def _failure(self) -> InitkitError:
        errors = [watched.error for watched in sorted(self._lost, key=lambda w: w.place) if watched.error]
        final = next((error for error in errors if not isinstance(error, TimedOutError)), errors[0])
        missing = [watched for watched in self._all if not watched.is_ready]
        if len(self._all) == 1:
            return final
        if not (isinstance(final, TimedOutError) or self._step.any):
            others = [watched for watched in missing if watched.error is not final]
            return _with_others(final, _named(others)) if others else final
        why = _named(missing)
        spent = show_duration(round(self._clock.now() - self._began, 1))
        advice = ", ".join(dict.fromkeys(w.error.advice for w in missing if w.error and w.error.advice))
        task = f"wait for {len(missing)} of {len(self._all)} targets"
        failed = type(final)(task, f"{why} (gave up after {spent})", advice)
        failed.__cause__ = final
        return failed

    def _go_on_until(self, is_done: Callable[[], bool]) -> None:
        try:
            with self._context.stop.calling(self._events.ring):
                while not is_done():
                    self._go_on()
        finally:
            # what probes have started is not to outlive the wait, also where it ends well (--any)
            self._over.request(self._context.stop.signum or signal.SIGTERM)
            self._over.settle(_LANDING)
            for watched in self._all:
                if watched.dialer:
                    watched.dialer.close()
            self._events.close()
            self._pool.close()

    def _go_on(self) -> None:
        """Sleep until something is to be done, and do it."""
        answers, owners = self._events.wait(self._clock, max(0.0, self._wakes_at() - self._clock.now()))
        self._beat.next()
        for answer in answers:
            self._settle(answer)
        for place in dict.fromkeys(owners):
            self._advance(self._all[place])
            self._plan(self._all[place])
        now = self._clock.now()
        for watched in self._due(now):
            self._wake(watched, now)
        self._admit()
        if now >= self._context.deadline:
            for watched in self._all:
                watched.time_is_up()
                self._plan(watched)

    def _wakes_at(self) -> float:
        agenda = self._agenda
        while agenda and self._all[agenda[0][1]].wakes_at != agenda[0][0]:
            heapq.heappop(agenda)  # it was put off, or is settled
        return min(agenda[0][0] if agenda else math.inf, self._context.deadline)

    def _due(self, now: float) -> list[Watched]:
        """The targets whose time has come, or nearly: one wake-up serves many."""
        due = []
        while self._agenda and self._agenda[0][0] <= now + _AT_MOST_EARLY:
            moment, place = self._agenda[0]
            watched = self._all[place]
            if moment == watched.wakes_at and moment > now + watched.slack:
                break
            heapq.heappop(self._agenda)
            if moment == watched.wakes_at:
                watched.planned = math.inf
                due.append(watched)
        return due

    def _plan(self, watched: Watched) -> None:
        """Have the target's next time on the agenda, or count it among those that are settled."""
        if not watched.is_settled:
            if watched.planned != watched.wakes_at < math.inf:
                watched.planned = watched.wakes_at
                heapq.heappush(self._agenda, (watched.wakes_at, watched.place))
        elif not watched.is_counted:
            watched.is_counted = True
            (self._ready if watched.is_ready else self._lost).append(watched)
            self._cost -= _CONNECTING if watched.endpoint else _PROBING
            if watched.dialer:
                watched.dialer.close()

    def _wake(self, watched: Watched, now: float) -> None:
        """Do what the target's time has come for."""
        if watched.is_settled:
            return
        if not watched.serial:
            self._queue(watched, now)
        elif watched.is_silent(now):
            watched.silent(self._silence(watched), self._cost)
        elif watched.dialer:
            self._advance(watched)
        self._plan(watched)

    def _silence(self, watched: Watched) -> str:
        host = watched.endpoint.host if watched.endpoint and watched.lacks_addresses else ""
        return f"cannot resolve {host}: no answer" if host else "no answer"

    def _queue(self, watched: Watched, now: float) -> None:
        """Begin an attempt, or have it wait for its turn where there is no room."""
        watched.wakes_at = math.inf
        if watched.under_way >= TOGETHER:
            return  # only the end of one of its own makes room for another
        if watched.dialer:
            watched.dialer.expire(now)
        queue = self._queues[watched.endpoint is None]
        if not (watched.is_queued or queue) and self._has_room(watched):
            self._begin(watched)
            return
        if not watched.is_queued:
            watched.is_queued = True
            queue.append(watched)
        if watched.dialer:  # what it holds from before is given up in time, for others
            watched.wakes_at = watched.dialer.expires_at

    def _has_room(self, watched: Watched) -> bool:
        has_thread = watched.endpoint is not None or self._pool.has_room
        return has_thread and self._busy + self._events.sockets < self._room

    def _admit(self) -> None:
        """Begin the attempts whose turn has come."""
        for queue in self._queues:
            while queue and (queue[0].is_settled or self._has_room(queue[0])):
                watched = queue.popleft()
                watched.is_queued = False
                if not watched.is_settled:
                    self._begin(watched)
                    self._plan(watched)

    def _begin(self, watched: Watched) -> None:
        self._serials += 1
        try:
            limit = watched.begin(self._serials)
        except TimedOutError:
            watched.time_is_up()
            return
        if watched.endpoint:
            self._connect(watched, watched.endpoint)
        else:
            self._probe(watched, self._serials, limit)

    def _probe(self, watched: Watched, serial: int, limit: float) -> None:
        """Have the target look for itself, in a thread."""
        watched.under_way += 1
        self._busy += 1
        # a little less than what the loop waits for: what it says of a time-out is more than "no answer"
        timeout = limit - min(_LAST_WORDS, limit * _LAST_SHARE)
        context = self._probes.but(attempt_timeout=timeout, reached=lambda: watched.reached(serial))

        def job() -> None:
            try:
                answer = _Answer(watched.place, serial, watched.target.probe(context))
            except BaseException as error:  # noqa: BLE001 - it is judged, or raised again, where it is received
                answer = _Answer(watched.place, serial, error=error)
            self._events.post(answer)

        try:
            self._launch(job)
        except RuntimeError:
            self._events.post(_Answer(watched.place, serial, error=_no_thread(watched.target.name)))

    def _connect(self, watched: Watched, endpoint: HostPort) -> None:
        """Connect without a thread, once the addresses are known."""
        serial = watched.serial

        def wake() -> None:
            self._events.post(_Answer(watched.place, serial, is_name=True))

        if watched.dialer is None:
            registration = self._events.registration(watched.place)
            watched.dialer = Dialer(endpoint.port, registration, patience=watched.attempts.policy.attempt_timeout)
        try:
            addresses = self._names.peek(endpoint.host, self._launch, wake)
        except InitkitError as error:
            watched.heard(serial, "", error, self._cost)
            return
        except RuntimeError:
            watched.heard(serial, "", _no_thread(watched.target.name), self._cost)
            return
        watched.lacks_addresses = addresses is None
        if addresses is not None:
            watched.dialer.begin(addresses, self._clock.now())
            self._advance(watched)

    def _advance(self, watched: Watched) -> None:
        """See what has become of the target's connections."""
        if watched.is_settled or watched.dialer is None:
            return
        now = self._clock.now()
        try:
            connection = watched.dialer.advance(now)
        except OSError as error:
            watched.heard(watched.serial, "", failure(watched.where, error), self._cost)
        else:
            if connection is not None:
                connection.close()
                # also between two attempts: it is what is so just now
                watched.heard(watched.latest, "accepts connections", None, self._cost)
            elif watched.serial:
                watched.wakes_at = min(watched.silent_at, watched.dialer.wakes_at(now))

    def _settle(self, answer: _Answer) -> None:
        """Take an answer that came from a thread."""
        watched = self._all[answer.place]
        if answer.is_name:
            if watched.serial and watched.lacks_addresses and watched.endpoint:
                self._connect(watched, watched.endpoint)
                self._plan(watched)
            return
        watched.under_way -= 1
        self._busy -= 1
        if watched.is_settled:
            return
        error = answer.error
        if error is not None and not isinstance(error, InitkitError):
            raise error
        watched.heard(answer.serial, answer.detail, error, self._cost)
        if not watched.serial and watched.wakes_at == math.inf:
            watched.wakes_at = self._clock.now()
        self._plan(watched)


def _named(some: Sequence[Watched]) -> str:
    """Who is missing and why; of many the first ones, as a line of a log has its limits."""
    shown = [f"{watched.target.name}: {watched.plain()}" for watched in some[:_NAMED]]
    return "; ".join([*shown, *([f"and {len(some) - _NAMED} more"] if len(some) > _NAMED else [])])


def _with_others(final: InitkitError, others: str) -> InitkitError:
    failed = type(final)(final.task, f"{final.cause} (also missing: {others})", final.advice, done=final.done)
    failed.__cause__ = final
    return failed


def _no_thread(name: str) -> TemporaryError:
    return TemporaryError(f"look at {name}", "no thread can be started", "raise the pod's limit of processes")


def look(step: Wait, context: Context, *, launch: Launch | None = None) -> tuple[list[str], dict[str, str]]:
    """Look at every target of `step` once; see `Watch.look`."""
    once = replace(step, retry=replace(step.retry, attempts=1), successes=1, stable=0.0)
    return Watch(once, context, launch=launch).look()


def counted(number: int, what: str) -> str:
    """``1 target ready``, ``3 targets ready``."""
    return f"{number} target{'' if number == 1 else 's'} {what}"
