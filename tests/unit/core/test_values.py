"""What people type as durations, counts, shares and addresses, and what they are told when it cannot be meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initkit.core.values import (
    HostPort,
    parse_count,
    parse_duration,
    parse_host_port,
    parse_share,
    show_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        ("1.5", 1.5),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1m30s", 90),
        (" 5m ", 300),
        ("3650d", 3650 * 86400),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1 h", "1h 30m", "1w", "1e3", "1,5s", "five", "1.s", ".5s", "1s!", "inf"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a duration such as 250ms, 30s or 1h30m, got "):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3651d", "9" * 400, "9" * 400 + "d"])
def test_durations_end_after_ten_years(text: str) -> None:
    with pytest.raises(ValueError, match="at most ten years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "0s"),
        (0.25, "250ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9996, "1m"),
        (60, "1m"),
        (90, "1m30s"),
        (3661.5, "1h1m1.5s"),
        (86400, "1d"),
        (90000, "1d1h"),
    ],
)
def test_durations_are_shown_as_short_as_they_can_be(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@given(st.integers(0, 10 * 365 * 86400 * 1000))
def test_a_duration_shown_reads_as_the_same_to_the_millisecond(milliseconds: int) -> None:
    assert round(parse_duration(show_duration(milliseconds / 1000)) * 1000) == milliseconds


def test_counts_are_whole_numbers_from_0_up() -> None:
    assert [parse_count("0"), parse_count(" 12 ")] == [0, 12]
    for text in ("-1", "1.5", "", "many", "9" * 10):
        with pytest.raises(ValueError, match="expected a whole number from 0 up, got"):
            parse_count(text)


def test_shares_are_fractions_or_percentages() -> None:
    assert [parse_share("0"), parse_share("0.2"), parse_share("20%"), parse_share("100%")] == [0, 0.2, 0.2, 1]
    for text in ("1.1", "101%", "-0.1", "%", "", "half", "9" * 400):
        with pytest.raises(ValueError, match="expected a share from 0% to 100%, got"):
            parse_share(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("db:5432", "db", 5432),
        ("db.shop.svc.cluster.local.:80", "db.shop.svc.cluster.local.", 80),
        ("10.0.0.1:1", "10.0.0.1", 1),
        ("[::1]:65535", "::1", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("münchen:80", "münchen", 80),
        (" db:80 ", "db", 80),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    assert parse_host_port(text) == HostPort(host, port)


@pytest.mark.parametrize(
    "text",
    ["db", "db:", ":80", "::1:80", "[::1]", "[::1:80", "db:port", "a b:80", "a\0b:80", "a/b:80", "db:123456", ""],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port, got"):
        parse_host_port(text)


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_ports_have_16_bits(port: str) -> None:
    with pytest.raises(ValueError, match=f"expected a port from 1 to 65535, got {port}"):
        parse_host_port(f"db:{port}")


@pytest.mark.parametrize("host", ["db..svc", ".db", "a" * 64, "."])
def test_names_that_no_name_server_can_be_asked_for_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="expected a host's name of parts of 1 to 63 characters, got"):
        parse_host_port(f"{host}:80")


def test_a_password_before_an_address_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="expected host:port, got") as caught:
        parse_host_port("app:hunter2@db:5432")
    assert "hunter2" not in str(caught.value)
    assert "@db:5432" in str(caught.value)


HOSTS = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]{1,8}){0,3}", fullmatch=True
) | st.ip_addresses().map(str)


@given(HOSTS, st.integers(1, 65535))
def test_an_address_shown_reads_as_the_same(host: str, port: int) -> None:
    address = HostPort(host, port)
    assert parse_host_port(str(address)) == address
