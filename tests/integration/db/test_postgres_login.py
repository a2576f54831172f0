"""Logging in to real PostgreSQL servers in each of their states and languages, and to what is none."""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from fix_clock import make_context
from fix_peer import answers, begins, closes, echoes, floods, garbage, http, resets, silent, trickles
from fix_pg_clusters import connect, crowded, refused

from initkit.core.errors import Stopped, SuspectError, TemporaryError
from initkit.core.stop import Stop
from initkit.db import postgres
from initkit.db.dsn import find, parse_dsn
from initkit.db.pg import states
from initkit.db.pg.refusals import NotThereError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_peer import Behaviour
    from fix_pg_clusters import Cluster
    from fix_tls import PrivateCa

    Peer = Callable[[Behaviour], int]


def as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))


# who is let in


def test_it_connects_and_says_who_it_is(postgres_url: str) -> None:
    with connect(postgres_url) as connection:
        assert connection.execute("show application_name").fetchone() == ("initkit/test",)


@pytest.mark.parametrize("where", ["address", "environment"])
def test_another_application_may_be_named(postgres_url: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = "&" if "?" in postgres_url else "?"
    if where == "environment":
        monkeypatch.setenv("PGAPPNAME", "mine")
    with connect(postgres_url + (f"{mark}application_name=mine" if where == "address" else "")) as connection:
        assert connection.execute("show application_name").fetchone() == ("mine",)


def test_the_right_password_lets_us_in(postgres_scram: str) -> None:
    with connect(as_user(postgres_scram, "app:hunter2")) as connection:
        assert connection.execute("select current_user").fetchone() == ("app",)


def test_options_of_the_connection_are_as_psycopg_has_them(postgres_url: str) -> None:
    database, context = find(parse_dsn(postgres_url), "--url"), make_context()
    with postgres.connect(database, context, role="test", prepare_threshold=None) as connection:
        assert (connection.autocommit, connection.prepare_threshold) == (False, None)
        connection.rollback()


def test_errors_of_statements_are_worded_as_usual(postgres_url: str) -> None:
    with connect(postgres_url) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("select 1 / 0")
    assert str(caught.value) == "division by zero"


# refusals, in any language

PASSWORD = "check user and password"
NO_RULE = "let this user and host in by pg_hba.conf (a hostssl rule needs sslmode=require in the URL)"
NO_DATABASE = "create the database, or mend its name"
PLACES = "wait for other sessions to end, or raise the limit on connections"
REFUSALS = [
    ("app:wrong-hunter2", "shop", "28P01", PASSWORD),
    ("stranger", "shop", "28000", NO_RULE),
    ("app:hunter2", "not_there", "3D000", NO_DATABASE),
    ("app:hunter2", "closed", "55000", "alter the database to allow connections"),
    ("app:hunter2", "private", "42501", "grant CONNECT on the database to this user"),
]
ROLES = [
    ("nobody_knows", "create the role, or mend the user's name"),
    ("sleeper", "give the role the LOGIN attribute"),
]


@pytest.fixture(params=["english", "german", "latin"])
def server(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize(("user", "database", "state", "advice"), REFUSALS)
def test_a_refusal_is_suspect_and_says_what_to_do_in_whatever_language(
    server: Cluster, user: str, database: str, state: str, advice: str
) -> None:
    error = refused(server.url(user, database))
    assert isinstance(error, SuspectError)
    assert error.advice == advice
    assert isinstance(error.__cause__, psycopg.Error)
    assert error.__cause__.sqlstate == state
    assert state not in error.cause


@pytest.mark.parametrize(("user", "advice"), ROLES)
def test_a_role_that_is_missing_or_may_not_log_in(english: Cluster, german: Cluster, user: str, advice: str) -> None:
    error = refused(english.url(user))
    assert isinstance(error, SuspectError)
    assert error.advice == advice
    foreign = refused(german.url(user))
    assert isinstance(foreign, SuspectError)
    assert foreign.advice == "create the role, or give it the LOGIN attribute"


def test_the_server_s_words_are_kept(english: Cluster, german: Cluster, latin: Cluster) -> None:
    assert refused(english.url("app:wrong-hunter2")).cause == 'password authentication failed for user "app"'
    words = "Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen"
    assert refused(german.url("app:wrong-hunter2")).cause == words
    assert refused(latin.url("app:wrong-hunter2")).cause == words


def test_no_password_where_one_is_asked_for(english: Cluster) -> None:
    error = refused(english.url("app"))
    assert isinstance(error, SuspectError)
    assert "no password supplied" in error.cause
    assert error.advice == "give a password in the URL, or as PGPASSWORD"


@pytest.mark.parametrize(("user", "database", "advice"), [(user, name, to_do) for user, name, _, to_do in REFUSALS[:3]])
def test_without_codes_english_words_are_understood(
    english: Cluster, user: str, database: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "_libpq", lambda: None)
    error = refused(english.url(user, database))
    assert isinstance(error, SuspectError)
    assert error.advice == advice
    assert isinstance(error.__cause__, psycopg.Error)
    assert error.__cause__.sqlstate is None


def test_an_option_that_the_server_does_not_know_is_suspect(english: Cluster) -> None:
    error = refused(english.url(options="-c nonsense=1"))
    assert isinstance(error, SuspectError)
    assert error.cause == 'unrecognized configuration parameter "nonsense"'
    assert error.advice == "check the options in the URL and in PG* variables"


# not ready


def test_a_server_that_is_starting_up_is_temporary(starting: Cluster) -> None:
    error = refused(starting.url())
    assert type(error) is TemporaryError
    assert error.cause == "the database system is starting up"


def test_a_server_in_recovery_that_lets_nobody_in_is_temporary(recovering: Cluster) -> None:
    error = refused(recovering.url())
    assert type(error) is TemporaryError
    assert error.cause == "the database system is not accepting connections (Hot standby mode is disabled.)"


def test_too_many_clients_are_temporary(english: Cluster, german: Cluster) -> None:
    with crowded(english):
        error = refused(english.url("app:hunter2"))
    assert type(error) is TemporaryError
    assert error.advice == PLACES
    for server in (english, german):
        few = refused(server.url("few"))
        assert type(few) is TemporaryError
        assert few.advice == PLACES


def test_a_server_that_goes_away_and_comes_back(new_cluster: Callable[[str], Cluster]) -> None:
    cluster = new_cluster("comes_back")
    assert isinstance(refused(cluster.url()), NotThereError)
    with cluster.running():
        connect(cluster.url()).close()
        connect(f"host={cluster.folder} port={cluster.port} user=admin dbname=shop").close()
    assert isinstance(refused(cluster.url()), NotThereError)


# SSL


def test_ssl_that_the_server_does_not_have_is_suspect(german: Cluster) -> None:
    error = refused(german.url("app:hunter2", sslmode="require"))
    assert isinstance(error, SuspectError)
    assert error.cause == "server does not support SSL, but SSL was required"
    assert error.advice == "set sslmode=disable, or turn SSL on in the server"


def test_ssl_that_the_server_demands_is_suspect_where_it_is_turned_off(english: Cluster) -> None:
    connect(english.url("tlsonly:hunter2")).close()
    error = refused(english.url("tlsonly:hunter2", sslmode="disable"))
    assert isinstance(error, SuspectError)
    assert "no encryption" in error.cause
    assert error.advice == NO_RULE


def test_where_both_ways_were_tried_the_encrypted_one_is_told(english: Cluster) -> None:
    assert "SSL encryption" in refused(english.url("stranger")).cause


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_that_is_vouched_for(english: Cluster, private_ca: PrivateCa, host: str) -> None:
    url = english.url("app:hunter2", host=host, sslmode="verify-full", sslrootcert=private_ca.ca)
    with connect(url) as connection:
        assert connection.pgconn.ssl_in_use


def test_a_certificate_of_another_ca_or_for_another_name_is_suspect(
    english: Cluster, private_ca: PrivateCa, other_ca: PrivateCa, tmp_path: Path
) -> None:
    full = {"sslmode": "verify-full", "sslrootcert": private_ca.ca}
    wrong = [
        (english.url(**full | {"sslrootcert": other_ca.ca}), "certificate verify failed"),
        (english.url(host="db.example", hostaddr="127.0.0.1", **full), 'does not match host name "db.example"'),
        (english.url(**full | {"sslrootcert": str(tmp_path / "missing")}), "does not exist"),
    ]
    for url, cause in wrong:
        error = refused(url)
        assert isinstance(error, SuspectError)
        assert cause in error.cause
        assert error.advice == "check the certificate, its name, and sslrootcert, sslcert and sslkey in the URL"


# what is no PostgreSQL

ERROR_WITHOUT_END = b"E\0\0\x40\0SFATAL\0"


@pytest.mark.parametrize(
    "behaviour",
    [
        http,
        closes,
        resets,
        garbage,
        echoes,
        begins(b"SSH-2.0-OpenSSH_9.2\r\n"),
        floods(b"\xff" * 4096),
        answers(b"N", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        answers(b"N", b""),
        answers(b"S", b"no TLS at all\r\n" * 10),
    ],
)  # fmt: skip
def test_what_is_no_postgresql_is_temporary(peer: Peer, behaviour: Behaviour) -> None:
    error = refused(f"postgres://app:hunter2@127.0.0.1:{peer(behaviour)}/shop", attempt_timeout=1.0)
    assert type(error) is TemporaryError
    assert error.cause


def random_bytes(connection: socket.socket, over: threading.Event) -> None:
    """Other bytes each time; not those by which libpq sees an answer to its first question."""
    connection.sendall(bytes([random.choice(b"\0\x15\x1bHx\x85\xff")]) + random.randbytes(500))
    silent(connection, over)


@pytest.mark.parametrize("mode", ["prefer", "require", "disable"])
@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (random_bytes, "it does not speak PostgreSQL"),
        (http, "it does not speak PostgreSQL"),
        (closes, "it closes the connection"),
        (resets, "it closes the connection"),
    ],
)
def test_one_fault_has_one_cause(peer: Peer, behaviour: Behaviour, cause: str, mode: str) -> None:
    url = f"postgres://app:hunter2@127.0.0.1:{peer(behaviour)}/shop?sslmode={mode}"
    assert {refused(url).cause for _ in range(20)} == {cause}


def error_of(words: bytes) -> bytes:
    """ErrorResponse: https://www.postgresql.org/docs/current/protocol-message-formats.html."""
    fields = b"SFATAL\0VFATAL\0C57P03\0M" + words + b"\0Fx.c\0L1\0Rf\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def test_a_server_s_words_cannot_act_on_a_terminal_and_end(peer: Peer) -> None:
    words = "a\x1b[31m\x07\r\x9b\u202eb ".encode() + b"x" * 900
    error = refused(f"postgres://app:hunter2@127.0.0.1:{peer(answers(b'N', error_of(words)))}/shop")
    assert error.cause.startswith("a [31m    b xxx")
    assert error.cause.isprintable()
    assert len(error.cause) == 201


@pytest.mark.parametrize(
    "behaviour",
    [
        silent,
        trickles,
        floods(b"N"),
        answers(b"N"),
        answers(b"S"),
        answers(b"N", ERROR_WITHOUT_END),
        answers(b"N", b"R\0\0\0\x08\0\0\0\0"),
    ],
)  # fmt: skip
def test_what_never_comes_to_an_end_is_given_up_in_time(peer: Peer, behaviour: Behaviour) -> None:
    address = f"127.0.0.1:{peer(behaviour)}"
    began = time.monotonic()
    error = refused(f"postgres://app:hunter2@{address},{address}/shop?connect_timeout=20", attempt_timeout=0.4)
    assert type(error) is TemporaryError
    assert time.monotonic() - began < 15, "connect_timeout alone would take 20 s for each host"


def test_silence_is_told_apart_from_no_connection(peer: Peer) -> None:
    error = refused(f"postgres://app@127.0.0.1:{peer(silent)}/shop", attempt_timeout=0.3)
    assert error.cause == "no answer to the login"
    with full_queue() as port:
        error = refused(f"postgres://app@127.0.0.1:{port}/shop", attempt_timeout=0.3)
    assert (error.cause, error.advice) == ("no answer", "check that it is running and may be reached")


class full_queue:  # noqa: N801 - a context manager
    """A port whose queue is full drops further connections without a word (tcp(7), somaxconn)."""

    def __enter__(self) -> int:
        self.server = socket.socket()
        self.server.bind(("127.0.0.1", 0))
        self.server.listen(0)
        self.queued = [socket.socket() for _ in range(4)]
        for one in self.queued:
            one.settimeout(0)
            one.connect_ex(self.server.getsockname())
        return int(self.server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        for one in (*self.queued, self.server):
            one.close()


def test_the_deadline_ends_an_attempt_too(peer: Peer) -> None:
    url = f"postgres://app:hunter2@127.0.0.1:{peer(silent)}/shop"
    began = time.monotonic()
    assert refused(url, timeout=0.2, attempt_timeout=60.0).cause == "no answer to the login"
    assert time.monotonic() - began < 15


def test_an_attempt_that_is_given_up_leaves_no_connection(peer: Peer) -> None:
    left = threading.Event()

    def listen(connection: socket.socket, _over: threading.Event) -> None:
        while connection.recv(4096):
            pass
        left.set()

    refused(f"postgres://app:hunter2@127.0.0.1:{peer(listen)}/shop", attempt_timeout=0.2)
    assert left.wait(15)


def test_a_signal_ends_the_wait_for_an_answer(peer: Peer) -> None:
    stop = Stop()
    threading.Timer(0.2, stop.request, [15]).start()
    with pytest.raises(Stopped):
        connect(f"postgres://app:hunter2@127.0.0.1:{peer(silent)}/shop", stop=stop, attempt_timeout=60.0)


def test_no_connection_is_begun_once_the_end_was_asked_for(postgres_url: str) -> None:
    stop = Stop()
    stop.request(15)
    with pytest.raises(Stopped):
        connect(postgres_url, stop=stop)


def test_codes_are_had_from_this_very_libpq() -> None:
    library = states._libpq()
    assert library is not None
    assert library.PQlibVersion() == psycopg.pq.version()


@pytest.fixture
def looked_for_anew() -> Iterator[None]:
    states._libpq.cache_clear()
    yield
    states._libpq.cache_clear()


@pytest.mark.usefixtures("looked_for_anew")
def test_where_this_libpq_cannot_be_found_logins_work_without_codes(
    english: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, psycopg.pq.PGconn.__module__)
    connect(english.url()).close()
    assert states._libpq() is None


@pytest.mark.usefixtures("looked_for_anew")
def test_where_psycopg_has_no_way_to_find_it_logins_work_without_codes(
    english: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.pq, "__impl__", "python")
    monkeypatch.delattr("psycopg.pq.misc.find_libpq_full_path")
    connect(english.url()).close()
    assert states._libpq() is None
