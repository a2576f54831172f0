"""How each step of a run ended, and the exit code of the whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from initkit.core.errors import UsageError
from initkit.core.outcome import NO_FACTS, Facts, Outcome, Status
from initkit.core.record import Record
from initkit.core.redact import redact

if TYPE_CHECKING:
    from initkit.core.errors import InitkitError

EXIT_FAILED = 1
EXIT_WOULD_CHANGE = 3
EXIT_TIMED_OUT = 124
EXIT_SIGNAL = 128

GOOD = (Status.OK, Status.CHANGED)
LOOKED = (Status.WOULD_CHANGE, Status.UNKNOWN)


class Result(Record):
    """How one step ended.

    Attributes:
        name: the step's, in its plan.
        kind: the step's.
        status: the first word of its summary line.
        detail: the rest of that line.
        seconds: how long it took.
        attempts: how many were made; 0 where it was not tried.
        changes: with ``--check``: what would be changed, one by one.
        exit_code: 0, or what this step alone would end the program with.
        traceback: of a bug; empty otherwise.
    """

    name: str
    kind: str
    status: Status
    detail: str = ""
    seconds: float = 0.0
    attempts: int = 0
    facts: Facts = NO_FACTS
    changes: tuple[str, ...] = ()
    exit_code: int = 0
    traceback: str = ""

    def as_json(self) -> dict[str, object]:
        """For reports: redacted, seconds rounded to milliseconds, nothing that is empty."""
        found: dict[str, object] = {
            "name": self.name,
            "kind": self.kind,
            "status": str(self.status),
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
            "attempts": self.attempts,
            "changes": list(self.changes),
            "facts": dict(self.facts),
        }
        return {key: redact_json(value) for key, value in found.items() if value or key in {"name", "seconds"}}


def redact_json(value: object) -> object:
    """A JSON value with every text in it redacted; what JSON does not know becomes text."""
    if isinstance(value, Mapping):
        return {printable(str(key)): redact_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no infinity
    if value is None or isinstance(value, bool | int | float):
        return value
    return printable(str(value))


def printable(text: str) -> str:
    """`text` redacted, and such as UTF-8 can hold: names of files may have octets that are none, here surrogates."""
    return redact(text).encode("utf-8", "backslashreplace").decode()


def of_outcome(name: str, kind: str, outcome: Outcome, *, seconds: float, attempts: int) -> Result:
    """The result of a step that came to an end by itself."""
    return Result(name, kind, outcome.status, outcome.detail, seconds, attempts, outcome.facts)


def of_error(name: str, kind: str, error: InitkitError, *, seconds: float, attempts: int) -> Result:
    """The result of a step that ended in an error of ours."""
    status = Status.TIMED_OUT if error.exit_code == EXIT_TIMED_OUT else Status.FAILED
    facts = {"done": error.done} if error.done else {}
    # "nothing was attempted" is no longer true once steps are under way
    code = EXIT_FAILED if isinstance(error, UsageError) else error.exit_code
    return Result(name, kind, status, str(error), seconds, attempts, facts, exit_code=code)


def exit_code(results: Sequence[Result]) -> int:
    """The exit code of a run: a signal's before all, then that of the first failure, then 3 for what would change."""
    codes = [result.exit_code for result in results if result.exit_code]
    signals = [code for code in codes if code > EXIT_SIGNAL]
    failures = [code for code in codes if code != EXIT_WOULD_CHANGE]
    return next(iter([*signals, *failures, *codes]), 0)


def word(results: Sequence[Result]) -> str:
    """The status of a whole run, in a word."""
    bad = next((result for result in results if result.exit_code == exit_code(results) and result.exit_code), None)
    if bad is not None:
        return str(Status.WOULD_CHANGE if bad.status in LOOKED else bad.status)
    changed = any(result.status is Status.CHANGED for result in results)
    return str(Status.CHANGED if changed else Status.OK)
