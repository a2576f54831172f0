"""What a DNS target may ask for, and which names are made of one; servers are asked in the integration tests."""

from __future__ import annotations

import socket
import string
from contextlib import suppress
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import pytest
from fix_clock import make_context
from hypothesis import given
from hypothesis import strategies as st

from initkit.core.assemble import assemble
from initkit.core.errors import SuspectError, TemporaryError
from initkit.core.options import Invalid
from initkit.core.values import HostPort
from initkit.steps.wait.dns.config import Settings, System, candidates, parse_settings
from initkit.steps.wait.dns.query import Asking, Server
from initkit.steps.wait.dns.records import canonical, listed, parse_name, reverse_name, to_ascii
from initkit.steps.wait.net.datagrams import Endpoint
from initkit.steps.wait.net.names import Address
from initkit.steps.wait.schemes.dns import Dns, parse_server, parse_target

if TYPE_CHECKING:
    from pathlib import Path


def target(domain: str, **options: object) -> Dns:
    return assemble(Dns, {"domain": domain, **options})


def refused(domain: str, **options: object) -> str:
    with pytest.raises(Invalid) as caught:
        target(domain, **options)
    return str(caught.value)


# names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dns:db.shop", "db.shop"),
        ("dns://db.shop/", "db.shop"),
        ("db.shop.", "db.shop."),
        ("dns:_pg._tcp.db", "_pg._tcp.db"),
        ("dns:*.shop", "*.shop"),
        ("dns:10.0.0.7", "10.0.0.7"),
        ("dns:[FD00:0::7]", "fd00::7"),
        ("dns:fd00:0::7", "fd00::7"),
        ("dns:" + "a" * 63, "a" * 63),
        ("dns:bücher.example", "bücher.example"),
    ],
)
def test_names_and_addresses(text: str, name: str) -> None:
    assert parse_target(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "dns:",
        "dns:.",
        "dns:a..b",
        "dns:.a",
        "dns:a b",
        "dns:" + "a" * 64,
        "dns:" + ".".join(["a" * 63] * 4),
        "dns:" + "ü" * 63,
        "dns:a/b",
        "dns:user@db",
        "dns:db:53",
        "dns:fe80::1%eth0",
        "dns:a\n",
        "dns:\u2488com",
    ],
)
def test_what_can_be_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a "):
        parse_target(text)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        name = parse_name(text)
        assert parse_name(name) == name


def test_a_target_is_called_by_its_name_and_type() -> None:
    assert target("dns:db").name == "dns:db"
    assert target("dns:db", type="srv").name == "dns:db SRV"


def test_the_name_that_names_an_address() -> None:
    assert reverse_name("10.0.0.7") == "7.0.0.10.in-addr.arpa."
    assert reverse_name("fd00::7") == f"7.{'0.' * 29}d.f.ip6.arpa."


def test_international_names_follow_idna_2008() -> None:
    assert to_ascii("bücher.example") == "xn--bcher-kva.example"
    assert to_ascii("Straße.example") == "xn--strae-oqa.example"
    assert to_ascii("_sip._tcp.bücher.example") == "_sip._tcp.xn--bcher-kva.example"


# servers


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.0.0.2", HostPort("10.0.0.2", 53)),
        ("10.0.0.2:5353", HostPort("10.0.0.2", 5353)),
        ("::1", HostPort("::1", 53)),
        ("[::1]", HostPort("::1", 53)),
        ("[::1]:5353", HostPort("::1", 5353)),
        ("kube-dns.kube-system", HostPort("kube-dns.kube-system", 53)),
        ("kube-dns:5353", HostPort("kube-dns", 5353)),
    ],
)
def test_servers(text: str, server: HostPort) -> None:
    assert parse_server(text) == server
    assert parse_server(str(server)) == server


@pytest.mark.parametrize("text", ["", "a:b", "a:0", "a b", "a..b", "u@a"])
def test_what_can_be_no_server(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        parse_server(text)


# records


@pytest.mark.parametrize(
    ("kind", "text", "form"),
    [
        (None, "10.0.0.7", "10.0.0.7"),
        (None, "FD00:0:0::7", "fd00::7"),
        ("A", "10.0.0.7", "10.0.0.7"),
        ("AAAA", "FD00:0:0::7", "fd00::7"),
        ("CNAME", "DB-0.Shop.", "db-0.shop"),
        ("NS", "bücher.example", "xn--bcher-kva.example"),
        ("PTR", ".", "."),
        ("MX", "010 Mail.Shop.", "10 mail.shop"),
        ("SRV", "0  100 5432 DB-0.shop.", "0 100 5432 db-0.shop"),
        ("SRV", "0 0 0 .", "0 0 0 ."),
        ("TXT", "V=spf1 -all ", "V=spf1 -all "),
    ],
)
def test_expected_values_have_one_form(kind: str | None, text: str, form: str) -> None:
    assert canonical(kind, text) == form  # type: ignore[arg-type] # the table is of plain words


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("", "db", "expected an IPv4 or IPv6 address, or --type, got 'db'"),
        ("A", "fd00::7", "expected an IPv4 address with --type A, got 'fd00::7'"),
        ("A", "10.0.0.256", "expected an IPv4 address with --type A, got '10.0.0.256'"),
        ("AAAA", "fe80::1%eth0", "expected an IPv6 address with --type AAAA, got 'fe80::1%eth0'"),
        ("CNAME", "a b", "expected a domain name with --type CNAME, got 'a b'"),
        ("MX", "mail.shop", "expected 'PREFERENCE NAME' with --type MX, got 'mail.shop'"),
        ("MX", "70000 mail", "expected 'PREFERENCE NAME' with --type MX, got '70000 mail'"),
        ("SRV", "5432 db", "expected 'PRIORITY WEIGHT PORT TARGET' with --type SRV, got '5432 db'"),
    ],
)
def test_expected_values_that_no_record_can_be(kind: str, text: str, message: str) -> None:
    assert refused("db", expect=[text], **({"type": kind} if kind else {})) == message


def test_options_that_do_not_go_together() -> None:
    assert refused("db", only="true") == "expected --expect with --only, got --only alone"
    assert refused("10.0.0.7", type="A") == "expected a name with --type A, got the address 10.0.0.7"
    assert refused("db", type="SVR").startswith("expected one of A, AAAA, CNAME, ")


def test_long_lists_of_records_are_cut_and_made_printable() -> None:
    assert listed(("a",)) == "a"
    assert listed(("a", "b")) == "a and b"
    assert listed(("a", "b", "c", "d")) == "a, b, c and d"
    assert listed(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"
    assert listed(("\x1b[31m\n",)) == r"\x1b[31m\n"
    assert len(listed(("x" * 5000,))) == 80


QUERY = dns.message.make_query("db.shop.", "SRV")
ANSWER = dns.message.make_response(QUERY)
ANSWER.answer.append(dns.rrset.from_text("db.shop.", 0, "IN", "SRV", "0 100 5432 db-0.shop."))
SERVER = Endpoint(Address(socket.AF_INET, ("127.0.0.1", 0)), 53)


@given(st.lists(st.tuples(st.integers(2, 60), st.integers(0, 255)), max_size=4), st.integers(0, 60))
def test_a_broken_answer_is_none_or_says_what_is_wrong(changes: list[tuple[int, int]], length: int) -> None:
    wire = bytearray(ANSWER.to_wire())
    for place, byte in changes:
        wire[place % len(wire)] = byte
    asking = Asking(make_context(), Server("ns", [SERVER]), 0.0, "resolve db.shop")
    with suppress(TemporaryError):
        answer = asking._read(QUERY, SERVER, bytes(wire[: len(wire) - length // 2]))
        assert answer is None or all(isinstance(record, str) for record in asking._meaning(answer[1], SERVER))


# resolv.conf


def test_what_resolv_conf_says() -> None:
    text = """
# a pod's
nameserver 10.96.0.10
nameserver fd00::a # with a remark
nameserver fe80::1%eth0
nameserver 10.96.0.11
nameserver resolver.example
 nameserver 10.0.0.99
search shop.svc.cluster.local svc.cluster.local. a..b
options timeout:1 ndots:5 rotate
"""
    assert parse_settings(text) == Settings(
        ("10.96.0.10", "fd00::a", "fe80::1%eth0"), ("shop.svc.cluster.local", "svc.cluster.local"), 5
    )


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", Settings()),
        ("search a\ndomain b c", Settings((), ("b",))),
        ("domain b\nsearch a b", Settings((), ("a", "b"))),
        ("search .", Settings((), ("",))),
        ("search", Settings()),
        ("options ndots:99", Settings((), (), 15)),
        ("options ndots:0", Settings((), (), 0)),
        ("options ndots:x ndots:-1", Settings()),
        ("nameserver", Settings()),
        ("\x00\ufffd;", Settings()),
    ],
)
def test_the_last_word_counts_and_what_is_no_good_does_not(text: str, settings: Settings) -> None:
    assert parse_settings(text) == settings


POD = Settings((), ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local"), 5)


def test_a_short_name_is_searched_first_and_tried_as_it_is_last() -> None:
    searched = ["db.shop.svc.cluster.local", "db.svc.cluster.local", "db.cluster.local"]
    assert candidates("db", POD) == [*searched, "db"]


def test_a_name_with_enough_dots_is_tried_as_it_is_first() -> None:
    assert candidates("a.b.c.d.e.f", POD)[0] == "a.b.c.d.e.f"
    assert candidates("a.b.c.d.e.f", POD)[1:] == [f"a.b.c.d.e.f.{domain}" for domain in POD.search]
    assert candidates("a.b.c.d.e", POD)[-1] == "a.b.c.d.e"


def test_a_name_with_a_last_dot_is_complete() -> None:
    assert candidates("db.", POD) == ["db"]


def test_names_that_are_too_long_or_the_same_are_not_tried() -> None:
    long = ".".join(["a" * 60] * 4)
    assert candidates(long, POD) == [long]
    assert candidates("db", Settings((), ("", "shop"), 1)) == ["db", "db.shop"]


@given(
    st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=5), min_size=1, max_size=8).map(".".join),
    st.integers(0, 15),
)
def test_every_search_domain_is_tried_once_and_the_name_itself_too(name: str, ndots: int) -> None:
    tried = candidates(name, POD.but(ndots=ndots))
    assert sorted(tried) == sorted([name, *(f"{name}.{domain}" for domain in POD.search)])
    assert (tried[0] == name) == (name.count(".") >= ndots)


def test_a_missing_resolv_conf_is_said(tmp_path: Path) -> None:
    path = str(tmp_path / "resolv.conf")
    with pytest.raises(SuspectError) as caught:
        target("db").probe(make_context(), System(path))
    assert str(caught.value).startswith(f"cannot read {path}: no such file or directory; mount it, ")


def test_a_resolv_conf_without_servers_is_said(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search shop\n")
    with pytest.raises(SuspectError) as caught:
        target("db").probe(make_context(), System(str(path)))
    assert str(caught.value) == (
        f"cannot resolve db: {path} names no server; check the pod's dnsPolicy and dnsConfig, or say --server"
    )
