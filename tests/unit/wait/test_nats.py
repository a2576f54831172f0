"""nats:// as people write it, and what is said to the server for it."""

from __future__ import annotations

import json

import pytest

from initkit.core.assemble import assemble
from initkit.core.errors import UsageError
from initkit.core.redact import redact
from initkit.steps.wait.schemes.nats import Nats, _login, parse_url


@pytest.mark.parametrize(
    ("userinfo", "told"),
    [
        ("", {}),
        ("app:hunter2@", {"user": "app", "pass": "hunter2"}),
        ("app:@", {"user": "app", "pass": ""}),
        ("a%40b:p%3Aw%2F@", {"user": "a@b", "pass": "p:w/"}),
        ("s3cr%2Ft@", {"auth_token": "s3cr/t"}),
    ],
)
def test_the_login_is_in_the_url(userinfo: str, told: dict[str, str]) -> None:
    word, _, rest = _login(parse_url(f"nats://{userinfo}server"), secure=True).partition(b" ")
    options = json.loads(rest)
    assert (word, options["verbose"], options["tls_required"]) == (b"CONNECT", False, True)
    assert {name: options[name] for name in ("user", "pass", "auth_token") if name in options} == told


def test_a_token_is_masked() -> None:
    url = parse_url("nats://s3cr%2Fttoken@server")
    assert str(url) == "nats://server:4222"
    assert redact("it was s3cr/ttoken and s3cr%2Fttoken") == "it was *** and ***"


@pytest.mark.parametrize("text", ["nats://server/a", "nats://tokentoken@server:x", "http://server", "nats://"])
def test_what_is_no_such_url(text: str) -> None:
    with pytest.raises(ValueError, match="expected nats://HOST") as caught:
        parse_url(text)
    assert "tokentoken" not in str(caught.value)


def test_the_environment_is_looked_at_before_any_attempt() -> None:
    target = assemble(Nats, {"url-env": "SERVER"})
    target.prepare({"SERVER": "tls://server"})
    assert target.name == "nats ($SERVER)"
    with pytest.raises(UsageError):
        target.prepare({})
