"""amqp:// as people write it: which vhost, which port, and what is refused before any attempt."""

from __future__ import annotations

import pytest

from initkit.core.assemble import assemble
from initkit.core.errors import UsageError
from initkit.core.options import Invalid
from initkit.steps.wait.schemes.amqp import Amqp, parse_url


@pytest.mark.parametrize(
    ("path", "vhost"),
    [
        ("", ""),
        ("/", ""),
        ("/%2F", ""),
        ("/%2f", ""),
        ("/shop", "shop"),
        ("/a%2Fb", "a/b"),
        ("/shop?heartbeat=5", "shop"),
    ],
)
def test_the_path_is_the_vhost(path: str, vhost: str) -> None:
    assert parse_url(f"amqp://broker{path}").path == vhost


def test_each_scheme_has_its_port() -> None:
    assert str(parse_url("amqp://broker")) == "amqp://broker:5672"
    assert str(parse_url("amqps://app:hunter2@broker/shop")) == "amqps://broker:5671/shop"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amqp://broker/a/b", "in a vhost write / as %2F"),
        ("amqp://app:hunter2@broker/a/b", "got 'amqp://broker:5672/a/b'"),
        ("amqp://broker/" + "x" * 256, "expected a vhost of at most 255 bytes, got a longer one"),
        ("amqp://", "expected amqp://HOST or amqps://HOST"),
        ("http://broker", "expected amqp://HOST or amqps://HOST"),
    ],
)
def test_what_is_no_such_url(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_url(text)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected one of URL, --url-env and --url-file, got none"),
        ({"url": "amqp://broker", "url-env": "BROKER"}, "got 2"),
        ({"url": "amqp://broker", "ca": "/ca.pem"}, "expected amqps:// with options of TLS, got amqp://"),
        ({"url": "amqp://broker", "insecure": "true"}, "expected amqps:// with options of TLS, got amqp://"),
        ({"url": "amqps://broker", "key": "/key.pem"}, "expected --cert with --key, got --key alone"),
    ],
)
def test_options_that_cannot_be_meant(given: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid, match="expected") as caught:
        assemble(Amqp, given)
    assert message in str(caught.value)


def test_the_environment_is_looked_at_before_any_attempt() -> None:
    target = assemble(Amqp, {"url-env": "BROKER", "ca": "/ca.pem"})
    target.prepare({"BROKER": "amqps://app:hunter2@broker/shop"})
    for environ, cause in [
        ({}, "the environment variable BROKER is not set"),
        ({"BROKER": "amqp://broker"}, "BROKER: expected amqps:// with options of TLS, got amqp://"),
        ({"BROKER": "amqp://app:hunter2@broker/a/b"}, "BROKER: expected amqp://HOST[:PORT][/VHOST]"),
    ]:
        with pytest.raises(UsageError) as caught:
            target.prepare(environ)
        assert cause in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_its_name_has_no_secrets() -> None:
    assert assemble(Amqp, {"url": "amqp://app:hunter2@broker/shop"}).name == "amqp://broker:5672/shop"
    assert assemble(Amqp, {"url-env": "BROKER"}).name == "amqp ($BROKER)"
