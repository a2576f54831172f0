"""What libpq's text says about a login that failed, and what that means."""

from __future__ import annotations

import psycopg
import pytest

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.db.pg.refusals import NotThereError, classify, refusal, together
from initkit.db.pg.states import Said, read

AT = 'connection to server at "db" (10.0.0.7), port 5432 failed: '


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            AT + 'FATAL:  28P01: password authentication failed for user "app"\nLOCATION:  auth_failed, auth.c:335\n',
            Said('password authentication failed for user "app"', "28P01", "auth_failed"),
        ),
        (
            AT + "ÖLÜMCÜL (FATAL):  3D000: böyle değil\nLOCATION:  InitPostgres, postinit.c:1001\n",
            Said("böyle değil", "3D000", "InitPostgres"),
        ),
        (
            AT + "FATAL:  42501: no\nDETAIL:  Why it is so.\nHINT:  what to do\nLOCATION:  f, x.c:1\n",
            Said("no (Why it is so.)", "42501", "f"),
        ),
        (
            f"{AT}FATAL:  28000: one\nLOCATION:  a, x.c:1\n{AT}FATAL:  28P01: two\nDETAIL:  d\nLOCATION:  b, x.c:1\n",
            Said("one", "28000", "a"),
        ),
        (AT + "FATAL:  the database system is starting up\n", Said("the database system is starting up")),
        (AT + "ВАЖНО:  система баз данных запускается\n", Said("система баз данных запускается")),
        (AT + "Connection refused\n\tIs the server running on that host?\n", Said("Connection refused")),
        (
            AT + 'authentication method requirement "md5" failed: server requested SASL authentication',
            Said('authentication method requirement "md5" failed: server requested SASL authentication'),
        ),
        ('connection to server on socket "/x/.s.PGSQL.5432" failed: No such file\n', Said("No such file")),
        ("something of libpq's own\n", Said("something of libpq's own")),
        ("", Said("no reason was given")),
        (AT + "FATAL:  28P01: a\x1b[31m \x07\x9b\u202e\rb\nLOCATION:  f, x.c:1\n", Said("a [31m     b", "28P01", "f")),
        (AT + "FATAL:  a\x1b[31m\x85b\n", Said("a [31m b")),
        (AT + f"FATAL:  28P01: {'x' * 900}\nLOCATION:  f, x.c:1\n", Said("x" * 200 + "…", "28P01", "f")),
        (AT + f"FATAL:  {'x' * 900}\n", Said("x" * 200 + "…")),
    ],
)  # fmt: skip
def test_messages_are_read(message: str, said: Said) -> None:
    assert read(message.encode()) == said


def test_another_encoding_is_read_as_well_as_may_be() -> None:
    assert read((AT + "FATAL:  28P01: für »app«").encode("latin-1")).cause == "für »app«"


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        (Said("x", "28P01"), SuspectError, "check user and password"),
        (Said("x", "28000"), SuspectError, "pg_hba.conf lets it in"),
        (Said("x", "57P03"), TemporaryError, "log"),
        (Said("x", "53300"), TemporaryError, "sessions"),
        (Said("x", "99999"), TemporaryError, ""),
        (Said("no such database: x", "08P01"), SuspectError, "create the database"),
        (Said("no such user: x", "08P01"), SuspectError, "create the role"),
        (Said("SSL error: certificate verify failed"), SuspectError, "certificate"),
        (Said('database "x" does not exist', "57P03"), TemporaryError, "log"),
        (Said('too many connections for database "x"'), TemporaryError, ""),
        (Said("Connection refused"), NotThereError, "running"),
        (Said("server closed the connection unexpectedly"), TemporaryError, "PostgreSQL"),
        (Said("Connection timed out"), TemporaryError, ""),
    ],
)
def test_meanings(said: Said, kind: type[InitkitError], advice: str) -> None:
    error = refusal(said, "connect", done="half")
    assert type(error) is kind
    assert advice in error.advice
    assert error.done == "half"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("received invalid response to SSL negotiation: \x15", "it does not speak PostgreSQL"),
        ("received invalid response to GSSAPI negotiation: x", "it does not speak PostgreSQL"),
        ("expected authentication request from server, but received H", "it does not speak PostgreSQL"),
        ("server closed the connection unexpectedly", "it closes the connection"),
        ("Connection reset by peer", "it closes the connection"),
        ("could not receive data from server: Connection reset by peer", "it closes the connection"),
        ("could not send startup packet: Broken pipe", "it closes the connection"),
        ("SSL SYSCALL error: EOF detected", "it closes the connection"),
        ("SSL error: unexpected eof while reading", "it closes the connection"),
    ],
)
def test_words_that_differ_by_chance_are_told_as_one_cause(words: str, cause: str) -> None:
    error = refusal(read(f"{AT}{words}\n".encode()), "connect")
    assert (type(error), error.cause) == (TemporaryError, cause)
    assert "PostgreSQL server" in error.advice


def test_a_server_s_own_words_are_never_replaced() -> None:
    said = Said("server closed the connection unexpectedly", "08P01")
    assert refusal(said, "connect").cause == said.cause


def test_words_about_a_statement_are_made_printable() -> None:
    error = classify(psycopg.InterfaceError(f"a\x1b[31m\x07 b{'x' * 2000}\nc"), "do it")
    assert error.cause == f"a [31m  b{'x' * 991}…"


REFUSED = NotThereError("t", "connection refused", "check that it is running")
SILENT = TemporaryError("t", "no answer", "look")
WRONG = SuspectError("t", "wrong password", "mend it")
NO_NAME = PermanentError("t", "no name", "mend the name")


@pytest.mark.parametrize(
    ("failures", "kind", "cause"),
    [
        ([("a", REFUSED), ("b", REFUSED)], NotThereError, "connection refused"),
        ([("a", REFUSED), ("b", SILENT)], TemporaryError, "a: connection refused, b: no answer"),
        ([("a", REFUSED), ("a", SILENT)], TemporaryError, "no answer"),
        ([("a", SILENT), ("b", WRONG)], SuspectError, "a: no answer, b: wrong password"),
        ([("a", NO_NAME), ("b", REFUSED)], NotThereError, "a: no name, b: connection refused"),
        ([("a", NO_NAME)], PermanentError, "no name"),
    ],
)
def test_one_error_for_many(failures: list[tuple[str, InitkitError]], kind: type[InitkitError], cause: str) -> None:
    error = together(failures, "connect", hosts=len({host for host, _ in failures}))
    assert (type(error), error.task, error.cause) == (kind, "connect", cause)


def test_where_only_some_hosts_failed_they_are_named() -> None:
    assert together([("b", SILENT)], "connect", hosts=2).cause == "b: no answer"


def test_what_is_there_on_one_host_is_not_gone() -> None:
    error = together([("b", REFUSED)], "connect", hosts=2)
    assert (type(error), error.cause) == (TemporaryError, "b: connection refused")
    assert type(together([("b", WRONG)], "connect", hosts=2)) is SuspectError
