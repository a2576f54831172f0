"""Waiting for Redis: a real one in every state, and made-up servers for what it does not do."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context
from fix_peer import answers, begins, closes, echoes, floods, garbage, http, resets, silent, trickles
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.steps.wait.schemes.redis import Redis
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from fix_peer import Behaviour
    from fix_redis import RedisServer
    from fix_tls import PrivateCa


def probed(url: str, *, seconds: Any = 5, **options: str) -> str:
    given = {"url": url} | {key.replace("_", "-"): value for key, value in options.items()}
    return assemble(Redis, given).probe(make_context(attempt_timeout=seconds))


def failed(url: str, *, seconds: Any = 5, **options: str) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(url, seconds=seconds, **options)
    assert not {"hunter2", "secret42"} & set(str(caught.value).split())
    return caught.value


# logging in


@pytest.mark.parametrize("path", ["", "/", "/0", "/15", "?db=3"])
def test_a_server_without_a_password_answers(redis_plain: RedisServer, path: str) -> None:
    assert probed(redis_plain.url(path=path)) == "answers PING"


@pytest.mark.parametrize("scheme", ["redis+socket", "redis+unix"])
def test_a_unix_socket_is_taken_instead_of_host_and_port(redis_users: RedisServer, scheme: str) -> None:
    assert probed(f"{scheme}://:hunter2@{redis_users.socket}?db=3") == "answers PING"


@pytest.mark.parametrize("user", [":hunter2", "default:hunter2", "app:secret42", "pinger:secret42"])
def test_user_and_password_are_let_in(redis_users: RedisServer, user: str) -> None:
    assert probed(redis_users.url(user)) == "answers PING"


def test_the_program_waits_for_the_url_of_a_file(redis_users: RedisServer, tmp_path: Any) -> None:
    (tmp_path / "url").write_text(redis_users.url("app:secret42", "/1") + "\n")
    ended = initkit("wait", "redis", "--url-file", str(tmp_path / "url"), "--writable")
    assert ended.returncode == 0
    assert f"redis ({tmp_path}/url) is a master" in ended.stderr
    assert "secret42" not in ended.stderr


@pytest.mark.parametrize(
    ("user", "path", "word"),
    [
        ("", "", "NOAUTH"),
        (":wr0ngpassw0rd", "", "WRONGPASS"),
        ("app:wr0ngpassw0rd", "", "WRONGPASS"),
        ("nobody:secret42", "", "WRONGPASS"),
        ("blind:secret42", "", "NOPERM"),
        ("pinger:secret42", "/1", "NOPERM"),
        (":hunter2", "/99", "ERR"),
    ],
)
def test_a_refused_login_is_suspect(redis_users: RedisServer, user: str, path: str, word: str) -> None:
    refused = failed(redis_users.url(user, path))
    assert type(refused) is SuspectError
    assert refused.cause.split()[0] == word
    assert refused.advice


def test_a_password_for_a_server_that_has_none_is_suspect(redis_plain: RedisServer) -> None:
    refused = failed(redis_plain.url(":hunter2"))
    assert type(refused) is SuspectError
    assert refused.cause.startswith("ERR AUTH <password> called without any password configured")


def test_nothing_is_sent_that_was_not_asked_for(peer: Callable[[Behaviour], int]) -> None:
    heard: list[bytes] = []

    def behave(connection: socket.socket, _over: threading.Event) -> None:
        for answer in (b"+OK", b"+OK", b"+PONG", b":0", b"$-1", b"*1\r\n$6\r\nmaster"):
            heard.append(connection.recv(4096))
            connection.sendall(answer + b"\r\n")

    assert probed(f"redis://app:secret42@127.0.0.1:{peer(behave)}/2", writable="true") == "is a master"
    words = [b" ".join(line for line in said.split(b"\r\n") if line[:1] not in {b"*", b"$"}) for said in heard]
    assert [said.strip() for said in words] == [
        b"AUTH app secret42",
        b"SELECT 2",
        b"PING",
        b"EXISTS initkit",
        b"INFO persistence",
        b"ROLE",
    ]


def test_a_server_from_before_there_were_users_is_given_the_password_alone(peer: Callable[[Behaviour], int]) -> None:
    port = peer(answers(b"-ERR wrong number of arguments for 'auth' command\r\n", b"+OK\r\n", b"+PONG\r\n"))
    refused = failed(f"redis://h:hunter2@127.0.0.1:{port}", seconds=1)
    assert refused.cause == "no answer"  # to what comes after PING


# the server's states


def test_loading_is_not_yet(start_redis: Callable[..., RedisServer]) -> None:
    options = ("--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024")
    server = start_redis(*options)
    assert server.tell("DEBUG", "POPULATE", "1000", "k", "100") == b"+OK\r\n"
    assert server.tell("SAVE") == b"+OK\r\n"
    server.stop()
    server.start(*options, "--key-load-delay", "2000")
    for url in (server.url(), server.url(path="/1")):
        loading = failed(url)
        assert (type(loading), loading.cause) == (TemporaryError, "LOADING Redis is loading the dataset in memory")
    server.tell("CONFIG", "SET", "key-load-delay", "0")
    ended = initkit("wait", server.url(), "--timeout", "20s")
    assert (ended.returncode, "answers PING" in ended.stderr) == (0, True)


def test_a_replica_is_not_writable(redis_plain: RedisServer, start_redis: Callable[..., RedisServer]) -> None:
    replica = start_redis("--replicaof", "127.0.0.1", str(redis_plain.port))
    assert probed(replica.url()) == "answers PING"
    refused = failed(replica.url(), writable="true")
    assert (type(refused), refused.cause) == (AbsentError, "it is a replica")
    assert replica.tell("REPLICAOF", "NO", "ONE") == b"+OK\r\n"
    assert probed(replica.url(), writable="true") == "is a master"


def test_a_replica_that_serves_nothing_without_its_master_is_waited_for(
    start_redis: Callable[..., RedisServer],
) -> None:
    replica = start_redis("--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no")
    refused = failed(replica.url())
    assert type(refused) is TemporaryError
    assert refused.cause.startswith("MASTERDOWN ")


def test_a_cluster_that_is_down_is_waited_for(start_redis: Callable[..., RedisServer]) -> None:
    refused = failed(start_redis("--cluster-enabled", "yes").url())
    assert type(refused) is TemporaryError
    assert refused.cause.startswith("CLUSTERDOWN ")


def test_whether_it_is_a_master_may_be_a_secret(redis_users: RedisServer) -> None:
    refused = failed(redis_users.url("pinger:secret42"), writable="true")
    assert type(refused) is SuspectError
    assert refused.cause.startswith("NOPERM ")


@pytest.mark.parametrize("user", ["", ":hunter2", "app:secret42"])
def test_too_many_clients_are_temporary(start_redis: Callable[..., RedisServer], user: str) -> None:
    server = start_redis("--maxclients", "1")
    with socket.create_connection(("127.0.0.1", server.port), 5) as holder:
        holder.sendall(b"PING\r\n")
        assert holder.recv(64) == b"+PONG\r\n"
        refused = failed(server.url(user))
    assert (type(refused), refused.cause) == (TemporaryError, "ERR max number of clients reached")


def test_a_sentinel_is_no_server_to_write_to(peer: Callable[[Behaviour], int]) -> None:
    unknown = b"-ERR unknown command\r\n"
    port = peer(answers(b"+PONG\r\n", unknown, b"$0\r\n\r\n", b"*2\r\n$8\r\nsentinel\r\n*0\r\n"))
    assert type(failed(f"redis://127.0.0.1:{port}", writable="true")) is PermanentError


def test_a_server_that_answers_ping_while_it_loads_is_waited_for(peer: Callable[[Behaviour], int]) -> None:
    info = b"# Persistence\r\nloading:1\r\nasync_loading:0\r\n"
    denied = b"-NOPERM no permissions to run the 'exists' command\r\n"
    port = peer(answers(b"+PONG\r\n", denied, b"$%d\r\n%s\r\n" % (len(info), info)))
    refused = failed(f"redis://127.0.0.1:{port}")
    assert (type(refused), refused.cause) == (TemporaryError, "it is loading its data")


def test_protected_mode_is_suspect_although_the_server_closes_at_once(peer: Callable[[Behaviour], int]) -> None:
    words = b"-DENIED Redis is running in protected mode because no password is set. In this mode connections are\r\n"
    refused = failed(f"redis://app:hunter2@127.0.0.1:{peer(begins(words, closes))}")
    assert type(refused) is SuspectError
    assert refused.cause == "DENIED Redis is running in protected mode because no password is set"


# TLS


@pytest.fixture(scope="module")
def tls_options(private_ca: PrivateCa) -> tuple[str, ...]:
    pair = private_ca.server
    return ("--tls-ca-cert-file", private_ca.ca, "--tls-cert-file", pair.cert, "--tls-key-file", pair.key)


def test_tls_is_checked(
    start_redis: Callable[..., RedisServer], private_ca: PrivateCa, tls_options: tuple[str, ...]
) -> None:
    server = start_redis(*tls_options, "--tls-auth-clients", "no", "--requirepass", "hunter2", tls=True)
    url = server.url(":hunter2", "/1", "rediss")
    assert probed(url, ca=private_ca.ca) == "answers PING"
    assert probed(url, insecure="true") == "answers PING"
    untrusted = failed(url)
    assert type(untrusted) is SuspectError
    assert untrusted.cause.startswith("certificate check failed: ")
    plain = failed(server.url(":hunter2"))
    assert type(plain) is TemporaryError
    assert "rediss://" in plain.advice


def test_a_client_certificate_is_shown(
    start_redis: Callable[..., RedisServer], private_ca: PrivateCa, tls_options: tuple[str, ...]
) -> None:
    server, client = start_redis(*tls_options, tls=True), private_ca.client
    url = server.url(scheme="valkeys")
    assert probed(url, ca=private_ca.ca, cert=client.cert, key=client.key) == "answers PING"
    assert type(failed(url, ca=private_ca.ca)) is SuspectError


def test_tls_to_a_server_without_it_is_temporary(redis_plain: RedisServer) -> None:
    assert type(failed(redis_plain.url(scheme="rediss"), seconds=1, insecure="true")) is TemporaryError


# servers that no real one can be made to be


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (silent, "no answer"),
        (closes, "it closes the connection"),
        (resets, "it closes the connection"),
        (garbage, "its answer stops in the middle"),
        (http, "it does not speak Redis's protocol"),
        (echoes, "it answers PING by something else than PONG"),
        (answers(b"+OK\r\n"), "it answers PING by something else than PONG"),
        (answers(b"$100\r\nPO"), "its answer stops in the middle"),
        (answers(b"$-7\r\n"), None),
        (answers(b"*x\r\n"), "it does not speak Redis's protocol"),
        (floods(b"*1\r\n"), None),
        (floods(b"x" * 4096), "its answer does not end"),
        (begins(b"*1000000\r\n", floods(b":1\r\n")), "its answer does not end"),
        (trickles, None),
        (begins(b"\x15\x03\x03\x00\x02\x02\x28", closes), "it speaks TLS"),
    ],
)
def test_a_server_that_is_none_is_temporary_and_bounded(
    peer: Callable[[Behaviour], int], behaviour: Behaviour, cause: str | None
) -> None:
    began = time.monotonic()
    refused = failed(f"redis://127.0.0.1:{peer(behaviour)}", seconds=1)
    assert time.monotonic() - began < 15
    assert type(refused) is TemporaryError
    assert cause is None or refused.cause == cause


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis+socket:///nowhere/redis.sock"])
def test_nobody_there_is_absent(url: str) -> None:
    assert type(failed(url)) is AbsentError
