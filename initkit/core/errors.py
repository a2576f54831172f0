"""What can go wrong, sorted by what helps; how it is printed is the reporter's concern.

InitkitError
├── UsageError          exit 2    nothing was attempted
├── TemporaryError      retried   another attempt may succeed
│   └── SuspectError    retried   permanent once the same answer came often and long enough
├── PermanentError      exit 1    nothing will change until a person acts
└── TimedOutError       exit 124  the time or the attempts allowed are used up
Stopped (BaseException) exit 143/130, so that no driver's ``except Exception`` swallows it
"""

from __future__ import annotations


class InitkitError(Exception):
    """Base of everything that initkit reports by itself, without a traceback.

    Attributes:
        task: what could not be done, as a verb and its object: ``connect to db:5432``.
        cause: why, as short as it can be told.
        advice: what a person can do about it; may be empty.
        done: what had been done before the failure; may be empty.
    """

    exit_code = 1

    def __init__(self, task: str, cause: str, advice: str = "", *, done: str = "") -> None:
        super().__init__(task, cause, advice)
        self.task = task
        self.cause = cause
        self.advice = advice
        self.done = done

    def __str__(self) -> str:
        """``cannot VERB OBJECT: CAUSE; WHAT TO DO``."""
        text = f"cannot {self.task}: {self.cause}"
        if self.done:
            text += f" (done before: {self.done})"
        return f"{text}; {self.advice}" if self.advice else text


class UsageError(InitkitError):
    """The command line, the environment or the plan asks for something that cannot be meant; nothing was attempted."""

    exit_code = 2


class TemporaryError(InitkitError):
    """Another attempt may succeed.

    Attributes:
        retry_after: seconds for which whoever was asked wants to be left alone (RFC 9110, section 10.2.3: Retry-After);
            0 where nothing was said.
    """

    def __init__(self, task: str, cause: str, advice: str = "", *, done: str = "", retry_after: float = 0.0) -> None:
        super().__init__(task, cause, advice, done=done)
        self.retry_after = retry_after


class SuspectError(TemporaryError):
    """A person must probably act, but what is missing may also be created late (a role, a database, a permission)."""


class PermanentError(InitkitError):
    """Nothing will change until a person acts."""


class TimedOutError(InitkitError):
    """The time or the attempts allowed are used up; ``__cause__`` is what the last attempt met."""

    exit_code = 124


class Stopped(BaseException):
    """A signal asked for the end; the exit code is 128 plus its number, as a shell has it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number."""
        return 128 + self.signum
