"""What it means that PostgreSQL does not let us in: temporary, suspect, or certainly not there; and what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from initkit.core.breaks import CLOSES
from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.printable import printable
from initkit.core.record import Record
from initkit.db.pg.states import Said, read

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import psycopg


class NotThereError(TemporaryError):
    """What was asked for is certainly not there just now: every port refuses, or what a query names does not exist."""


class _Meaning(Record):
    """What is made of a refusal; `cause` is told instead of words of libpq's that differ for one and the same fault."""

    advice: str = ""
    kind: type[InitkitError] = TemporaryError
    cause: str = ""


def _suspect(advice: str) -> _Meaning:
    return _Meaning(advice, SuspectError)


_NO_RULE = _suspect("let this user and host in by pg_hba.conf (a hostssl rule needs sslmode=require in the URL)")
_NO_LOGIN = _suspect("give the role the LOGIN attribute")
_NO_ROLE = _suspect("create the role, or mend the user's name")
_NO_DATABASE = _suspect("create the database, or mend its name")
_PASSWORD = _suspect("check user and password")
_CERTIFICATE = _suspect("check the certificate, its name, and sslrootcert, sslcert and sslkey in the URL")
_OPTIONS = _suspect("check the options in the URL and in PG* variables")
_NO_POSTGRES = _Meaning("check that it is a PostgreSQL server that listens there", cause="it does not speak PostgreSQL")
# by chance it closes or resets, while we write or while we read: the words would change from attempt to attempt
_CLOSES = _Meaning("see its log, or check that it is a PostgreSQL server", cause=CLOSES)
# https://www.postgresql.org/docs/current/errcodes-appendix.html; the longest prefix counts
_STATES = {
    "0A": _OPTIONS,  # a protocol, or an option of it, that the server does not know
    "22": _OPTIONS,
    "28": _suspect("check that the role exists and may log in, and that pg_hba.conf lets it in"),
    "28P01": _PASSWORD,
    "3D": _NO_DATABASE,
    "42": _OPTIONS,
    "42501": _suspect("grant CONNECT on the database to this user"),
    "53300": _Meaning("wait for other sessions to end, or raise the limit on connections"),
    "55000": _suspect("alter the database to allow connections"),
    "57P03": _Meaning("if it stays so, see the server's log"),
}
# functions of the server's source code; all of these give 28000
_FUNCTIONS = {
    "ClientAuthentication": _NO_RULE,
    "InitializeSessionUserId": _suspect("create the role, or give it the LOGIN attribute"),
}
# What libpq itself says, in our language; and servers and poolers that give no code, or one for everything (08P01).
_WORDS = {
    "password authentication failed": _PASSWORD,
    "sasl authentication failed": _PASSWORD,
    "no password supplied": _suspect("give a password in the URL, or as PGPASSWORD"),
    "no such user": _NO_ROLE,
    "no such database": _NO_DATABASE,
    "pg_hba.conf": _NO_RULE,
    "does not support ssl": _suspect("set sslmode=disable, or turn SSL on in the server"),
    "ssl required": _suspect("set sslmode=require in the URL"),
    "channel binding": _OPTIONS,
    "authentication method requirement": _OPTIONS,
    "certificate": _CERTIFICATE,
    "private key file": _CERTIFICATE,
    "unknown ca": _CERTIFICATE,
    "is not permitted to log in": _NO_LOGIN,
    "session is read-only": _Meaning("the URL asks for a server that may be written to (target_session_attrs)"),
    "session is not read-only": _Meaning("the URL asks for a read-only server (target_session_attrs)"),
    "hot standby mode": _Meaning("the URL asks for a server in another role (target_session_attrs)"),
    "received invalid response": _NO_POSTGRES,
    "received invalid protocol negotiation message": _NO_POSTGRES,
    "expected authentication request": _NO_POSTGRES,
    "closed the connection unexpectedly": _CLOSES,
    "unexpected eof": _CLOSES,
    "eof detected": _CLOSES,
    **{os.strerror(number).lower(): _CLOSES for number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)},
}
_NAMED = {'role "': _NO_ROLE, 'user "': _NO_ROLE, 'database "': _NO_DATABASE}
_VAGUE = ("", "08", "28000", "58", "XX")
_ABSENT = {os.strerror(number): number for number in (errno.ECONNREFUSED, errno.ENOENT)}  # as libpq has it, too


def refusal(said: Said, task: str, *, done: str = "") -> InitkitError:
    """What a failed login means for us.

    Returns:
        a `NotThereError` where nobody listens, a `SuspectError` where a person must probably act, else a
        `TemporaryError`.
    """
    if not said.state and said.cause in _ABSENT:
        return NotThereError(task, said.cause.lower(), "check that it is running", done=done)
    meaning = _meaning(said)
    cause = said.cause if said.state else meaning.cause or said.cause
    return meaning.kind(task, cause, meaning.advice, done=done)


def _meaning(said: Said) -> _Meaning:
    if not said.state or said.state.startswith(_VAGUE[1:]):
        by_words = _by_words(said.cause.lower())
        if by_words is not None:
            return by_words
    if said.function in _FUNCTIONS and said.state == "28000":
        return _FUNCTIONS[said.function]
    prefixes = (said.state[:length] for length in (5, 2))
    return next((_STATES[prefix] for prefix in prefixes if prefix in _STATES), _Meaning())


def _by_words(cause: str) -> _Meaning | None:
    for words, meaning in _WORDS.items():
        if words in cause:
            return meaning
    missing = "does not exist" in cause
    return next((meaning for words, meaning in _NAMED.items() if missing and words in cause), None)


def together(failures: Sequence[tuple[Hashable, InitkitError]], task: str, *, hosts: int) -> InitkitError:
    """One error for all that went wrong: the most telling for each host; hosts are named unless all say the same.

    Args:
        failures: the host, as text or as what writes itself so, and what happened there, in the address's order.
        task: for messages.
        hosts: how many there are, those where nothing went wrong included.

    Returns:
        an error of the most telling one's kind; a `NotThereError` only where there is nothing on any host.
    """
    telling: dict[Hashable, InitkitError] = {}
    for host, error in failures:
        if host not in telling or _rank(error) > _rank(telling[host]):
            telling[host] = error
    first = max(telling.values(), key=_rank)
    causes = dict.fromkeys(error.cause for error in telling.values())
    alike = len(causes) == 1 and len(telling) == hosts
    cause = first.cause if alike else ", ".join(f"{host}: {error.cause}" for host, error in telling.items())
    somewhere = isinstance(first, NotThereError) and len(telling) < hosts
    kind = TemporaryError if somewhere else type(first)
    failure = kind(task, cause, first.advice)
    failure.__cause__ = first.__cause__
    return failure


def _rank(error: InitkitError) -> int:
    if isinstance(error, PermanentError):  # one host's name that can be none leaves the others
        return 0
    if isinstance(error, NotThereError):
        return 1
    if isinstance(error, SuspectError):
        return 4
    return 3 if error.__cause__ is not None else 2


_TEMPORARY_STATES = ("08", "40", "53", "57", "58", "55P03", "25006")
_WRITABLE = "name the primary, which may be written to; see default_transaction_read_only"
_SUSPECT_STATES = ("28", "3D", "3F", "42501")
_LONGEST = 1000  # characters of what is wrong with a statement: it may quote a row


def classify(error: Exception, task: str, *, done: str = "") -> InitkitError:
    """What a driver's error means for us: temporary, suspect or permanent."""
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    if not isinstance(error, psycopg.Error):
        raise error
    state = error.sqlstate or ""
    if not state and isinstance(error, psycopg.OperationalError):
        said = read(str(error).encode()) if str(error) else Said(type(error).__name__)
        return refusal(said, task, done=done)
    cause = _cause(error)
    if state.startswith(_TEMPORARY_STATES):
        return TemporaryError(task, cause, _WRITABLE if state == "25006" else "", done=done)
    if state.startswith(_SUSPECT_STATES):
        return SuspectError(task, cause, "check the user's rights and the names", done=done)
    return PermanentError(task, f"{cause} (SQLSTATE {state})" if state else cause, done=done)


def _cause(error: psycopg.Error) -> str:
    primary = error.diag.message_primary
    if primary:
        detail = error.diag.message_detail
        return printable(f"{primary} ({detail})" if detail else primary, _LONGEST)
    return next((printable(line, _LONGEST) for line in str(error).split("\n") if line.strip()), type(error).__name__)
