"""Waiting for an MQTT broker: logins, TLS, and every answer that the standards know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_peer import answers
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_mqtt import Mosquitto
    from fix_peer import Behaviour
    from fix_tls import PrivateCa


def probed(url: str, **options: str) -> str:
    target = assemble(Wait, {"targets": [{"mqtt": {"url": url, **options}}]}).targets[0]
    return target.probe(make_context(attempt_timeout=2))


def failed(url: str, **options: str) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(url, **options)
    assert "hunter2" not in str(caught.value)
    return caught.value


def test_an_open_broker_lets_us_in_and_sees_us_leave(mosquitto: Mosquitto) -> None:
    assert probed(f"mqtt://127.0.0.1:{mosquitto.open}") == "lets us in"
    until = time.monotonic() + 15
    while "Received DISCONNECT from initkit" not in mosquitto.log.read_text():
        assert time.monotonic() < until, mosquitto.log.read_text()
        time.sleep(0.01)


def test_user_and_password(mosquitto: Mosquitto) -> None:
    assert probed(f"mqtt://app:hunter2@127.0.0.1:{mosquitto.login}") == "lets us in"
    for userinfo in ("app:hunter2wrong@", "app@", "nobody:hunter2@", ""):
        error = failed(f"mqtt://{userinfo}127.0.0.1:{mosquitto.login}")
        assert type(error) is SuspectError
        assert error.task == f"log in to mqtt://127.0.0.1:{mosquitto.login}"
        assert error.cause == "not authorized"


def test_the_program_reads_the_url_from_a_variable_and_from_a_file(mosquitto: Mosquitto, tmp_path: Path) -> None:
    url = f"mqtt://app:hunter2@127.0.0.1:{mosquitto.login}"
    file = tmp_path / "url"
    file.write_text(f"{url}\n")
    ended = initkit("wait", "mqtt", "--url-env", "BROKER", env={"BROKER": url})
    assert (ended.returncode, "mqtt ($BROKER) lets us in" in ended.stderr) == (0, True)
    ended = initkit("wait", "mqtt", "--url-file", str(file))
    assert (ended.returncode, f"mqtt ({file}) lets us in" in ended.stderr) == (0, True)
    ended = initkit("wait", "mqtt", "--url-env", "BROKER")
    assert (ended.returncode, "BROKER is not set" in ended.stderr) == (2, True)


def test_tls(mosquitto: Mosquitto, private_ca: PrivateCa, other_ca: PrivateCa) -> None:
    url = f"mqtts://127.0.0.1:{mosquitto.tls}"
    assert probed(url, ca=private_ca.ca) == "lets us in"
    for options in ({}, {"ca": other_ca.ca}, {"ca": private_ca.ca, "server-name": "elsewhere"}):
        error = failed(url, **options)
        assert type(error) is SuspectError
        assert error.cause.startswith("certificate check failed: ")
    assert failed(url.replace("mqtts", "mqtt")).cause in {"it speaks TLS", "it closes the connection"}


def test_a_client_certificate(mosquitto: Mosquitto, private_ca: PrivateCa) -> None:
    url, pair = f"mqtts://127.0.0.1:{mosquitto.tls_clients}", private_ca.client
    assert probed(url, ca=private_ca.ca, cert=pair.cert, key=pair.key) == "lets us in"
    assert isinstance(failed(url, ca=private_ca.ca), TemporaryError)


# MQTT 3.1.1, section 3.2.2.3, and MQTT 5, section 3.2.2.2
@pytest.mark.parametrize(
    ("code", "kind", "cause"),
    [
        (1, SuspectError, "it does not speak MQTT 3.1.1"),
        (2, SuspectError, "it refuses our client identifier"),
        (3, TemporaryError, "server unavailable"),
        (4, SuspectError, "bad user name or password"),
        (5, SuspectError, "not authorized"),
        (6, TemporaryError, "it refuses with code 6"),
        (0x84, SuspectError, "it does not speak MQTT 3.1.1"),
        (0x86, SuspectError, "bad user name or password"),
        (0x87, SuspectError, "not authorized"),
        (0x88, TemporaryError, "server unavailable"),
        (0x9F, TemporaryError, "connection rate exceeded"),
    ],
)
@pytest.mark.parametrize("properties", [b"", b"\x03\x21\0\5"])
def test_every_answer_has_its_meaning(
    peer: Callable[[Behaviour], int], code: int, kind: type, cause: str, properties: bytes
) -> None:
    answer = bytes([0x20, 2 + len(properties), 0, code]) + properties
    error = failed(f"mqtt://127.0.0.1:{peer(answers(answer))}")
    assert (type(error), error.cause) == (kind, cause)


@pytest.mark.parametrize("answer", [b"\x20\0", b"\x20\1\0", b"\x20\xff\xff\xff\xff\x01", b"\x30\2\0\0"])
def test_an_answer_that_is_none(peer: Callable[[Behaviour], int], answer: bytes) -> None:
    error = failed(f"mqtt://127.0.0.1:{peer(answers(answer))}")
    assert (type(error), error.cause) == (TemporaryError, "it does not speak MQTT")
