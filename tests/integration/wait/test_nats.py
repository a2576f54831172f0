"""Waiting for NATS: logins of every kind, TLS that the server demands, and what no real server says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_peer import answers, begins
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_peer import Behaviour
    from fix_tls import PrivateCa

    Start = Callable[..., int]


def probed(url: str, **options: str) -> str:
    given = {"nats": {"url": url} | {name.replace("_", "-"): value for name, value in options.items()}}
    return assemble(Wait, {"targets": [given]}).targets[0].probe(make_context(attempt_timeout=2))


def failed(url: str, **options: str) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(url, **options)
    assert "hunter2" not in str(caught.value)
    return caught.value


def test_an_open_server_lets_us_in(nats: Start) -> None:
    assert probed(f"nats://127.0.0.1:{nats()}") == "lets us in"


def test_user_and_password(nats: Start) -> None:
    port = nats("--user", "app", "--pass", "hunter2/@")
    assert probed(f"nats://app:hunter2%2F%40@127.0.0.1:{port}") == "lets us in"
    for userinfo in ("app:hunter2wrong@", ""):
        error = failed(f"nats://{userinfo}127.0.0.1:{port}")
        assert type(error) is SuspectError
        assert error.task == f"log in to nats://127.0.0.1:{port}"
        assert (error.cause, error.advice) == ("Authorization Violation", "check user and password, or the token")


def test_a_token(nats: Start) -> None:
    port = nats("--auth", "hunter2")
    assert probed(f"nats://hunter2@127.0.0.1:{port}") == "lets us in"
    assert type(failed(f"nats://hunter22@127.0.0.1:{port}")) is SuspectError


def test_a_token_is_shown_nowhere(nats: Start) -> None:
    ended = initkit("wait", f"nats://canary77@127.0.0.1:{nats('--auth', 'hunter2')}", "--suspect-for", "0")
    assert ended.returncode == 1
    assert "Authorization Violation" in ended.stderr
    assert "canary77" not in ended.stdout + ended.stderr


def test_one_that_wants_a_key_says_that_it_is_not_supported(nats: Start, tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"  # of NATS's own documentation
    config.write_text(f"authorization {{ users = [ {{ nkey: {key} }} ] }}\n")
    error = failed(f"nats://127.0.0.1:{nats('-c', str(config))}")
    assert type(error) is SuspectError
    assert "NKey" in error.advice


def test_tls_is_spoken_where_the_server_demands_it(nats: Start, nats_tls: list[str], private_ca: PrivateCa) -> None:
    port = nats(*nats_tls, "--user", "app", "--pass", "hunter2")
    url = f"nats://app:hunter2@127.0.0.1:{port}"
    assert probed(url, ca=private_ca.ca) == "lets us in"
    assert probed(url.replace("nats:", "tls:"), ca=private_ca.ca) == "lets us in"
    assert probed(url, insecure="true") == "lets us in"
    error = failed(url)
    assert type(error) is SuspectError
    assert error.cause.startswith("certificate check failed: ")


def test_a_client_certificate(nats: Start, nats_tls: list[str], private_ca: PrivateCa) -> None:
    port = nats(*nats_tls, "--tlsverify", "--tlscacert", private_ca.ca)
    url, pair = f"nats://127.0.0.1:{port}", private_ca.client
    assert probed(url, ca=private_ca.ca, cert=pair.cert, key=pair.key) == "lets us in"
    error = failed(url, ca=private_ca.ca)
    assert isinstance(error, TemporaryError)
    assert "certificate" in error.cause


@pytest.mark.parametrize("options", [{"insecure": "true"}, {"server_name": "nats"}])
def test_no_password_goes_out_without_tls_where_tls_was_asked_for(nats: Start, options: dict[str, str]) -> None:
    port = nats("--user", "app", "--pass", "hunter2")
    error = failed(f"nats://app:hunter2@127.0.0.1:{port}", **options)
    assert (type(error), error.cause) == (SuspectError, "it offers no TLS")
    assert failed(f"tls://app:hunter2@127.0.0.1:{port}").cause == "it offers no TLS"


def test_a_full_server_is_waited_for(peer: Callable[[Behaviour], int]) -> None:
    port = peer(begins(b"INFO {}\r\n", answers(b"-ERR 'maximum connections exceeded'\r\n")))
    error = failed(f"nats://127.0.0.1:{port}")
    assert (type(error), error.cause) == (TemporaryError, "maximum connections exceeded")


def test_it_answers_pings_and_passes_over_what_may_come_between(peer: Callable[[Behaviour], int]) -> None:
    port = peer(begins(b"INFO {}\r\n", answers(b"+OK\r\nINFO {}\r\nPING\r\n", b"PONG\r\n")))
    assert probed(f"nats://127.0.0.1:{port}") == "lets us in"


@pytest.mark.parametrize(
    "greeting", [b"INFO", b"INFO []\r\n", b"INFO {]\r\n", b"INFO " + b"[" * 60_000 + b"\r\n", b"INFO {}\r\nMSG a\r\n"]
)
def test_a_greeting_that_is_none(peer: Callable[[Behaviour], int], greeting: bytes) -> None:
    port = peer(begins(greeting + b"\n"))
    error = failed(f"nats://127.0.0.1:{port}")
    assert (type(error), error.cause) == (TemporaryError, "it does not speak NATS")
