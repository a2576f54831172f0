"""mqtt:// as people write it, and the packet that is sent for it."""

from __future__ import annotations

import pytest

from initkit.core.assemble import assemble
from initkit.core.options import Invalid
from initkit.steps.wait.schemes.mqtt import Mqtt, _connect, parse_url

# the flags of MQTT 3.1.1, section 3.1.2.3: user 0x80, password 0x40, clean session 0x02


@pytest.mark.parametrize(
    ("userinfo", "flags", "login"),
    [
        ("", 0x02, b""),
        ("app@", 0x82, b"\0\3app"),
        ("app:hunter2@", 0xC2, b"\0\3app\0\7hunter2"),
        ("app:@", 0xC2, b"\0\3app\0\0"),
        (":hunter2@", 0xC2, b"\0\0\0\7hunter2"),
    ],
)
def test_the_packet_for_a_login(userinfo: str, flags: int, login: bytes) -> None:
    body = b"\0\4MQTT\4" + bytes([flags]) + b"\0\x3c" + b"\0\3cid" + login
    assert _connect(parse_url(f"mqtt://{userinfo}broker"), "cid") == bytes([0x10, len(body)]) + body


def test_the_length_of_a_long_packet_takes_more_bytes() -> None:
    packet = _connect(parse_url(f"mqtt://{'x' * 20_000}@broker"), "cid")
    # section 2.2.3: seven bits a byte, the lowest first
    assert packet[1:4] == bytes(
        [len(packet[4:]) % 128 | 128, len(packet[4:]) // 128 % 128 | 128, len(packet[4:]) >> 14]
    )


def test_each_scheme_has_its_port() -> None:
    assert assemble(Mqtt, {"url": "mqtt://app:hunter2@broker"}).name == "mqtt://broker:1883"
    assert assemble(Mqtt, {"url": "mqtts://broker/"}).name == "mqtts://broker:8883"


@pytest.mark.parametrize("text", ["mqtt://broker/topic", "mqtt://", "ws://broker", f"mqtt://{'x' * 65_536}@broker"])
def test_what_is_no_such_url(text: str) -> None:
    with pytest.raises(ValueError, match="expected "):
        parse_url(text)


def test_options_of_tls_want_a_url_that_speaks_it() -> None:
    with pytest.raises(Invalid, match="expected mqtts:// with options of TLS, got mqtt://"):
        assemble(Mqtt, {"url": "mqtt://broker", "ca": "/ca.pem"})
