"""How URLs of Redis servers are read, and what their errors mean by their first word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from initkit.core.assemble import assemble
from initkit.core.errors import SuspectError, TemporaryError, UsageError
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN
from initkit.steps.wait.resp import Refusal
from initkit.steps.wait.schemes.redis import Redis, parse_url
from initkit.steps.wait.target import scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


def redis(**given: Any) -> Redis:
    return assemble(Redis, {key.replace("_", "-"): value for key, value in given.items()})


@pytest.mark.parametrize(
    ("url", "shown", "database"),
    [
        ("redis://cache", "redis://cache:6379", 0),
        ("redis://cache:6380/", "redis://cache:6380", 0),
        ("redis://app:hunter2@cache/2", "redis://cache:6379/2", 2),
        ("redis://:hunter2@cache?db=3", "redis://cache:6379/3", 3),
        ("rediss://cache/1/?ssl_cert_reqs=none&protocol=3", "rediss://cache:6379/1", 1),
        ("valkey://[::1]", "valkey://[::1]:6379", 0),
        ("valkeys://cache", "valkeys://cache:6379", 0),
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock", 0),
        ("redis+socket://:hunter2@/run/redis.sock?virtual_host=4", "redis+socket:///run/redis.sock?db=4", 4),
        ("redis+unix://app:hunter2@localhost/run/redis.sock?db=5", "redis+unix:///run/redis.sock?db=5", 5),
    ],
)
def test_a_url_is_shown_with_its_database_and_without_secrets(url: str, shown: str, database: int) -> None:
    assert redis(url=url).name == shown
    assert parse_url(url).database == database
    assert scheme_of(url) == url.partition(":")[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected one of URL, --url-env and --url-file, got none"),
        ({"url": "cache:6379"}, "expected redis://HOST or rediss://HOST"),
        ({"url": "redis:///0"}, "expected redis://HOST or rediss://HOST"),
        (
            {"url": "redis://:hunter2@cache/shop"},
            "expected a database's number in the URL (redis://HOST/2), got 'shop'",
        ),
        ({"url": "redis://cache/٣"}, "expected a database's number"),
        ({"url": "redis+socket://cache/s"}, "expected redis+socket:///PATH, got another host, or no path"),
        ({"url": "redis+socket:///"}, "expected redis+socket:///PATH, got another host, or no path"),
        ({"url": "redis://cache", "ca": "/ca.pem"}, "expected rediss:// with options of TLS, got redis://"),
        ({"url": "valkey://cache", "insecure": "true"}, "expected valkeys:// with options of TLS, got valkey://"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_the_password(given: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        redis(**given)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_url_from_the_environment_is_read_before_any_attempt() -> None:
    target = redis(url_env="REDIS_URL", ca="/ca.pem")
    assert target.name == "redis ($REDIS_URL)"
    target.prepare({"REDIS_URL": "rediss://:hunter2@cache"})
    for environ in ({}, {"REDIS_URL": "redis://cache"}):
        with pytest.raises(UsageError):
            target.prepare(environ)


@pytest.mark.parametrize(
    ("text", "command", "kind"),
    [
        ("LOADING Redis is loading the dataset in memory", "PING", TemporaryError),
        ("LOADING Redis is loading the dataset in memory", "AUTH", TemporaryError),
        ("MASTERDOWN Link with MASTER is down", "EXISTS", TemporaryError),
        ("CLUSTERDOWN The cluster is down", "EXISTS", TemporaryError),
        ("MISCONF Redis is configured to save RDB snapshots", "PING", TemporaryError),
        ("BUSY Redis is busy running a script", "PING", TemporaryError),
        ("ERR max number of clients reached", "AUTH", TemporaryError),
        ("ERR max number of clients + cluster connections reached", "PING", TemporaryError),
        ("ERR invalid password", "AUTH", SuspectError),
        ("ERR DB index is out of range", "SELECT", SuspectError),
        ("NOAUTH Authentication required.", "PING", SuspectError),
        ("WRONGPASS invalid username-password pair", "AUTH", SuspectError),
        ("NOPERM this user has no permissions to run the 'ping' command", "PING", SuspectError),
        ("DENIED Redis is running in protected mode because", "AUTH", SuspectError),
    ],
)
def test_an_error_is_known_by_its_first_word_and_by_what_was_refused(
    text: str, command: str, kind: type[Exception]
) -> None:
    error = Refusal(text, command).meant("use cache")
    assert type(error) is kind
    assert error.cause == text.rstrip(".")


def test_arguments_that_a_server_quotes_are_not_repeated() -> None:
    refusal = Refusal("ERR unknown command 'AUTH', with args beginning with: 'pw'", "AUTH")
    assert refusal.meant("use cache").cause == "ERR unknown command 'AUTH'"
