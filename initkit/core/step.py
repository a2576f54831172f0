"""What a step is, and what it is given to work with; which steps there are is known to `initkit.steps` alone."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NoReturn, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from initkit.core.clock import Clock
    from initkit.core.outcome import Finding, Outcome
    from initkit.core.retry import RetryPolicy
    from initkit.core.stop import Stop

    Attempt = Callable[[], Outcome]
    Around = Callable[[Attempt], Outcome]  # calls it, and sees how it ends
    Persist = Callable[[Around], Outcome]

from initkit.core.record import Record


class Voice(Protocol):
    """How a running step speaks; the engine's reporter listens. Everything said is redacted there."""

    @property
    def detailed(self) -> bool:
        """Whether `detail` is shown at all: what is said of each of a million things need not be put together else."""
        ...

    def note(self, text: str, **facts: object) -> None:
        """Something a person at 3 a.m. wants to see once."""
        ...

    def detail(self, text: str, **facts: object) -> None:
        """Something that only ``--log-level debug`` shows."""
        ...

    def warn(self, text: str, **facts: object) -> None:
        """Something that works now but should be looked at."""
        ...

    def result(self, text: str) -> None:
        """What was asked for and goes to standard output, as it is but for secrets."""
        ...

    def progress(self, name: str, text: str, *, share: float | None = None) -> None:
        """Work on `name` has come as far as `text` says: a bar on a terminal, a line every ten seconds elsewhere.

        `share` is how much of it is done, from 0 to 1; None where that is not known. It may be called often.
        """
        ...

    def done(self, name: str) -> None:
        """Work on `name` is over: its progress is no longer shown."""
        ...

    def missing(self, name: str, why: str, *, attempts: int) -> None:
        """`name` is still being waited for; a line is printed when `why` differs from what it was."""
        ...

    def found(self, name: str, detail: str, *, attempts: int, seconds: float) -> None:
        """`name` is no longer being waited for."""
        ...


class Context(Record):
    """What a step may use besides its own options.

    Attributes:
        clock: time, sleep and chance.
        stop: whether the end was asked for; look at it in every loop, register what can unblock a long call.
        voice: how to say something before the outcome.
        environ: the environment, never `os.environ` directly.
        deadline: when waiting, connecting and locking must end, on `clock`; infinite without a limit.
        attempt_timeout: seconds that this attempt may take to connect or to be answered, already cut to what is left.
        looking: whether what is found is for a person (``--check``) and nothing is applied after it: a look may then
            cost as much as the work itself.
    """

    clock: Clock
    stop: Stop
    voice: Voice
    environ: Mapping[str, str] = MappingProxyType({})
    deadline: float = math.inf
    attempt_timeout: float = 10.0
    looking: bool = False

    @property
    def remaining(self) -> float:
        """Seconds left until the deadline, never below 0."""
        return max(0.0, self.deadline - self.clock.now())


@runtime_checkable
class Step(Protocol):
    """One thing to do: a frozen dataclass whose fields are its options.

    The runner makes attempts under `retry`: each asks `check` and, where that is `Pending`, `apply`. Both raise
    `TemporaryError`, `SuspectError` or `PermanentError`, never a driver's error.
    """

    kind: ClassVar[str]

    @property
    def retry(self) -> RetryPolicy:
        """How patient it is; each kind has its own defaults."""
        ...

    def check(self, context: Context) -> Finding:
        """What there is to do. It only reads, and it must be cheap when there is nothing."""
        ...


@runtime_checkable
class Applies(Step, Protocol):
    """A step that changes something."""

    def apply(self, context: Context) -> Outcome:
        """Make `check` true. It may be killed at any instant and is safe to repeat, also in fifty replicas at once."""
        ...


@runtime_checkable
class Watches(Step, Protocol):
    """A step that changes nothing and waits for others; it keeps its own pace, with many things in view at once."""

    def watch(self, context: Context) -> Outcome:
        """Return once `check` would be satisfied; raises `TimedOutError` at the deadline."""
        ...


@runtime_checkable
class Stays(Applies, Protocol):
    """A step that may go on for as long as the pod lives; nothing can come after it then."""

    @property
    def stays(self) -> bool:
        """Whether it was asked to."""
        ...

    def stay(self, context: Context, first: Persist) -> NoReturn:
        """Call `first` once, and keep true what it made so until the end is asked for.

        Args:
            context: without a deadline; each further round has one of its own.
            first: makes attempts under `retry` until one succeeds, each of them passed through what it is given.

        Raises:
            InitkitError: what ended `first`, or it failed too often after that.
        """
        ...


@runtime_checkable
class Prepares(Protocol):
    """A step that can see before anything is attempted that something it was not told is missing."""

    def prepare(self, environ: Mapping[str, str]) -> None:
        """Look at the environment only; raises `UsageError`."""
        ...
