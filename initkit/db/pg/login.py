"""Logging in to PostgreSQL in bounded time: host after host, address after address, driven without blocking.

libpq keeps no time where it is driven so, and counts it anew for each address where it blocks; psycopg asks for no
SQLSTATE. What refusals mean is known to `refusals`.
"""

from __future__ import annotations

import queue
import select
import socket
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.record import Record
from initkit.db.pg import states
from initkit.db.pg.refusals import refusal, together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg.pq.abc import PGconn

    from initkit.core.step import Context
    from initkit.db.pg.hosts import Endpoint, Plan

    Resolve = Callable[[str, float], Sequence[str]]

_LOOK = 0.1  # seconds between two looks at whether the end was asked for


class Dial(Record):
    """How a server is reached.

    Attributes:
        resolve: a name's addresses, numeric, in the order in which to try them, within so many seconds; raises our
            errors. None asks the system each time, and leaves it behind where it does not answer in time.
        reached: called once somebody has accepted the connection.
    """

    resolve: Resolve | None = None
    reached: Callable[[], None] = staticmethod(lambda: None)


class _Turn(Record):
    """One server to be tried, and what is asked of it."""

    endpoint: Endpoint
    options: Mapping[str, str] = MappingProxyType({})


class Wanted(Record):
    """A login that is wanted.

    Attributes:
        address: for libpq.
        plan: what libpq makes of it.
        task: for messages.
        ends: when to give up, on the context's clock.
        options: by keyword; they go before those of the address.
        dial: how to reach a server.
    """

    address: str
    plan: Plan
    task: str
    ends: float
    options: Mapping[str, str] = MappingProxyType({})
    dial: Dial = Dial()


class _Login:
    """One call of `log_in`."""

    def __init__(self, wanted: Wanted, context: Context) -> None:
        self._wanted = wanted
        self._plan = wanted.plan
        self._task = wanted.task
        self._dial = wanted.dial
        self._context = context
        self._addresses: dict[str, Sequence[str]] = {}
        self._failures: list[tuple[Endpoint, InitkitError]] = []

    def run(self) -> PGconn:
        """The first connection that is let in."""
        turns = self._turns()
        for number, turn in enumerate(turns):
            pgconn = self._try(turn, len(turns) - number - 1)
            if pgconn is not None:
                return pgconn
            # "if a connection is established successfully, but authentication fails, the remaining hosts in the list
            # are not tried": https://www.postgresql.org/docs/current/libpq-connect.html
            if isinstance(self._failures[-1][1], SuspectError):
                break
        raise self._failure()

    def _failure(self) -> InitkitError:
        endpoints = list(self._plan.endpoints)
        failures = sorted(self._failures, key=lambda failure: endpoints.index(failure[0]))
        return together(failures, self._task, hosts=len(set(endpoints)))

    def _turns(self) -> list[_Turn]:
        """Which servers to try, in order; what their names mean is asked when their turn has come."""
        endpoints = list(self._plan.endpoints)
        if self._plan.options.get("load_balance_hosts") == "random":
            endpoints.sort(key=lambda _: self._context.clock.chance())
        if self._plan.options.get("target_session_attrs") != "prefer-standby":
            return [_Turn(endpoint) for endpoint in endpoints]
        roles = [{"target_session_attrs": role} for role in ("standby", "any")]
        return [_Turn(endpoint, role) for role in roles for endpoint in endpoints]

    # one server

    def _try(self, turn: _Turn, later: int) -> PGconn | None:
        """A connection to one server by any of its addresses; where there is none, `_failures` says why.

        Args:
            turn: whose it is.
            later: how many turns are to come; this one must not use up their time.
        """
        try:
            places = self._places(turn.endpoint, later)
        except InitkitError as error:
            self._failures.append((turn.endpoint, type(error)(self._task, error.cause, error.advice)))
            return None
        for number, place in enumerate(places):
            try:
                return self._let_in(place | dict(turn.options), self._limit(len(places) - number + later))
            except TemporaryError as error:
                self._failures.append((turn.endpoint, error))
                if isinstance(error, SuspectError):
                    break
        return None

    def _limit(self, attempts: int) -> float:
        """Seconds that the next of so many attempts may take, and not more than the address's ``connect_timeout``."""
        try:
            asked = float(self._plan.options.get("connect_timeout", "0"))
        except ValueError:
            asked = 0.0
        share = self._share(attempts)
        return min(share, asked) if asked > 0 else share

    def _share(self, attempts: int) -> float:
        left = self._wanted.ends - self._context.clock.now()
        if left <= 0:
            raise _silence(self._task, reached=False)
        return left / attempts

    def _places(self, endpoint: Endpoint, later: int) -> list[dict[str, str]]:
        """A server's addresses, as options for libpq."""
        if not endpoint.is_named:
            return [endpoint.options()]
        if endpoint.host not in self._addresses:
            self._addresses[endpoint.host] = self._resolved(endpoint.host, self._share(1 + later))
        addresses = list(self._addresses[endpoint.host])
        if not addresses:
            raise TemporaryError(self._task, f"{endpoint.host} has no address", "check the name and its namespace")
        if self._plan.options.get("load_balance_hosts") == "random":
            addresses.sort(key=lambda _: self._context.clock.chance())
        return [endpoint.options() | {"hostaddr": address} for address in addresses]

    def _resolved(self, host: str, seconds: float) -> Sequence[str]:
        if self._dial.resolve is not None:
            return self._dial.resolve(host, seconds)
        answer = self._context.clock.receive(_asking(host), seconds)
        if answer is None:
            raise TemporaryError(self._task, f"cannot resolve {host}: no answer", "check the cluster's DNS")
        if isinstance(answer, OSError):
            cause = f"cannot resolve {host}: {(answer.strerror or str(answer)).lower()}"
            raise TemporaryError(self._task, cause, "check the name and its namespace") from answer
        if isinstance(answer, UnicodeError):
            raise PermanentError(self._task, f"{host} can be no host's name", "mend the address") from answer
        return cast("Sequence[str]", answer)

    # one connection

    def _let_in(self, options: dict[str, str], limit: float) -> PGconn:
        from psycopg import pq  # noqa: PLC0415 - loaded already
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - loaded already

        conninfo = make_conninfo(self._wanted.address, **(dict(self._wanted.options) | options))
        pgconn = pq.PGconn.connect_start(conninfo.encode())
        try:
            states.tell_states(pgconn)
            self._drive(pgconn, self._context.clock.now() + limit)
        except BaseException:
            pgconn.finish()
            raise
        states.tell_plainly(pgconn)
        pgconn.nonblocking = 1  # as psycopg wants it
        return pgconn

    def _drive(self, pgconn: PGconn, ends: float) -> None:
        """Do what libpq asks for until we are in: https://www.postgresql.org/docs/current/libpq-connect.html."""
        from psycopg.pq import ConnStatus, PollingStatus  # noqa: PLC0415 - loaded already

        reached, state = False, int(PollingStatus.WRITING)
        while state != PollingStatus.OK:
            if state == PollingStatus.FAILED or pgconn.status == ConnStatus.BAD:
                raise self._refusal(pgconn)
            self._wait(pgconn.socket, state == PollingStatus.READING, ends, reached=reached)
            state = pgconn.connect_poll()
            if not reached and pgconn.status not in {ConnStatus.BAD, ConnStatus.STARTED, ConnStatus.NEEDED}:
                reached = True
                self._dial.reached()

    def _wait(self, descriptor: int, reading: bool, ends: float, *, reached: bool) -> None:  # noqa: FBT001 - a fact
        poll = select.poll()
        poll.register(descriptor, select.POLLIN if reading else select.POLLOUT)
        while True:
            self._context.stop.check()
            left = ends - self._context.clock.now()
            if left <= 0:
                raise _silence(self._task, reached=reached)
            if poll.poll(max(1.0, min(left, _LOOK) * 1000)):
                return

    def _refusal(self, pgconn: PGconn) -> InitkitError:
        import psycopg  # noqa: PLC0415 - loaded already

        said = states.read(pgconn.error_message)
        cause = psycopg.OperationalError(said.cause)
        cause.sqlstate = said.state or None
        error = refusal(said, self._task)
        error.__cause__ = cause
        return error


def log_in(wanted: Wanted, context: Context) -> PGconn:
    """A connection to the first server that lets us in; it leaves as soon as the context's end is asked for.

    Raises:
        NotThereError: nobody listens, anywhere.
        TemporaryError: no server is reached, answers in time or takes connections yet.
        SuspectError: one refuses this user, password or database.
        Stopped: the end was asked for.
    """
    return _Login(wanted, context).run()


def _silence(task: str, *, reached: bool) -> TemporaryError:
    if reached:
        advice = "check that it is a PostgreSQL server, and not overloaded"
        return TemporaryError(task, "no answer to the login", advice)
    return TemporaryError(task, "no answer", "check that it is running and may be reached")


def _asking(host: str) -> queue.SimpleQueue[Any]:
    """Where the system's answer about a name will be: its addresses, or an error. It may never come."""
    mailbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
            mailbox.put(list(dict.fromkeys(where[0] for *_, where in found)))
        except (OSError, UnicodeError) as error:
            mailbox.put(error)

    threading.Thread(target=ask, daemon=True, name="resolve").start()
    return mailbox
