r"""What a UDP target may send and expect, and bytes as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initkit.core.assemble import assemble
from initkit.core.options import Invalid
from initkit.steps.wait.octets import parse_bytes, show_bytes
from initkit.steps.wait.schemes.udp import Udp


def target(address: str, **options: object) -> Udp:
    return assemble(Udp, {"address": address, **options})


def refused(address: str, **options: object) -> str:
    with pytest.raises(Invalid) as caught:
        target(address, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", b""),
        ("ping", b"ping"),
        (r"a\x00\xfF\n\r\t\\b", b"a\0\xff\n\r\t\\b"),
        (r"\\x41", rb"\x41"),
        ("hex:00fF", b"\x00\xff"),
        ("hex:00 ff\n01", b"\x00\xff\x01"),
        ("hex:", b""),
        (r"\x68ex:00", b"hex:00"),
        ("grüß", "grüß".encode()),
        ("\udcff", b"\xff"),
        ("two\nlines", b"two\nlines"),
    ],
)
def test_bytes_as_people_type_them(text: str, value: bytes) -> None:
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["\\", r"\q", r"\x1", r"\xgg", r"a\\\b", "hex:0", "hex:0g", "hex:0 0", r"\0"])
def test_bytes_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected (text with no other escapes|hex: and pairs)"):
        parse_bytes(text)


@given(st.binary())
def test_bytes_are_shown_as_they_are_read(value: bytes) -> None:
    shown = show_bytes(value)
    assert shown.isascii()
    assert shown.isprintable()
    assert parse_bytes(shown) == value


@given(st.binary())
def test_bytes_that_begin_like_hexadecimal_ones_are_shown_as_they_are_read(value: bytes) -> None:
    assert parse_bytes(show_bytes(b"hex:" + value)) == b"hex:" + value


@pytest.mark.parametrize("text", ["udp://db:53", "udp:db:53", "db:53", "udp://db:53/"])
def test_an_address(text: str) -> None:
    assert target(text, send="x").name == "udp://db:53"


def test_an_ipv6_address() -> None:
    assert target("udp://[::1]:53", send="x").name == "udp://[::1]:53"


def test_without_something_to_send_nothing_can_be_learnt() -> None:
    assert refused("udp://db:53") == "expected something to --send, as in: wait udp HOST:PORT --send BYTES, got none"
    assert target("udp://db:53", send="").send == b""


def test_what_cannot_be_sent_or_expected() -> None:
    assert refused("db:53", send="x" * 65508) == "expected at most 65507 bytes to send, got 65508"
    assert refused("db:53", send="x", expect="") == (
        "expected some bytes to --expect, or no --expect for any answer, got none"
    )
    assert refused("udp://db", send="x") == "expected host:port, got 'db'"
    assert refused("udp://db:0", send="x") == "expected a port from 1 to 65535, got 0"
