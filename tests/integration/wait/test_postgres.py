"""Waiting for real PostgreSQL servers: until they let us in, and until what is asked for is so."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_daemon import free_port
from fix_peer import begins, silent
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, Stopped, SuspectError, TemporaryError
from initkit.core.stop import Stop
from initkit.steps.wait.net.names import Names
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_peer import Behaviour
    from fix_pg_clusters import Cluster

FAST = {"timeout": "10s", "interval": "10ms", "max-interval": "20ms"}


def wait(**options: object) -> Wait:
    given = {name.replace("_", "-"): value for name, value in options.items()}
    return assemble(Wait, {"targets": [{"postgres": given}], "retry": FAST})


def probed(context: Any = None, **options: object) -> str:
    return wait(**options).targets[0].probe(context or make_context(attempt_timeout=3.0))


def failed(context: Any = None, **options: object) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(context, **options)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


# letting in


def test_a_database_that_lets_us_in(postgres_url: str) -> None:
    assert probed(url=postgres_url) == "lets us in"


def test_a_database_that_is_created_late(postgres_server: str) -> None:
    url = urlunsplit(urlsplit(postgres_server)._replace(path="/created_late"))
    voice = RecordingVoice()

    def create() -> None:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute("create database created_late")

    timer = threading.Timer(0.4, create)
    timer.start()
    try:
        wait(url=url).watch(make_context(voice=voice))
    finally:
        timer.join()
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute("drop database if exists created_late with (force)")
    assert voice.missed[0][1] == 'database "created_late" does not exist'


def test_a_wrong_password_is_believed_once_it_was_answered_for_long_enough(german: Cluster) -> None:
    step = assemble(
        Wait,
        {
            "targets": [{"postgres": german.url("app:wrong-hunter2")}],
            "retry": FAST | {"suspect-for": "300ms"},
        },
    )
    with pytest.raises(PermanentError) as caught:
        step.watch(make_context())
    assert "Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen" in str(caught.value)
    assert "(the same answer " in str(caught.value)
    assert str(caught.value).endswith("; check user and password")
    assert "hunter2" not in str(caught.value)


def test_only_nobody_at_all_is_certain(starting: Cluster, german: Cluster) -> None:
    assert isinstance(failed(url=f"postgres://app@127.0.0.1:{free_port()}/x"), AbsentError)
    for url in (starting.url(), german.url("app:wrong"), "postgres://app@db.invalid/x"):
        assert not isinstance(failed(url=url), AbsentError)


def test_key_value_words_and_variables(english: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    words = f"host=127.0.0.1 port={english.port} user=app password=hunter2 dbname=shop"
    assert probed(url=words) == "lets us in"
    step = assemble(Wait, {"targets": [f"postgres:{words}"]})
    assert step.targets[0].probe(make_context()) == "lets us in"
    for name, value in (word.split("=") for word in words.replace("dbname", "database").split()):
        monkeypatch.setenv(f"PG{name.upper()}", value)
    assert probed(make_context(environ={"PGHOST": "127.0.0.1"})) == "lets us in"
    assert probed(url="postgres://") == "lets us in"


def test_an_address_from_a_variable_or_a_file(english: Cluster, tmp_path: Path) -> None:
    url, file = english.url("app:hunter2"), tmp_path / "url"
    assert probed(make_context(environ={"X": url}), url_env="X") == "lets us in"
    assert probed(make_context(environ={"DATABASE_URL": url})) == "lets us in"
    assert isinstance(failed(url_file=str(file)), SuspectError)
    file.write_text(f"{url}\n")
    assert probed(url_file=str(file)) == "lets us in"


def test_names_and_the_first_answer_are_shared_with_the_wait(english: Cluster, german: Cluster) -> None:
    reached: list[bool] = []
    plain = make_context()
    context = ProbeContext(**vars(plain), names=Names(plain.clock), reached=lambda: reached.append(True))
    assert probed(context, url=english.url("app:hunter2", host="localhost")) == "lets us in"
    failed(context, url=german.url("app:wrong"))
    assert reached == [True, True]
    failed(context, url=f"postgres://app@127.0.0.1:{free_port()}/x")
    assert len(reached) == 2


# what is asked


@pytest.fixture
def shop(english: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """A session of the superuser; what it makes in the schema ``lab`` is dropped."""
    with english.connect() as connection:
        connection.execute("create schema lab")
        connection.execute("grant usage on schema lab to app")
        yield connection
        connection.execute("drop schema lab cascade")


def test_a_table_that_is_created_late(english: Cluster, shop: psycopg.Connection[Any]) -> None:
    voice = RecordingVoice()
    timer = threading.Timer(0.3, shop.execute, ["create table lab.orders (id int)"])
    timer.start()
    wait(url=english.url("app:hunter2"), table="lab.orders").watch(make_context(voice=voice))
    timer.join()
    assert voice.missed[0][1] == "there is no table lab.orders"


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        ("table lab.orders (id int)", "LAB.Orders"),
        ('table lab."My Orders" (id int)', 'lab."My Orders"'),
        ("view lab.seen as select 1", "lab.seen"),
        ("materialized view lab.kept as select 1", "lab.kept"),
        ("table lab.parts (id int) partition by list (id)", "lab.parts"),
    ],
)
def test_tables_and_views(english: Cluster, shop: psycopg.Connection[Any], made: str, asked: str) -> None:
    error = failed(url=english.url("app:hunter2"), table=asked)
    assert isinstance(error, AbsentError)
    assert error.task == f"query 127.0.0.1:{english.port}/shop"
    shop.execute(f"create {made}")
    assert probed(url=english.url("app:hunter2"), table=asked) == f"has {asked}"


def test_what_is_no_table_or_may_not_be_seen(english: Cluster, shop: psycopg.Connection[Any]) -> None:
    shop.execute("create sequence lab.numbers")
    shop.execute("revoke all on schema lab from app")
    assert isinstance(failed(url=english.url(), table="lab.numbers"), AbsentError)
    error = failed(url=english.url("app:hunter2"), table="lab.numbers")
    assert isinstance(error, SuspectError)
    assert error.cause == "permission denied for schema lab"


@pytest.mark.parametrize(
    ("query", "expect"),
    [
        ("select true", None),
        ("select 0", None),
        ("select ''", None),
        ("select true", "true"),
        ("select true", "t"),
        ("select false", "false"),
        ("select 5", "5"),
        ("select 1.50", "1.50"),
        ("select 'like 100%' where 'a' like '%'", "like 100%"),
        ("select 'größer'", "größer"),
        ("select generate_series(1, 1000000)", "1"),
        ("values ('')", ""),
        ("show transaction_read_only", "on"),
        ("select 1;", "1"),
        ("with w as (select 2) select * from w -- really", "2"),
    ],
)
def test_queries_that_hold(english: Cluster, query: str, expect: str | None) -> None:
    more = {} if expect is None else {"expect": expect}
    assert probed(url=english.url("app:hunter2"), query=query, **more) == "answers the query"


@pytest.mark.parametrize(
    ("query", "expect", "cause"),
    [
        ("select false", None, "the query gives 'f', expected something true"),
        ("select null", None, "the query gives null, expected something true"),
        ("select null", "", "the query gives null, expected ''"),
        ("select 1 where false", None, "the query gives no row"),
        ("select count(*) from pg_class where relname = 'x'", "3", "the query gives '0', expected '3'"),
        ("select repeat('x', 100)", "y", f"the query gives '{'x' * 60}…', expected 'y'"),
        ("select * from lab.orders", None, 'relation "lab.orders" does not exist'),
        ("select nothing from pg_class", None, 'column "nothing" does not exist'),
        ("select nothing()", None, "function nothing() does not exist"),
    ],
)
def test_queries_that_do_not_hold_yet(english: Cluster, query: str, expect: str | None, cause: str) -> None:
    more = {} if expect is None else {"expect": expect}
    error = failed(url=english.url("app:hunter2"), query=query, **more)
    assert isinstance(error, AbsentError)
    assert error.cause == cause


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("selec 1", 'syntax error at or near "selec" (SQLSTATE 42601)'),
        ("select", "the query gives no column"),
        ("begin", "the query gives no column"),
        ("copy (select 1) to stdout", "the query gives no column"),
        ("select 1; select 2", "cannot insert multiple commands into a prepared statement (SQLSTATE 42601)"),
        ("vacuum", "VACUUM cannot run inside a transaction block (SQLSTATE 25001)"),
    ],
)
def test_what_is_no_query_is_permanent(english: Cluster, query: str, cause: str) -> None:
    error = failed(url=english.url("app:hunter2"), query=query)
    assert isinstance(error, PermanentError)
    assert error.cause == cause


def test_a_query_changes_nothing(english: Cluster, shop: psycopg.Connection[Any]) -> None:
    shop.execute("create table lab.orders (id int)")
    shop.execute(
        "create function lab.add() returns int language sql as 'insert into lab.orders values (1) returning id'"
    )
    for query in (
        "insert into lab.orders values (1) returning 1",
        "select lab.add()",
        "commit; insert into lab.orders values (1)",
        "select 1; commit; insert into lab.orders values (1)",
    ):
        assert isinstance(failed(url=english.url(), query=query), PermanentError)
    assert shop.execute("select count(*) from lab.orders").fetchone() == (0,)


def test_values_that_cannot_be_computed_just_now_and_rights_that_are_missing(english: Cluster) -> None:
    url = english.url("app:hunter2")
    assert type(failed(url=url, query="select 1 / 0")) is TemporaryError
    error = failed(url=url, query="select * from pg_authid")
    assert isinstance(error, SuspectError)
    assert error.cause == "permission denied for table pg_authid"


def test_a_query_that_takes_too_long_is_given_up_and_ended_in_the_server(
    english: Cluster, shop: psycopg.Connection[Any]
) -> None:
    began = time.monotonic()
    url = english.url("app:hunter2", application_name="sleeper")
    error = failed(make_context(attempt_timeout=0.5), url=url, query="select pg_sleep(60)")
    assert type(error) is TemporaryError
    assert error.cause == "no answer to the query"
    assert time.monotonic() - began < 15
    asked = "select count(*) from pg_stat_activity where application_name = 'sleeper'"
    while shop.execute(asked).fetchone() != (0,):
        assert time.monotonic() - began < 30
        time.sleep(0.02)


def test_a_table_that_is_locked_does_not_hold_up(english: Cluster, shop: psycopg.Connection[Any]) -> None:
    shop.execute("create table lab.orders (id int)")
    with shop.transaction():
        shop.execute("lock table lab.orders in access exclusive mode")
        began = time.monotonic()
        error = failed(make_context(attempt_timeout=0.5), url=english.url(), query="select * from lab.orders")
        assert error.cause == "no answer to the query"
        assert time.monotonic() - began < 15
        assert probed(url=english.url(), table="lab.orders") == "has lab.orders"


def test_a_signal_ends_a_query(english: Cluster) -> None:
    stop = Stop()
    threading.Timer(0.3, stop.request, [15]).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        probed(make_context(stop=stop, attempt_timeout=20), url=english.url(), query="select pg_sleep(60)")
    assert time.monotonic() - began < 15


LETS_IN = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"  # AuthenticationOk, ReadyForQuery


def trickling_rows(connection: socket.socket, over: threading.Event) -> None:
    """A row that never ends, a byte at a time."""
    connection.recv(4096)
    connection.sendall(b"D\0\0\x40\0\0\1")
    while not over.wait(0.02):
        connection.sendall(b"\0")


@pytest.mark.parametrize("then", [silent, trickling_rows])
def test_a_server_that_lets_us_in_and_never_answers(peer: Callable[[Behaviour], int], then: Behaviour) -> None:
    began = time.monotonic()

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(4096)
        begins(LETS_IN, then)(connection, over)

    port = peer(behave)
    error = failed(
        make_context(attempt_timeout=0.5), url=f"postgres://app@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
    )
    assert type(error) is TemporaryError
    assert error.cause == "no answer to the query"
    assert time.monotonic() - began < 15


# servers in their roles


def test_a_standby_lets_us_in_and_is_not_writable(english: Cluster, standby: Cluster) -> None:
    assert probed(url=english.url("app:hunter2"), writable="yes") == "is writable"
    assert probed(url=standby.url("app:hunter2")) == "lets us in"
    error = failed(url=standby.url("app:hunter2"), writable="yes")
    assert isinstance(error, AbsentError)
    assert (error.cause, error.advice) == ("it is in recovery", "wait for its promotion, or name the primary")


def test_a_read_only_default_is_not_writable(english: Cluster) -> None:
    url = english.url("app:hunter2", options="-c default_transaction_read_only=on")
    error = failed(url=url, writable="yes")
    assert isinstance(error, AbsentError)
    assert error.cause == "its transactions are read-only"


def several(*clusters: Cluster, **options: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgres://app:hunter2@{','.join(f'127.0.0.1:{c.port}' for c in clusters)}/shop?{query}"


def test_any_host_is_enough_unless_all_are_asked_for(english: Cluster, standby: Cluster, starting: Cluster) -> None:
    assert probed(url=several(starting, english)) == "lets us in"
    error = failed(url=several(english, starting), all_hosts="yes")
    assert type(error) is TemporaryError
    assert error.cause == f"127.0.0.1:{starting.port}: the database system is starting up"
    url = several(english, standby, target_session_attrs="primary")
    assert probed(url=url, all_hosts="yes") == "lets us in (on 2 hosts)"
    assert failed(url=url, all_hosts="yes", writable="yes").cause == f"127.0.0.1:{standby.port}: it is in recovery"
    assert probed(url=url, writable="yes") == "is writable"
    # libpq would be content with the first that lets us in
    assert probed(url=several(standby, english), writable="yes") == "is writable"
    assert type(failed(url=several(standby, starting), writable="yes")) is TemporaryError


def test_all_hosts_are_gone_only_once_none_is_up(english: Cluster) -> None:
    closed = free_port()
    error = failed(url=english.url("app:hunter2").replace("/shop", f",localhost:{closed}/shop"), all_hosts="yes")
    assert type(error) is TemporaryError
    assert error.cause == f"localhost:{closed}: connection refused"
    error = failed(url=f"postgres://app@127.0.0.1:{closed},localhost:{closed}/x", all_hosts="yes")
    assert isinstance(error, AbsentError)
    assert error.cause == "connection refused"
    error = failed(url=f"postgres://app@127.0.0.1:{closed}/x", all_hosts="yes")
    assert isinstance(error, AbsentError)


def test_hosts_that_are_sockets_are_told_apart(english: Cluster, tmp_path: Path) -> None:
    words = f"user=app password=hunter2 dbname=shop port={english.port}"
    one, other = tmp_path / "one", tmp_path / "other"
    error = failed(url=f"host={english.folder},{one} {words}", all_hosts="yes")
    assert type(error) is TemporaryError
    assert error.cause == f"{one}:{english.port}: no such file or directory"
    error = failed(url=f"host={one},{other} {words}", all_hosts="yes")
    assert isinstance(error, AbsentError)
    assert error.cause == "no such file or directory"


def test_addresses_of_one_name_are_hosts_of_their_own(english: Cluster) -> None:
    words = f"user=app password=hunter2 dbname=shop port={english.port} host=db,db"
    error = failed(url=f"{words} hostaddr=127.0.0.1,127.0.0.3", all_hosts="yes")
    assert type(error) is TemporaryError
    assert error.cause == f"db:{english.port}: connection refused"
    assert isinstance(failed(url=f"{words} hostaddr=127.0.0.2,127.0.0.3", all_hosts="yes"), AbsentError)


def test_a_look_up_without_an_answer_does_not_hold_up_the_host_before_it(
    english: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, asked = threading.Event(), []
    system = socket.getaddrinfo

    def look_up(host: Any, *words: Any, **options: Any) -> Any:
        if not options.get("flags") and "bad.example" in {host, str(host, "ascii") if isinstance(host, bytes) else ""}:
            asked.append(host)
            over.wait(20)
        return system(host, *words, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    plain = make_context(attempt_timeout=4.0)
    context = ProbeContext(**vars(plain), names=Names(plain.clock))
    url = english.url("app:hunter2")
    try:
        assert probed(context, url=url.replace("/shop", ",bad.example/shop")) == "lets us in"
        assert not asked
        assert probed(context, url=url.replace("127.0.0.1", "bad.example,127.0.0.1", 1)) == "lets us in"
        assert asked
    finally:
        over.set()


def test_all_hosts_of_a_service(
    english: Cluster, standby: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    ports = f"{english.port},{standby.port}"
    file.write_text(f"[shop]\nhost=127.0.0.1,localhost\nport={ports}\nuser=app\npassword=hunter2\ndbname=shop\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    assert probed(url="service=shop", all_hosts="yes") == "lets us in (on 2 hosts)"


def test_hosts_share_the_time_of_an_attempt(english: Cluster, peer: Callable[[Behaviour], int]) -> None:
    began = time.monotonic()
    url = english.url("app:hunter2").replace(
        f"127.0.0.1:{english.port}", f"127.0.0.1:{peer(silent)}," * 3 + "localhost:1"
    )
    failed(make_context(attempt_timeout=0.6), url=url, all_hosts="yes")
    assert time.monotonic() - began < 15


# the command line


def test_the_command_line(english: Cluster, shop: psycopg.Connection[Any]) -> None:
    shop.execute("create table lab.orders (id int)")
    url = english.url("app:hunter2")
    done = initkit(
        "wait", "postgres", "--table", "lab.orders", "--query", "select 7", "--expect", "7", env={"DATABASE_URL": url}
    )
    assert done.returncode == 0, done.stderr
    assert "has lab.orders, answers the query" in done.stderr
    words = f"postgres:host=127.0.0.1 port={english.port} user=app password=hunter2 dbname=shop"
    done = initkit("wait", words, url)
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert initkit("wait", "postgres", "--expect", "7", url).returncode == 2
