"""MySQL and MariaDB: logging in and asking for a row; connecting and TLS are the caller's, errors in `mysql_errors`."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import pymysql
from pymysql.constants import CLIENT

from initkit.core.errors import InitkitError, PermanentError, SuspectError
from initkit.core.record import Record
from initkit.db.mysql_errors import NO_MEANINGS, OTHER_PLUGIN, SYNTAX, UNKNOWN_VARIABLE, classify, nonsense

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.db.mysql_errors import Meanings

    Row = tuple[str | bytes | None, ...]

_PREPARE = "prepare the session"
_HANDSHAKE = 10  # the version of the handshake since MySQL 3.21


class Stream(Protocol):
    """A connection whose every call ends in time by itself; what it raises of `InitkitError` is passed on."""

    def settimeout(self, seconds: float | None) -> None:
        """Take no notice: the driver counts anew for each call."""
        ...

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def makefile(self, mode: str) -> Any:  # noqa: ANN401 - what the driver calls `read` and `close` of
        """For reading."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Login(Record):
    """Who logs in, and how.

    Attributes:
        user: its name.
        password: what its password is; empty for none.
        database: empty for none.
        secure: makes TLS of the stream, where the server offers it; None for no TLS.
        tls_required: whether there is no login without TLS.
        confidential: whether no stranger can read or pretend to be the server, so that a password may go as it is.
        local: whether it is a unix socket, on which MySQL sends passwords as on TLS.
    """

    user: str
    password: str = ""
    database: str = ""
    secure: Callable[[], None] | None = None
    tls_required: bool = False
    confidential: bool = False
    local: bool = False


class _Upgrade:
    """Stands where the driver expects an SSL context."""

    def __init__(self, secure: Callable[[], None]) -> None:
        self._secure = secure

    def wrap_socket(self, stream: Stream, **_: object) -> Stream:
        self._secure()
        return stream


class _NoClearText:
    """Answers a server that wants the password as it is, where somebody else could read it."""

    def __init__(self, connection: _Connection) -> None:
        self._task = connection.task

    def authenticate(self, _packet: object) -> None:
        cause = "the server asks for the password in clear text, and its certificate was not checked"
        raise SuspectError(self._task, cause, "give its CA (--ca), or use another account")


class _Connection(pymysql.connections.Connection):
    """The driver's connection: it dials nothing, and TLS is what the login says."""

    def __init__(self, login: Login, task: str) -> None:
        self.login = login
        self.task = task
        options: dict[str, Any] = {} if login.confidential else {"auth_plugin_map": _REFUSED}
        if login.secure:
            options["ssl"] = _Upgrade(login.secure)
        super().__init__(
            user=login.user,
            password=login.password.encode(),  # the driver would make Latin-1 of it
            database=login.database or None,
            ssl_disabled=login.secure is None,
            program_name="initkit/wait",
            autocommit=None,  # as the server has it
            conv={},  # values as the server writes them
            defer_connect=True,
            **options,
        )
        self._secure = login.local

    def _create_ssl_ctx(self, given: _Upgrade) -> _Upgrade:
        return given

    def _get_server_information(self) -> None:
        super()._get_server_information()  # type: ignore[misc] # the stubs leave it out
        if self.protocol_version != _HANDSHAKE:
            raise ValueError
        if self.ssl and not self.server_capabilities & CLIENT.SSL:
            if self.login.tls_required:
                raise SuspectError(self.task, "the server offers no TLS", "turn TLS on in the server")
            self.ssl = False
            self.client_flag &= ~CLIENT.SSL

    def rows(self) -> tuple[Row, ...]:
        """All rows of the last answer; a cursor would add nothing."""
        return tuple(self._result.rows or ()) if self._result else ()

    @property
    def has_columns(self) -> bool:
        """Whether the last statement was one that is answered by rows."""
        return self._result is not None and self._result.field_count > 0

    # what the stubs leave out
    protocol_version: int
    server_capabilities: int
    server_version: str
    _result: Any


_REFUSED = {"mysql_clear_password": _NoClearText}


class Server:
    """A session of a user who is logged in."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Take leave, so that the server does not count the connection as one that broke off."""
        if self._connection.open:
            self._connection.close()

    def row(self, sql: str, task: str, meanings: Meanings = NO_MEANINGS) -> Row | None:
        """The first row of a statement's answer; None where it has none.

        Args:
            sql: one statement.
            task: for messages.
            meanings: errors that mean something else here, by number.

        Raises:
            InitkitError: what `classify` makes of the server's error, or what the stream raised.
        """
        rows = self.rows(sql, task, meanings)
        return rows[0] if rows else None

    def query(self, sql: str, task: str, meanings: Meanings = NO_MEANINGS) -> Row | None:
        """The first row of a person's query, in a transaction that can only read and is rolled back.

        Raises:
            PermanentError: it is no query, or one that changes something.
            InitkitError: as `row` has it.
        """
        with self._reading():
            row = self.row(sql, task, meanings)
            if not self._connection.has_columns:
                raise PermanentError(task, "the query gives no column", "write a SELECT of at least one")
            return row

    def rows(self, sql: str, task: str, meanings: Meanings = NO_MEANINGS) -> tuple[Row, ...]:
        """All rows of a statement's answer, as `row` has it."""
        with _translated(task, meanings):
            self._connection.query(sql)
            return self._connection.rows()

    def limit(self, seconds: float) -> None:
        """Have the server end queries after so many seconds, and give one row of them, where it knows how to.

        A client that leaves does not end what it asked for: a query would go on, or wait for a lock for a day.
        """
        self.row(f"set session sql_select_limit = 1, lock_wait_timeout = {max(1, round(seconds))}", _PREPARE)
        if "mariadb" in self._connection.server_version.lower():
            limit = f"max_statement_time = {max(0.001, seconds):.3f}"
        else:
            limit = f"max_execution_time = {max(1, round(seconds * 1000))}"
        self._unless(f"set session {limit}", UNKNOWN_VARIABLE)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A transaction that can only read, where the server knows them (MySQL 5.6.5), and that is rolled back."""
        # for the session too: what commits by itself, as CREATE TABLE does, ends the transaction first
        self._unless("set session transaction read only", SYNTAX)
        if not self._unless("start transaction read only", SYNTAX):
            self.row("start transaction", _PREPARE)
        try:
            yield
        finally:
            with suppress(InitkitError):
                self.row("rollback", _PREPARE)

    def _unless(self, sql: str, number: int) -> bool:
        """Whether the server took it; False where it answers with the error of that number."""
        try:
            self.row(sql, _PREPARE, {number: _NotKnownError})
        except _NotKnownError:
            return False
        return True


class _NotKnownError(InitkitError):
    """The server does not have it."""


def log_in(stream: Stream, login: Login, task: str) -> Server:
    """A session; the stream is closed where it comes to none.

    Raises:
        SuspectError: the server refuses this user, password, database or host, or TLS is not to be had.
        TemporaryError: it is shutting down, has too many connections, or does not speak MySQL's protocol.
        InitkitError: what the stream or `login.secure` raised.
    """
    connection = _Connection(login, task)
    with _translated(task):
        connection.connect(stream)  # type: ignore[arg-type] # it uses no more of a socket than that
    return Server(connection)


@contextmanager
def _translated(task: str, meanings: Meanings = NO_MEANINGS) -> Iterator[None]:
    try:
        yield
    except InitkitError:
        raise
    except pymysql.err.MySQLError as error:
        raise classify(error.args, task, meanings) from error
    except RuntimeError as error:
        raise _without_package(error, task) from error
    except Exception as error:  # the driver trusts a server to keep to the protocol
        raise nonsense(task) from error


def _without_package(error: RuntimeError, task: str) -> InitkitError:
    """The driver's own words, which name what it would need to go on."""
    if "cryptography" in str(error):
        cause = "without TLS the server wants the password encrypted by RSA, which initkit does not do"
        return SuspectError(task, cause, "turn TLS on in the server, and leave out ssl-mode=DISABLED")
    if "pynacl" in str(error):
        return SuspectError(task, "the account logs in with ed25519, which initkit does not do", OTHER_PLUGIN)
    return nonsense(task)
