"""Waiting until nobody else is in the way, whatever kind of lock it is; taking one is known to its own module."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from initkit.core.errors import TimedOutError
from initkit.core.record import Record
from initkit.core.values import show_duration

if TYPE_CHECKING:
    from initkit.core.step import Context

_FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks at a lock that another holds
_REMINDER = 15.0  # seconds


class Obstacle(Record):
    """Who is in the way.

    Attributes:
        short: for a line that is printed once, when it changes.
        long: with what it does and for how long.
        advice: how to be rid of it.
        who: by which it is told from others; what it does just now may change.
    """

    short: str
    long: str
    advice: str
    who: object = None


class Turn(Protocol):
    """Something that is ours once nobody else is in the way."""

    def take(self) -> bool:
        """Whether it is ours now; it never waits."""
        ...

    def obstacle(self) -> Obstacle:
        """Who is in the way, as just looked up."""
        ...


def within(context: Context, seconds: float) -> Context:
    """The context with a deadline in so many seconds, if that comes first; 0 and inf are no limit."""
    limit = context.clock.now() + seconds if seconds else math.inf
    return context.but(deadline=min(context.deadline, limit))


class Wording(Record):
    """What is waited for, in messages.

    Attributes:
        what: ``the migration lock``.
        task: to wait for it, as a verb and its object.
        found: what is said of it once the wait is over.
    """

    what: str
    task: str
    found: str = "acquired"


def wait_for(turn: Turn, context: Context, wording: Wording, *, longest: float = LONGEST_PAUSE) -> float:
    """Ask again and again; return the seconds waited.

    It does not wait in a statement: one that waits for a lock is itself waited for by ``CREATE INDEX CONCURRENTLY``,
    and the two would stand still for ever.

    Args:
        turn: what is asked.
        context: its deadline is when to give up.
        wording: for messages.
        longest: seconds between two looks, at most.

    Raises:
        TimedOutError: another was in the way until the deadline; the message names who.
    """
    what, pause, attempts = wording.what, _FIRST_PAUSE, 0
    began = reminded = context.clock.now()
    obstacle: Obstacle | None = None
    while True:
        attempts += 1
        if turn.take():
            waited = context.clock.now() - began
            if attempts > 1:
                context.voice.found(what, wording.found, attempts=attempts, seconds=waited)
            return waited
        before, obstacle = obstacle, turn.obstacle()
        if before and before.who != obstacle.who:
            pause = _FIRST_PAUSE  # the queue moves: those who find the work done hold the lock but briefly
        context.voice.missing(what, obstacle.short, attempts=attempts)
        now = context.clock.now()
        if context.remaining <= 0:
            cause = f"{obstacle.long}; waited for {show_duration(round(now - began, 1))}"
            raise TimedOutError(wording.task, cause, obstacle.advice)
        if now - reminded >= _REMINDER:
            reminded = now
            context.voice.note(f"still waiting for {what} after {show_duration(round(now - began))}: {obstacle.long}")
        context.clock.sleep(min(pause * (0.8 + 0.4 * context.clock.chance()), context.remaining))
        pause = min(pause * 2, longest)
