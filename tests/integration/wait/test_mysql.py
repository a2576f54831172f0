"""Waiting for MySQL and MariaDB: a real MariaDB in every state, and made-up servers for what it does not do."""

from __future__ import annotations

import contextlib
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pymysql
import pytest
from fix_clock import make_context
from fix_mysql_fake import OK, Talk, error, greeting, mysql_fake, packet, row
from fix_need import need
from fix_peer import begins, closes, floods, garbage, http, resets, silent, trickles
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.steps.wait.schemes.mysql import Mysql
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_mysql import MariaDb
    from fix_peer import Behaviour
    from fix_tls import PrivateCa


def probed(url: str, *, seconds: Any = 5, **options: str) -> str:
    given = {"url": url} | {key.replace("_", "-"): value for key, value in options.items()}
    return assemble(Mysql, given).probe(make_context(attempt_timeout=seconds))


def failed(url: str, *, seconds: Any = 5, **options: str) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(url, seconds=seconds, **options)
    assert "hunter2" not in str(caught.value)
    return caught.value


# logging in


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_user_and_password_are_let_in(mariadb: MariaDb, scheme: str) -> None:
    assert probed(mariadb.url(scheme=scheme)) == "lets us in"


def test_no_database_need_be_named(mariadb: MariaDb) -> None:
    assert probed(mariadb.url("bare", "")) == "lets us in"


def test_names_and_passwords_of_any_letters_are_let_in(mariadb: MariaDb) -> None:
    assert probed(mariadb.url(f"{quote('ünï')}:{quote('pä$$wörd€')}")) == "lets us in"


def test_a_unix_socket_is_taken_instead_of_host_and_port(mariadb: MariaDb) -> None:
    assert probed(f"mysql://root@/shop?unix_socket={mariadb.socket}") == "lets us in"


def test_the_program_waits_for_the_url_of_a_variable(mariadb: MariaDb) -> None:
    ended = initkit("wait", "mysql", "--url-env", "DB", env={"DB": mariadb.url(scheme="mysql+pymysql")})
    assert ended.returncode == 0
    assert "mysql ($DB) lets us in" in ended.stderr


def test_the_program_gives_up_a_wrong_password_without_saying_it(mariadb: MariaDb) -> None:
    ended = initkit("wait", "mysql", mariadb.url("app:wr0ngpassw0rd"), "--suspect-for", "0")
    assert ended.returncode == 1
    assert "Access denied for user 'app'@" in ended.stderr
    assert "wr0ngpassw0rd" not in ended.stderr


@pytest.mark.parametrize(
    ("user", "path", "number"),
    [
        ("app:wr0ngpassw0rd", "/shop", 1045),
        ("app", "/shop", 1045),
        ("nobody:hunter2", "/shop", 1045),
        ("elsewhere:hunter2", "/", 1045),
        ("known:hunter2", "/", 1045),
        ("narrow:hunter2", "/mysql", 1044),
        ("bare", "/nowhere", 1044),
        ("shut:hunter2", "/", 4151),
    ],
)
def test_a_refused_login_is_suspect(mariadb: MariaDb, user: str, path: str, number: int) -> None:
    refused = failed(mariadb.url(user, path))
    assert type(refused) is SuspectError
    assert refused.cause.endswith(f"(error {number})")
    assert refused.advice


def test_a_missing_database_is_suspect(mariadb: MariaDb) -> None:
    refused = failed(f"mysql://root@/nowhere?unix_socket={mariadb.socket}")
    assert type(refused) is SuspectError
    assert refused.cause == "Unknown database 'nowhere' (error 1049)"
    assert refused.advice == "create the database, or mend its name"


def test_what_is_temporary_stays_so_in_any_language(mariadb: MariaDb) -> None:
    mariadb.ask("set global lc_messages = 'de_DE'")
    try:
        wrong, crowded = failed(mariadb.url("app:wr0ngpassw0rd")), _crowded(mariadb)
    finally:
        mariadb.ask("set global lc_messages = 'en_US'")
    assert (type(wrong), type(crowded)) == (SuspectError, TemporaryError)
    assert wrong.cause.startswith("Benutzer 'app'@")
    assert wrong.cause.endswith("(error 1045)")


def _crowded(mariadb: MariaDb) -> InitkitError:
    """What a user is told whose only connection is in use."""
    with pymysql.connect(host="127.0.0.1", port=mariadb.port, user="crowd", password="hunter2"):
        return failed(mariadb.url("crowd:hunter2", "/"))


def test_logging_in_leaves_no_trace_of_a_broken_connection(mariadb: MariaDb) -> None:
    before = [mariadb.status(name) for name in ("Aborted_connects", "Aborted_clients")]
    for _ in range(3):
        probed(mariadb.url(), table="orders", query="select 1", writable="true")
        failed(mariadb.url(), table="nothing")
        failed(mariadb.url(), query="selec")
    assert [mariadb.status(name) for name in ("Aborted_connects", "Aborted_clients")] == before


# the server's states


def test_too_many_connections_are_temporary_and_so_is_a_shutdown(start_mariadb: Callable[[], MariaDb]) -> None:
    server = start_mariadb().start("--max-connections=10")
    server.ask("create user app identified by 'hunter2'")
    with contextlib.ExitStack() as stack:
        for _ in range(9):
            stack.enter_context(server.root())
        stack.enter_context(_tcp(server))
        refused = failed(server.url(path=""))
    assert type(refused) is TemporaryError
    assert refused.cause == "Too many connections (error 1040)"
    server.stop()
    assert type(failed(server.url(path=""))) is AbsentError


def _tcp(server: MariaDb) -> pymysql.connections.Connection[Any]:
    return pymysql.connect(host="127.0.0.1", port=server.port, user="app", password="hunter2")


def test_the_temporary_server_of_an_image_listens_on_its_socket_only(start_mariadb: Callable[[], MariaDb]) -> None:
    server = start_mariadb().start("--skip-networking")
    server.ask("create user app identified by 'hunter2'")
    assert probed(f"mysql://root@/?unix_socket={server.socket}") == "lets us in"
    assert type(failed(server.url(path=""))) is AbsentError
    server.stop()
    assert type(failed(f"mysql://root@/?unix_socket={server.socket}")) is AbsentError
    server.start("--read-only")
    assert probed(server.url(path="")) == "lets us in"
    refused = failed(server.url(path=""), writable="true")
    assert (type(refused), refused.cause) == (AbsentError, "it is read-only (read_only)")
    server.ask("set global read_only = 0")
    assert probed(server.url(path=""), writable="true") == "is writable"


def test_a_host_that_is_not_allowed_is_suspect(start_mariadb: Callable[[], MariaDb]) -> None:
    server = start_mariadb().start("--skip-name-resolve")
    server.ask("delete from mysql.global_priv where host <> 'localhost'")
    server.ask("flush privileges")
    refused = failed(server.url(path=""))
    assert type(refused) is SuspectError
    assert refused.cause.endswith("127.0.0.1' is not allowed to connect to this MariaDB server (error 1130)")


# TLS


def test_tls_is_used_where_the_server_offers_it(mariadb: MariaDb) -> None:
    assert probed(mariadb.url("secured:hunter2", "/")) == "lets us in"
    refused = failed(mariadb.url("secured:hunter2", "/?ssl-mode=DISABLED"))
    assert refused.cause.endswith("(error 1045)")
    assert "whether the account demands TLS" in refused.advice


@pytest.fixture
def cas(private_ca: PrivateCa, other_ca: PrivateCa) -> dict[str, str]:
    """The CA of the server's certificate, and another."""
    return {"own": private_ca.ca, "other": other_ca.ca}


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {"ca": "own"}),
        ("?ssl-mode=VERIFY_CA", {"ca": "own", "server_name": "other.example"}),
        ("?ssl-mode=REQUIRED", {}),
        ("", {"insecure": "true", "server_name": "other.example"}),
    ],
)
def test_a_certificate_is_checked_as_far_as_asked(
    mariadb: MariaDb, cas: dict[str, str], query: str, options: dict[str, str]
) -> None:
    given = {key: cas.get(value, value) for key, value in options.items()}
    assert probed(mariadb.url() + query, **given) == "lets us in"


@pytest.mark.parametrize(
    ("query", "options", "cause"),
    [
        ("", {"ca": "other"}, "certificate check failed: "),
        ("?ssl-mode=VERIFY_CA", {}, "certificate check failed: self-signed certificate in certificate chain"),
        ("", {"ca": "own", "server_name": "other.example"}, "certificate check failed: Hostname mismatch"),
        ("", {"ca": "/nowhere/ca.pem"}, "no such file or directory"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_suspect(
    mariadb: MariaDb, cas: dict[str, str], query: str, options: dict[str, str], cause: str
) -> None:
    refused = failed(mariadb.url() + query, **{key: cas.get(value, value) for key, value in options.items()})
    assert type(refused) is SuspectError
    assert refused.cause.startswith(cause)


def test_a_client_certificate_is_shown(mariadb: MariaDb, private_ca: PrivateCa) -> None:
    client = private_ca.client
    url = mariadb.url("known:hunter2", "/")
    assert probed(url, ca=private_ca.ca, cert=client.cert, key=client.key) == "lets us in"


def test_tls_that_is_asked_for_and_not_offered_is_suspect(start_mariadb: Callable[[], MariaDb]) -> None:
    server = start_mariadb().start("--skip-ssl")
    server.ask("create user app identified by 'hunter2'")
    assert probed(server.url(path="")) == "lets us in"
    refused = failed(server.url(path="?ssl-mode=REQUIRED"))
    assert (type(refused), refused.cause) == (SuspectError, "the server offers no TLS")


# what is asked


@pytest.mark.parametrize("table", ["orders", "shop.orders", "empty"])
def test_a_table_that_is_there(mariadb: MariaDb, table: str) -> None:
    assert probed(mariadb.url(), table=table) == f"has {table}"


def test_a_table_that_is_not_there_is_absent(mariadb: MariaDb) -> None:
    missing = failed(mariadb.url(), table="shop.`; drop table orders")
    assert (type(missing), missing.advice) == (AbsentError, "check who is to create it")
    assert missing.cause.endswith("doesn't exist (error 1146)")
    other = failed(f"mysql://root@/?unix_socket={mariadb.socket}", table="nowhere.orders")
    assert type(other) is AbsentError


def test_a_table_that_may_not_be_read_is_suspect(mariadb: MariaDb) -> None:
    assert type(failed(mariadb.url("narrow:hunter2"), table="empty")) is SuspectError


def test_a_locked_table_is_not_waited_for_longer_than_the_attempt(mariadb: MariaDb) -> None:
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute("lock tables shop.empty write")
        began = time.monotonic()
        locked = failed(mariadb.url(), table="empty", seconds=1)
        assert time.monotonic() - began < 15
    assert type(locked) is TemporaryError
    assert locked.cause.endswith(("(error 1969)", "(error 1205)"))


@pytest.mark.parametrize(
    ("query", "expect"),
    [
        ("select 1", None),
        ("select 'no'", None),
        ("select b'1'", None),
        ("select id from orders order by id", None),
        ("select count(*) from orders", "2"),
        ("select total from orders where id = 1", "2.50"),
        ("select b'1'", "1"),
        ("select cast('x' as binary)", "x"),
        ("select 'pä', 0", "pä"),
        ("show tables like 'orders'", "orders"),
    ],
)
def test_a_query_that_gives_what_is_expected(mariadb: MariaDb, query: str, expect: str | None) -> None:
    assert probed(mariadb.url(), query=query, **({"expect": expect} if expect else {})) == "answers the query"


@pytest.mark.parametrize(
    ("query", "expect", "cause"),
    [
        ("select 0", None, "the query gives '0', expected something true"),
        ("select 0.00", None, "the query gives '0.00', expected something true"),
        ("select b'0'", None, "the query gives '0', expected something true"),
        ("select null", None, "the query gives NULL, expected something true"),
        ("select 'False'", None, "the query gives 'False', expected something true"),
        ("select id from orders where id > 9", None, "the query gives no row"),
        ("select count(*) from orders", "3", "the query gives '2', expected '3'"),
        ("select null", "x", "the query gives NULL, expected 'x'"),
        ("select 1 from nothing", None, "Table 'shop.nothing' doesn't exist (error 1146)"),
        ("select nothing from orders", None, "Unknown column 'nothing' in 'SELECT' (error 1054)"),
        ("select nothing()", None, "FUNCTION shop.nothing does not exist (error 1305)"),
    ],
)
def test_a_query_that_does_not_is_absent(mariadb: MariaDb, query: str, expect: str | None, cause: str) -> None:
    missing = failed(mariadb.url(), query=query, **({"expect": expect} if expect else {}))
    assert (type(missing), missing.cause) == (AbsentError, cause)


@pytest.mark.parametrize(
    "query",
    [
        "selec 1",
        "select 1; drop table orders",
        "insert into orders values (9, 9)",
        "create table made (id int)",
        "drop table orders",
        "do 1",
    ],
)
def test_what_is_no_query_that_only_reads_is_refused_for_good(mariadb: MariaDb, query: str) -> None:
    assert type(failed(mariadb.url(), query=query)) is PermanentError
    tables = {name for (name,) in mariadb.ask("show tables from shop")}
    assert tables == {"orders", "empty", "large"}
    assert mariadb.ask("select count(*) from shop.orders") == [(2,)]


def test_a_query_that_takes_too_long_is_ended_in_the_server_too(mariadb: MariaDb) -> None:
    slow = failed(mariadb.url(), query="select sleep(60)", seconds=1)
    assert type(slow) is TemporaryError
    assert slow.cause.endswith("(error 1969)")
    running = "select count(*) from information_schema.processlist where info like 'select sleep%'"
    assert mariadb.ask(running) == [(0,)]


def test_an_answer_of_any_length_is_not_read_to_its_end(mariadb: MariaDb) -> None:
    assert probed(mariadb.url(), query="select seq from seq_1_to_1000000") == "answers the query"
    assert failed(mariadb.url(), query="select content from large").cause == "its answer does not end"


def test_all_that_was_asked_for_is_told(mariadb: MariaDb) -> None:
    asked = {"table": "orders", "query": "select 1", "writable": "true"}
    assert probed(mariadb.url(), **asked) == "is writable, has orders, answers the query"


# servers that no real one can be made to be


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (silent, "no answer"),
        (closes, "it closes the connection"),
        (resets, "it closes the connection"),
        (garbage, "it does not speak MySQL's protocol"),
        (http, "it does not speak MySQL's protocol"),
        (begins(b"SSH-2.0-OpenSSH_9.2\r\n"), "it does not speak MySQL's protocol"),
        (begins(packet(0, b"\x0a5.7")), "it does not speak MySQL's protocol"),
        (begins(packet(0, b"\x0b" + greeting()[5:])), "it does not speak MySQL's protocol"),
        (begins(packet(0, b"")), "it does not speak MySQL's protocol"),
        (begins(greeting()), "no answer"),
        (begins(greeting()[:20]), "its answer stops in the middle"),
        (begins(greeting(), closes), "it closes the connection"),
        (begins(greeting(), resets), "it closes the connection"),
        (begins(greeting() + greeting()), "it closes the connection"),  # counted from 0 again, as a farewell is
        (trickles, None),
        (floods(b"\xff\xff\xff\0" + bytes(9996)), "its answer does not end"),
    ],
)
def test_a_server_that_is_none_is_temporary_and_bounded(
    peer: Callable[[Behaviour], int], behaviour: Behaviour, cause: str | None
) -> None:
    began = time.monotonic()
    refused = failed(f"mysql://app:hunter2@127.0.0.1:{peer(behaviour)}/shop", seconds=1)
    assert time.monotonic() - began < 15
    assert type(refused) is TemporaryError
    assert cause is None or refused.cause == cause


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1129, SuspectError), (1053, TemporaryError), (2003, TemporaryError), (3168, TemporaryError)],
)
def test_an_error_instead_of_a_greeting_is_known_by_its_number(
    peer: Callable[[Behaviour], int], number: int, kind: type[InitkitError]
) -> None:
    port = peer(mysql_fake(first=packet(0, error(number, "Почему."))))
    refused = failed(f"mysql://app@127.0.0.1:{port}")
    assert (type(refused), refused.cause) == (kind, f"Почему (error {number})")


def _asks_for_all(talk: Talk) -> None:
    """What caching_sha2_password does with a password that is not in its cache."""
    talk.say(b"\1\4")
    answer = talk.read()
    if answer == b"\2":
        talk.say(b"\1-----BEGIN PUBLIC KEY-----\n")
        talk.read()
    talk.say(OK if answer == b"hunter2\0" else error(1045, "wrong"))


def test_a_whole_login_by_caching_sha2_password_goes_by_tls(
    peer: Callable[[Behaviour], int], private_ca: PrivateCa
) -> None:
    tls = private_ca.server_context()

    def login(talk: Talk) -> None:
        talk.say(b"\xfecaching_sha2_password\0" + bytes(range(1, 21)) + b"\0")
        talk.read()
        _asks_for_all(talk)

    port = peer(mysql_fake(login=login, tls=tls))
    assert probed(f"mysql://app:hunter2@127.0.0.1:{port}") == "lets us in"


def test_a_server_that_demands_rsa_is_told_apart(peer: Callable[[Behaviour], int]) -> None:
    need(find_spec("cryptography") is None, "an environment without cryptography")
    port = peer(mysql_fake(first=greeting("caching_sha2_password"), login=_asks_for_all))
    refused = failed(f"mysql://app:hunter2@127.0.0.1:{port}")
    assert type(refused) is SuspectError
    assert refused.cause == "without TLS the server wants the password encrypted by RSA, which initkit does not do"
    assert refused.advice == "turn TLS on in the server, and leave out ssl-mode=DISABLED"


@pytest.mark.parametrize("plugin", ["mysql_clear_password", "client_ed25519", "auth_gssapi_client"])
def test_other_ways_to_log_in_are_suspect_and_no_password_is_sent(
    peer: Callable[[Behaviour], int], plugin: str
) -> None:
    heard: list[bytes] = []

    def login(talk: Talk) -> None:
        talk.say(b"\xfe" + plugin.encode() + b"\0" + bytes(20))
        heard.append(talk.connection.recv(4096))

    refused = failed(f"mysql://app:hunter2@127.0.0.1:{peer(mysql_fake(login=login))}")
    assert type(refused) is SuspectError
    assert _eventually(lambda: heard == [b""])


def test_a_clear_password_is_sent_to_a_server_whose_certificate_was_checked(
    peer: Callable[[Behaviour], int], private_ca: PrivateCa
) -> None:
    def login(talk: Talk) -> None:
        talk.say(b"\xfemysql_clear_password\0")
        talk.say(OK if talk.read() == b"hunter2\0" else error(1045, "wrong"))

    port = peer(mysql_fake(login=login, tls=private_ca.server_context()))
    assert probed(f"mysql://app:hunter2@127.0.0.1:{port}", ca=private_ca.ca) == "lets us in"
    assert "clear text" in failed(f"mysql://app:hunter2@127.0.0.1:{port}").cause


def test_a_mysql_without_the_limits_is_asked_without_them(peer: Callable[[Behaviour], int]) -> None:
    """As Aurora, TiDB or an old server may lack one or the other."""
    said: list[str] = []

    def replies(statement: str) -> list[bytes]:
        said.append(statement)
        if "max_execution_time" in statement:
            return [error(1193, "Unknown system variable")]
        if statement.endswith("read only"):
            return [error(1064, "You have an error")]
        return row(b"7") if statement == "select seven" else [OK]

    port = peer(mysql_fake(replies=replies))
    assert probed(f"mysql://app@127.0.0.1:{port}", query="select seven", expect="7") == "answers the query"
    assert said[-3:] == ["start transaction", "select seven", "rollback"]


def test_an_attempt_is_bounded_in_all_where_every_packet_comes_late(peer: Callable[[Behaviour], int]) -> None:
    over = threading.Event()

    def replies(_: str) -> list[bytes]:
        over.wait(0.4)
        return [OK]

    port = peer(mysql_fake(replies=replies))
    began = time.monotonic()
    slow = failed(f"mysql://app@127.0.0.1:{port}", query="select 1 + 1", seconds=1)
    over.set()
    assert time.monotonic() - began < 15
    assert (type(slow), slow.cause) == (TemporaryError, "no answer")


def test_a_server_that_breaks_off_tls_is_temporary(peer: Callable[[Behaviour], int]) -> None:
    port = peer(begins(greeting(tls=True), lambda connection, _: connection.recv(4096)))
    assert type(failed(f"mysql://app@127.0.0.1:{port}")) is TemporaryError


def _eventually(condition: Callable[[], bool], patience: float = 15) -> bool:
    until = time.monotonic() + patience
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()
