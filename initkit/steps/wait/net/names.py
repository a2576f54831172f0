"""Names to addresses, as the system resolves them, at most once a second; connecting is the business of `dial`."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from initkit.core.errors import InitkitError, PermanentError, TemporaryError

if TYPE_CHECKING:
    from initkit.core.clock import Clock

Launch = Callable[[Callable[[], None]], None]
FRESH = 1.0  # seconds for which an answer is used without asking again

_JOINED_AFTER = 1.0  # seconds after which a look-up that hangs is joined by another
_TOGETHER = 3  # look-ups of one name at a time
_EACH = 0.005  # seconds that each name adds to that, lest a thousand of them flood the name server


class Address(NamedTuple):
    """Where a socket connects to: its family and what it takes, with the port left to the caller."""

    family: int
    where: tuple[Any, ...]

    def at(self, port: int) -> tuple[Any, ...]:
        """What `socket.connect` takes."""
        return (self.where[0], port, *self.where[2:])

    def __str__(self) -> str:
        """The numeric address."""
        return str(self.where[0])


class _Entry:
    """What is known about a name: the last answer, and who asks just now."""

    def __init__(self, host: str) -> None:
        self.addresses = _numeric(host)
        self.is_numeric = bool(self.addresses)
        self.error: InitkitError | None = None
        self.answers = 0
        self.answered_at = -math.inf
        self.under_way = 0
        self.begun_at = -math.inf
        self.waiting: list[Callable[[], None]] = []
        self.changed = threading.Condition()

    def answer(self) -> tuple[Address, ...]:
        """The last answer, for whoever holds `changed`; raises its error."""
        if (error := self.error) is not None:
            raise type(error)(error.task, error.cause, error.advice)  # many threads may raise it
        return self.addresses

    def take(self, addresses: tuple[Address, ...], error: InitkitError | None, now: float) -> None:
        """Have a look-up's answer, and wake all who wait for it."""
        with self.changed:
            self.addresses, self.error, self.answered_at = addresses, error, now
            self.answers += 1
            self.under_way -= 1
            waiting, self.waiting = self.waiting, []
            self.changed.notify_all()
        for wake in waiting:
            wake()


class Names:
    """The names of one wait. It may be asked by many threads at once; they share one look-up.

    A look-up that hangs is joined by another after a while: the system's resolver asks again only after 5 s
    (resolv.conf(5), timeout), and name servers may come up meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def resolve(self, host: str, seconds: float = math.inf) -> tuple[Address, ...]:
        """The addresses of `host`, in the order in which to try them, within so many seconds.

        Raises:
            TemporaryError: the name is unknown, or no server answers in time.
            PermanentError: it can be no name.
        """
        entry = self._entry(host)
        if entry.is_numeric:
            return entry.addresses
        ends = self._clock.now() + seconds
        with entry.changed:
            answers = entry.answers
            while entry.answers == answers and not self._is_fresh(entry):
                self._ask_if_due(host, entry, _in_a_thread)
                left = ends - self._clock.now()
                if left <= 0:
                    raise unresolved(host, "no answer")
                entry.changed.wait(min(left, _JOINED_AFTER))
            return entry.answer()

    def peek(self, host: str, launch: Launch, wake: Callable[[], None]) -> tuple[Address, ...] | None:
        """The last known addresses at once; None where there are none yet.

        Where they are not fresh a look-up is begun by `launch`; where None is returned `wake` is called at its end.

        Raises:
            TemporaryError: the last look-up failed.
            PermanentError: it can be no name.
        """
        entry = self._entry(host)
        if entry.is_numeric:
            return entry.addresses
        with entry.changed:
            if not entry.answers:
                entry.waiting.append(wake)
            if not self._is_fresh(entry):
                self._ask_if_due(host, entry, launch)
            return entry.answer() if entry.answers else None

    def _ask_if_due(self, host: str, entry: _Entry, launch: Launch) -> None:
        now = self._clock.now()
        if entry.under_way and (entry.under_way >= _TOGETHER or now - entry.begun_at < _JOINED_AFTER):
            return

        def job() -> None:
            self._ask(host, entry)

        entry.under_way += 1
        entry.begun_at = now
        try:
            launch(job)
        except BaseException:
            entry.under_way -= 1
            raise

    def _entry(self, host: str) -> _Entry:
        with self._lock:
            if host not in self._entries:
                self._entries[host] = _Entry(host)
            return self._entries[host]

    def _is_fresh(self, entry: _Entry) -> bool:
        return self._clock.now() - entry.answered_at < max(FRESH, len(self._entries) * _EACH)

    def _ask(self, host: str, entry: _Entry) -> None:
        addresses: tuple[Address, ...] = ()
        error: InitkitError | None = unresolved(host, "the look-up failed")
        try:
            addresses, error = look_up(host), None
        except InitkitError as failure:
            error = failure
        finally:
            entry.take(addresses, error, self._clock.now())


def _in_a_thread(job: Callable[[], None]) -> None:
    try:
        threading.Thread(target=job, daemon=True, name="names").start()
    except RuntimeError as error:  # the system has no more of them
        raise TemporaryError(
            "look up names", "no thread can be started", "raise the pod's limit of processes"
        ) from error


def unresolved(host: str, why: str) -> TemporaryError:
    """The error of a name that has no addresses just now."""
    return TemporaryError(f"connect to {host}", f"cannot resolve {host}: {why}", "check the name and its namespace")


def look_up(host: str) -> tuple[Address, ...]:
    """Ask the system's resolver for a host's addresses, now.

    Raises:
        TemporaryError: the name is unknown, or no server answers.
        PermanentError: it can be no name.
    """
    try:
        # as bytes: for text the resolver loads the tables of international names, which plain ones never need
        found = socket.getaddrinfo(host.encode() if host.isascii() else host, 0, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # from the IDNA codec, for what no name server can be asked
        raise PermanentError(f"connect to {host}", f"{host} can be no host's name", "mend the target") from error
    except OSError as error:  # gaierror, but for errors of the system, such as too many open files
        raise unresolved(host, (error.strerror or str(error)).lower()) from error
    return tuple(dict.fromkeys(Address(family, where) for family, *_, where in found))


def _numeric(host: str) -> tuple[Address, ...]:
    try:
        found = socket.getaddrinfo(
            host.encode() if host.isascii() else host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (socket.gaierror, UnicodeError):
        return ()
    return tuple(Address(family, where) for family, *_, where in found)
