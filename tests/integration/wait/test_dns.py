"""DNS targets against name servers that change, fail, differ and fall silent, and against dnsmasq."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import dns.message
import pytest
from fix_clock import RecordingVoice, make_context
from fix_dns import DnsServer, dnsmasq, until
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.steps.wait.schemes.dns import Dns
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def target(domain: str, *servers: object, **options: object) -> Dns:
    return assemble(Dns, {"domain": domain, "server": [str(server) for server in servers], **options})


def look(domain: str, *servers: object, timeout: float = 5.0, **options: Any) -> str:
    return target(domain, *servers, **options).probe(make_context(attempt_timeout=timeout))


def failed(domain: str, *servers: object, **options: Any) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        look(domain, *servers, **options)
    return caught.value


# records of every type

ZONE = [
    ("db.shop", "A", ("10.0.0.8", "10.0.0.7"), "is 10.0.0.7 and 10.0.0.8"),
    ("db.shop", "AAAA", ("fd00:0:0::7",), "is fd00::7"),
    ("alias.shop", "CNAME", ("DB.shop.",), "is db.shop"),
    ("_pg._tcp.db.shop", "SRV", ("0 100 5432 DB-0.shop.",), "is 0 100 5432 db-0.shop"),
    ("shop", "MX", ("10 Mail.shop.", "20 mail2.shop."), "is 10 mail.shop and 20 mail2.shop"),
    ("shop", "NS", ("NS1.shop.",), "is ns1.shop"),
    ("shop", "TXT", ('"v=spf1 " "-all"',), "is v=spf1 -all"),
    ("7.0.0.10.in-addr.arpa", "PTR", ("db.shop.",), "is db.shop"),
]


@pytest.mark.parametrize(("name", "kind", "values", "words"), ZONE)
def test_a_record_of_each_type(
    dns_server: DnsServer, name: str, kind: str, values: tuple[str, ...], words: str
) -> None:
    dns_server.put(name, kind, *values)
    assert look(name, dns_server, type=kind) == words


def test_expected_records_are_compared_in_one_form(dns_server: DnsServer) -> None:
    for name, kind, values, _ in ZONE:
        dns_server.put(name, kind, *values)
    assert look("db.shop", dns_server, type="AAAA", expect=["FD00::0007"])
    assert look("alias.shop", dns_server, type="CNAME", expect=["db.SHOP."])
    assert look("_pg._tcp.db.shop", dns_server, type="SRV", expect=["0 100 5432 db-0.shop."])
    assert look("shop", dns_server, type="MX", expect=["20 mail2.shop", "10 mail.shop"], only="true")
    assert look("shop", dns_server, type="TXT", expect=["v=spf1 -all"], only="true")
    assert look("10.0.0.7", dns_server, expect=["DB.shop"]) == "is db.shop"


def test_an_ipv6_address_is_asked_for_by_its_reverse_name(dns_server: DnsServer) -> None:
    dns_server.put(f"7.{'0.' * 29}d.f.ip6.arpa", "PTR", "db.shop.")
    assert look("dns:fd00::7", dns_server) == "is db.shop"


def test_without_a_type_it_is_a_or_else_aaaa(dns_server: DnsServer) -> None:
    dns_server.put("four.shop", "A", "10.0.0.7")
    dns_server.put("six.shop", "AAAA", "fd00::7")
    dns_server.put("text.shop", "TXT", "hello")
    assert look("four.shop", dns_server) == "is 10.0.0.7"
    assert look("six.shop", dns_server) == "is fd00::7"
    assert [kind for name, kind, _ in dns_server.asked if name == "four.shop"] == ["A"]
    error = failed("text.shop", dns_server)
    assert (type(error), error.cause) == (AbsentError, "it has no A or AAAA record")


def test_without_a_type_the_expected_addresses_say_what_is_asked(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "A", "10.0.0.7")
    dns_server.put("db.shop", "AAAA", "fd00::7")
    assert look("db.shop", dns_server, expect=["fd00::7"], only="true") == "is fd00::7"
    assert look("db.shop", dns_server, expect=["fd00::7", "10.0.0.7"]) == "is 10.0.0.7 and fd00::7"
    dns_server.put("db.shop", "AAAA")
    assert failed("db.shop", dns_server, expect=["fd00::7", "10.0.0.7"]).cause == (
        "it is 10.0.0.7, expected 10.0.0.7 and fd00::7"
    )


def test_others_may_be_there_besides_what_is_expected_unless_only_that_may(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "A", "10.0.0.6", "10.0.0.7")
    assert look("db.shop", dns_server, expect=["10.0.0.7"])
    error = failed("db.shop", dns_server, expect=["10.0.0.7"], only="true")
    assert (type(error), error.cause) == (AbsentError, "it is 10.0.0.6 and 10.0.0.7, expected only 10.0.0.7")
    error = failed("db.shop", dns_server, expect=["10.0.0.8"])
    assert (type(error), error.cause) == (AbsentError, "it is 10.0.0.6 and 10.0.0.7, expected 10.0.0.8")


def test_an_international_name(dns_server: DnsServer) -> None:
    dns_server.put("xn--bcher-kva.shop", "A", "10.0.0.7")
    assert look("bücher.shop", dns_server) == "is 10.0.0.7"


def test_aliases_are_followed(dns_server: DnsServer) -> None:
    dns_server.put("alias.shop", "CNAME", "other.shop.")
    dns_server.put("other.shop", "CNAME", "db.shop.")
    dns_server.put("db.shop", "A", "10.0.0.7")
    assert look("alias.shop", dns_server) == "is 10.0.0.7"


def test_an_alias_that_leads_nowhere_is_not_there(dns_server: DnsServer) -> None:
    dns_server.put("alias.shop", "CNAME", "gone.shop.")
    assert type(failed("alias.shop", dns_server)) is AbsentError


def test_aliases_in_a_circle_are_no_answer(dns_server: DnsServer) -> None:
    dns_server.put("a.shop", "CNAME", "b.shop.")
    dns_server.put("b.shop", "CNAME", "a.shop.")
    error = failed("a.shop", dns_server)
    assert (type(error).__mro__[1], error.cause) == (
        TemporaryError,
        f"{dns_server} answers with aliases that have no end",
    )


# what is not there, and what is not certain


def test_a_name_that_does_not_exist_is_certainly_absent(dns_server: DnsServer) -> None:
    error = failed("db.shop", dns_server)
    assert type(error) is AbsentError
    assert str(error).startswith("cannot resolve db.shop: NXDOMAIN: there is no such name; check the name and its ")


def test_a_name_without_records_of_the_type_is_certainly_absent(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "A", "10.0.0.7")
    error = failed("db.shop", dns_server, type="SRV")
    assert (type(error), error.cause) == (AbsentError, "it has no SRV record")


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"])
def test_a_server_that_fails_says_nothing_about_the_name(dns_server: DnsServer, rcode: str) -> None:
    dns_server.manners.rcode = rcode
    error = failed("db.shop", dns_server)
    assert not isinstance(error, AbsentError)
    assert isinstance(error, TemporaryError)
    assert (error.cause, error.advice) == (f"{dns_server} answers {rcode}", "look into that server's own log")


def test_a_server_that_refers_to_others_says_nothing_about_the_name(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "NS", "ns.shop.")
    dns_server.manners.is_authority = False
    assert failed("db.shop", dns_server).cause == f"{dns_server} refers to other servers"


def test_a_silent_server_takes_no_longer_than_an_attempt(dns_server: DnsServer) -> None:
    dns_server.manners.silent_about = {"*"}
    began = time.monotonic()
    error = failed("db.shop", dns_server, timeout=0.6)
    assert 0.5 < time.monotonic() - began < 10
    assert (type(error), error.cause) == (TemporaryError, f"no answer from {dns_server}")
    assert len(dns_server.asked) >= 2, "a lost datagram is sent again"


def test_a_port_that_refuses_is_noticed_at_once(start_dns: Callable[..., DnsServer]) -> None:
    server = start_dns()
    gone = str(server)
    server.end()
    began = time.monotonic()
    error = failed("db.shop", gone, timeout=20)
    assert time.monotonic() - began < 10
    assert not isinstance(error, AbsentError)
    assert (error.cause, error.advice) == (
        f"{gone}: connection refused",
        "check that a name server is running there",
    )


def test_a_lost_datagram_is_sent_again(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "A", "10.0.0.7")
    dns_server.manners.loses = 2
    assert look("db.shop", dns_server, timeout=10) == "is 10.0.0.7"


def test_what_is_no_answer_to_the_question_is_passed_over(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "A", "10.0.0.7")
    other = dns.message.make_response(dns.message.make_query("db.shop.", "A")).to_wire()
    dns_server.manners.garbage = [b"", b"hello", b"\xff" * 600, other]
    assert look("db.shop", dns_server) == "is 10.0.0.7"


def test_a_server_whose_name_is_unknown_or_can_be_none() -> None:
    error = failed("db.shop", "ns.invalid")
    assert type(error) is TemporaryError
    assert error.cause.startswith("cannot resolve ns.invalid: ")
    assert type(failed("db.shop", "ü" * 63)) is PermanentError


def test_a_server_by_name_and_over_ipv6(start_dns: Callable[..., DnsServer]) -> None:
    server = start_dns("::1")
    server.put("db.shop", "A", "10.0.0.7")
    assert look("db.shop", server) == "is 10.0.0.7"
    server = start_dns("127.0.0.1")
    server.put("db.shop", "A", "10.0.0.8")
    assert look("db.shop", f"localhost:{server.port}") == "is 10.0.0.8"


# over TCP


def test_an_answer_that_does_not_fit_is_asked_for_over_tcp(dns_server: DnsServer) -> None:
    values = [f"10.0.{i // 250}.{i % 250}" for i in range(2000)]
    dns_server.put("many.shop", "A", *values)
    dns_server.manners.truncates = True
    assert look("many.shop", dns_server, expect=values, only="true").endswith("and 1997 more")
    assert [over for _, _, over in dns_server.asked] == ["udp", "tcp"]


@pytest.mark.parametrize(
    ("manner", "cause"),
    [
        ("closed", "breaks off over TCP"),
        ("breaks off", "breaks off over TCP"),
        ("garbage", "answers over TCP with what is no answer"),
        ("silent", "no answer from {} over TCP"),
        ("trickling", "no answer from {} over TCP"),
    ],
)
def test_a_server_that_is_bad_over_tcp_takes_no_longer_than_an_attempt(
    dns_server: DnsServer, manner: str, cause: str
) -> None:
    dns_server.put("db.shop", "A", "10.0.0.7")
    dns_server.manners.truncates, dns_server.manners.tcp = True, manner
    began = time.monotonic()
    error = failed("db.shop", dns_server, timeout=0.5)
    assert time.monotonic() - began < 10
    assert isinstance(error, TemporaryError)
    assert not isinstance(error, AbsentError)
    assert cause.format(dns_server) in error.cause


# several servers


def test_all_servers_must_have_what_is_expected(start_dns: Callable[..., DnsServer]) -> None:
    first, second = start_dns(), start_dns()
    first.put("db.shop", "A", "10.0.0.7")
    second.put("db.shop", "A", "10.0.0.6")
    error = failed("db.shop", first, second, expect=["10.0.0.7"])
    assert type(error) is TemporaryError
    assert error.cause == f"{first}: it is 10.0.0.7; {second}: it is 10.0.0.6, expected 10.0.0.7"
    second.put("db.shop", "A", "10.0.0.6", "10.0.0.7")
    assert look("db.shop", first, second, expect=["10.0.0.7"]) == "is 10.0.0.7"


def test_without_an_expectation_all_servers_must_have_the_same(start_dns: Callable[..., DnsServer]) -> None:
    servers = [start_dns() for _ in range(3)]
    for server in servers:
        server.put("db.shop", "A", "10.0.0.7", "10.0.0.8")
    assert look("db.shop", *servers) == "is 10.0.0.7 and 10.0.0.8"
    servers[2].put("db.shop", "A", "10.0.0.7")
    error = failed("db.shop", *servers)
    assert type(error) is TemporaryError
    assert error.cause.endswith(f"; {servers[2]}: it is 10.0.0.7")


def test_a_name_is_certainly_absent_only_where_all_servers_say_so(start_dns: Callable[..., DnsServer]) -> None:
    first, second = start_dns(), start_dns()
    assert type(failed("db.shop", first, second)) is AbsentError
    second.put("db.shop", "A", "10.0.0.7")
    assert type(failed("db.shop", first, second)) is TemporaryError
    second.manners.rcode = "SERVFAIL"
    error = failed("db.shop", first, second)
    assert type(error) is TemporaryError
    assert error.cause == f"{first}: NXDOMAIN: there is no such name; {second} answers SERVFAIL"


def test_a_silent_server_leaves_the_others_their_time(start_dns: Callable[..., DnsServer]) -> None:
    silent, good = start_dns(), start_dns()
    silent.manners.silent_about = {"*"}
    good.put("db.shop", "A", "10.0.0.7")
    began = time.monotonic()
    error = failed("db.shop", silent, good, timeout=0.5)
    assert time.monotonic() - began < 10
    assert error.cause == f"no answer from {silent}; {good}: it is 10.0.0.7"


# while waiting


def wait(*words: dict[str, object], **more: object) -> Wait:
    fast = {"timeout": "20s", "interval": "10ms", "max-interval": "20ms"}
    return assemble(Wait, {"targets": [{"dns": word} for word in words], "retry": fast, **more})


def test_a_name_that_appears_while_waiting(dns_server: DnsServer) -> None:
    voice = RecordingVoice()
    step = wait({"domain": "db.shop", "server": str(dns_server), "search": "false"})
    watching = threading.Thread(target=lambda: step.watch(make_context(voice=voice)))
    watching.start()
    until(lambda: len(dns_server.asked) >= 3)
    dns_server.put("db.shop", "TXT", "hello")
    until(lambda: ("dns:db.shop", "it has no A or AAAA record") in voice.missed)
    dns_server.put("db.shop", "A", "10.0.0.7")
    watching.join(10)
    assert not watching.is_alive()
    assert voice.missed[0] == ("dns:db.shop", "NXDOMAIN: there is no such name")
    assert voice.founds == ["dns:db.shop"]


def test_an_address_that_changes_while_waiting(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "A", "10.0.0.6")
    voice = RecordingVoice()
    step = wait({"domain": "db.shop", "server": str(dns_server), "expect": ["10.0.0.7"]})
    watching = threading.Thread(target=lambda: step.watch(make_context(voice=voice)))
    watching.start()
    until(lambda: ("dns:db.shop", "it is 10.0.0.6, expected 10.0.0.7") in voice.missed)
    dns_server.manners.rcode = "SERVFAIL"
    until(lambda: ("dns:db.shop", f"{dns_server} answers SERVFAIL") in voice.missed)
    dns_server.put("db.shop", "A", "10.0.0.7")
    dns_server.manners.rcode = ""
    watching.join(10)
    assert voice.founds == ["dns:db.shop"]


def test_a_name_that_goes_is_waited_for_with_not(dns_server: DnsServer) -> None:
    dns_server.put("db.shop", "A", "10.0.0.7")
    voice = RecordingVoice()
    step = wait({"domain": "db.shop", "server": str(dns_server)}, **{"not": "true"})
    watching = threading.Thread(target=lambda: step.watch(make_context(voice=voice)))
    watching.start()
    until(lambda: voice.missed)
    dns_server.manners.rcode = "SERVFAIL"
    until(lambda: any("SERVFAIL" in why for _, why in voice.missed))
    assert watching.is_alive(), "a server that fails does not mean that the name is gone"
    dns_server.drop("db.shop")
    dns_server.manners.rcode = ""
    watching.join(10)
    assert not watching.is_alive()
    assert voice.founds


def test_an_answer_is_reported_as_soon_as_there_is_one(dns_server: DnsServer) -> None:
    reached = threading.Event()
    context = ProbeContext(**vars(make_context()), reached=reached.set)
    with pytest.raises(AbsentError):
        target("db.shop", dns_server).probe(context)
    assert reached.is_set()


# the real thing


@pytest.fixture(scope="module")
def masq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dnsmasq(
        tmp_path_factory.mktemp("dnsmasq"),
        "--host-record=db.shop,10.0.0.7,fd00::7",
        "--address=/wild.shop/10.0.0.9",
        "--cname=alias.shop,db.shop",
        "--srv-host=_pg._tcp.db.shop,db-0.shop,5432,0,100",
        "--mx-host=shop,mail.shop,10",
        "--txt-record=shop,v=spf1,-all",
        *(f"--txt-record=long.shop,{i:03}{'x' * 200}" for i in range(20)),
        "--local=/shop/",
    ) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("db.shop", {}, "is 10.0.0.7"),
        ("db.shop", {"type": "AAAA"}, "is fd00::7"),
        ("db.shop", {"expect": ["10.0.0.7", "fd00::7"], "only": "true"}, "is 10.0.0.7 and fd00::7"),
        ("any.wild.shop", {}, "is 10.0.0.9"),
        ("alias.shop", {"type": "CNAME"}, "is db.shop"),
        ("alias.shop", {"expect": ["10.0.0.7"]}, "is 10.0.0.7"),
        ("_pg._tcp.db.shop", {"type": "SRV", "expect": ["0 100 5432 db-0.shop"]}, "is 0 100 5432 db-0.shop"),
        ("shop", {"type": "MX"}, "is 10 mail.shop"),
        ("shop", {"type": "TXT", "expect": ["v=spf1-all"]}, "is v=spf1-all"),
        ("10.0.0.7", {}, "is db.shop"),
        ("fd00::7", {"type": "PTR"}, "is db.shop"),
    ],
)
def test_what_dnsmasq_has(masq: str, name: str, options: dict[str, Any], words: str) -> None:
    assert look(name, masq, **options) == words


def test_long_answers_of_dnsmasq_come_over_tcp(masq: str) -> None:
    assert look("long.shop", masq, type="TXT", expect=[f"{i:03}{'x' * 200}" for i in range(20)], only="true")


def test_what_dnsmasq_does_not_have(masq: str) -> None:
    assert failed("other.shop", masq).cause == "NXDOMAIN: there is no such name"
    assert failed("db.shop", masq, type="MX").cause == "it has no MX record"
    error = failed("www.example", masq)
    assert error.cause == f"{masq} answers REFUSED"
    assert not isinstance(error, AbsentError)


def test_the_program_waits_for_a_name_and_says_what_it_is(masq: str) -> None:
    run = initkit("wait", "dns", "alias.shop", "--server", masq, "--expect", "10.0.0.7")
    assert run.returncode == 0, run.stderr
    run = initkit("wait", "dns", "db.shop", "--type", "a", "--server", masq, "--expect", "10.0.0.8", "--timeout", "1s")
    assert run.returncode == 124
    assert "cannot resolve db.shop: it is 10.0.0.7, expected 10.0.0.8 (gave up after " in run.stderr + run.stdout
    run = initkit("wait", "dns", "db", "--expect", "x")
    assert run.returncode == 2
    assert "expected an IPv4 or IPv6 address, or --type, got 'x'" in run.stderr
