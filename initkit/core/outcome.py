"""How a step ended, in the words and exit codes that people know."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from initkit.core.record import Record

Facts = Mapping[str, object]
"""What a program may want to read of an outcome: names in snake_case, JSON values; times in seconds."""
NO_FACTS: Facts = MappingProxyType({})


class Status(StrEnum):
    """The first word of a step's summary line."""

    OK = "ok"
    CHANGED = "changed"
    WOULD_CHANGE = "would change"
    UNKNOWN = "unknown"
    TIMED_OUT = "timed out"
    FAILED = "failed"
    SKIPPED = "skipped"
    STOPPED = "stopped"


class Satisfied(Record):
    """`check` found nothing to do; `detail` says what is so."""

    detail: str = ""
    facts: Facts = NO_FACTS


class Pending(Record):
    """`check` found something to do: `detail` in short, `changes` one by one, in the order of their making."""

    detail: str
    changes: tuple[str, ...] = ()
    facts: Facts = NO_FACTS


Finding = Satisfied | Pending


class Outcome(Record):
    """What `apply` or `watch` has done."""

    status: Status
    detail: str = ""
    facts: Facts = NO_FACTS

    @classmethod
    def ok(cls, detail: str = "", facts: Facts | None = None) -> Outcome:
        """Nothing was changed."""
        return cls(Status.OK, detail, facts or {})

    @classmethod
    def changed(cls, detail: str, facts: Facts | None = None) -> Outcome:
        """Something was changed: `detail` says what."""
        return cls(Status.CHANGED, detail, facts or {})
