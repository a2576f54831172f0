"""DNS targets that ask the system's own servers, with search domains as in a pod."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context
from fix_dns import DnsServer
from fix_need import need, need_program
from fix_program import INITKIT, environment

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, TemporaryError
from initkit.steps.wait.dns.config import System
from initkit.steps.wait.schemes.dns import Dns
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def target(domain: str, *servers: object, **options: object) -> Dns:
    return assemble(Dns, {"domain": domain, "server": [str(server) for server in servers], **options})


# the system's servers and search domains


@pytest.fixture
def resolv(tmp_path: Path, dns_server: DnsServer) -> Callable[..., System]:
    """Writes a resolv.conf of these lines, with the test's server as the last one."""

    def write(*lines: str) -> System:
        path = tmp_path / "resolv.conf"
        path.write_text("\n".join([*lines, f"nameserver {dns_server.host}"]) + "\n")
        return System(str(path), dns_server.port)

    return write


POD = ("search shop.svc.cluster.local svc.cluster.local cluster.local", "options ndots:5")


def system_look(system: System, domain: str, timeout: float = 5.0, **options: Any) -> str:
    return target(domain, **options).probe(make_context(attempt_timeout=timeout), system)


def test_search_domains_are_tried_as_in_a_pod(dns_server: DnsServer, resolv: Callable[..., System]) -> None:
    dns_server.put("db.shop.svc.cluster.local", "A", "10.96.0.7")
    assert system_look(resolv(*POD), "db.shop") == "is 10.96.0.7"
    assert dns_server.names_asked() == ["db.shop.shop.svc.cluster.local", "db.shop.svc.cluster.local"]


def test_the_name_itself_is_tried_last_with_fewer_dots_than_ndots(
    dns_server: DnsServer, resolv: Callable[..., System]
) -> None:
    dns_server.put("www.example", "A", "192.0.2.1")
    assert system_look(resolv(*POD), "www.example") == "is 192.0.2.1"
    assert len(dns_server.names_asked()) == 4


def test_the_name_itself_is_tried_first_with_as_many_dots_as_ndots(
    dns_server: DnsServer, resolv: Callable[..., System]
) -> None:
    dns_server.put("a.b.c.d.e.example", "A", "192.0.2.1")
    assert system_look(resolv(*POD), "a.b.c.d.e.example") == "is 192.0.2.1"
    assert dns_server.names_asked() == ["a.b.c.d.e.example"]


@pytest.mark.parametrize(("domain", "options"), [("db.", {}), ("db", {"search": "false"})])
def test_a_complete_name_is_not_searched(
    dns_server: DnsServer, resolv: Callable[..., System], domain: str, options: dict[str, Any]
) -> None:
    dns_server.put("db.shop.svc.cluster.local", "A", "10.96.0.7")
    with pytest.raises(AbsentError):
        system_look(resolv(*POD), domain, **options)
    assert dns_server.names_asked() == ["db"]


def test_a_name_that_is_nowhere_is_reported_with_all_that_was_tried(resolv: Callable[..., System]) -> None:
    with pytest.raises(AbsentError) as caught:
        system_look(resolv(*POD), "db")
    assert caught.value.cause == "NXDOMAIN: there is no such name"
    assert caught.value.advice.endswith("; tried db.shop.svc.cluster.local, db.svc.cluster.local, db.cluster.local, db")


def test_a_search_domain_without_that_type_of_record_is_passed_over(
    dns_server: DnsServer, resolv: Callable[..., System]
) -> None:
    dns_server.put("db.shop.svc.cluster.local", "TXT", "hello")
    dns_server.put("db.svc.cluster.local", "A", "10.96.0.7")
    assert system_look(resolv(*POD), "db") == "is 10.96.0.7"


def test_a_search_domain_whose_server_fails_leaves_it_uncertain(
    dns_server: DnsServer, resolv: Callable[..., System]
) -> None:
    dns_server.manners.rcode = "SERVFAIL"
    with pytest.raises(TemporaryError) as caught:
        system_look(resolv(*POD), "db")
    assert not isinstance(caught.value, AbsentError)
    assert len(dns_server.names_asked()) == 4


def test_search_domains_hold_for_a_server_that_was_named(dns_server: DnsServer, resolv: Callable[..., System]) -> None:
    dns_server.put("db.svc.cluster.local", "A", "10.96.0.7")
    assert target("db", dns_server).probe(make_context(), resolv(*POD)) == "is 10.96.0.7"


def test_a_server_that_was_named_needs_no_resolv_conf(dns_server: DnsServer) -> None:
    dns_server.put("db", "A", "10.96.0.7")
    assert target("db", dns_server).probe(make_context(), System("/nonexistent")) == "is 10.96.0.7"


def test_the_next_server_is_asked_where_one_refuses_is_silent_or_fails(
    start_dns: Callable[..., DnsServer], tmp_path: Path
) -> None:
    good = start_dns("127.0.0.3")
    silent = start_dns("127.0.0.2", good.port)
    silent.manners.silent_about = {"*"}
    good.put("db", "A", "10.96.0.7")
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n")
    system = System(str(conf), good.port)
    assert system_look(system, "db") == "is 10.96.0.7"
    assert silent.asked, "they are asked in their order"
    silent.manners = type(silent.manners)(rcode="REFUSED")
    assert system_look(system, "db") == "is 10.96.0.7"


def test_dead_servers_do_not_use_up_the_time_of_many_search_domains(
    start_dns: Callable[..., DnsServer], tmp_path: Path
) -> None:
    good = start_dns("127.0.0.3")
    silent = start_dns("127.0.0.2", good.port)
    silent.manners.silent_about = {"*"}
    good.put("db", "AAAA", "fd00::7")
    conf = tmp_path / "resolv.conf"
    domains = " ".join(f"d{i}" for i in range(20))
    conf.write_text(f"search {domains}\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n")
    assert system_look(System(str(conf), good.port), "db") == "is fd00::7"


def test_resolv_conf_is_read_at_every_look(
    dns_server: DnsServer, resolv: Callable[..., System], tmp_path: Path
) -> None:
    dns_server.put("db.shop", "A", "10.96.0.7")
    system = resolv()
    asked = target("db")
    with pytest.raises(AbsentError):
        asked.probe(make_context(), system)
    resolv("search shop")
    assert asked.probe(make_context(), system) == "is 10.96.0.7"
    (tmp_path / "resolv.conf").unlink()
    with pytest.raises(InitkitError, match="no such file or directory"):
        asked.probe(make_context(), system)


def test_the_program_reads_the_machines_own_resolv_conf(tmp_path: Path) -> None:
    need(os.geteuid() == 0 and shutil.which("unshare"), "root, for a resolv.conf and a port 53 of its own")
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.77", 53))
        except OSError:
            need(None, "port 53 of 127.0.0.77")
    server = DnsServer("127.0.0.77", 53)
    try:
        server.put("db.shop.svc.cluster.local", "A", "10.96.0.7")
        conf = tmp_path / "resolv.conf"
        conf.write_text("nameserver 127.0.0.77\nsearch shop.svc.cluster.local\noptions ndots:5\n")
        words = (need_program("unshare", "util-linux"), "-m", "sh", "-c")
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        run = subprocess.run(
            [*words, script, str(conf), *INITKIT, "wait", "dns:db", "--timeout", "10s"],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        server.end()
    assert run.returncode == 0, run.stderr
    assert server.names_asked() == ["db.shop.svc.cluster.local"]
