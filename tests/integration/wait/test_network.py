"""Packets that get lost, names with several addresses, IPv6, and signals while all of that hangs."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program
from fix_network import sockets_of, until
from fix_program import INITKIT, Running

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from fix_network import Network

    Wait = Callable[..., Running]

PORT = 7000
LONG = 8.0  # seconds for an attempt: a quarter of it passes before another one joins
NOTICED = LONG * 3 / 4  # seconds: well before the attempt that hangs would end
PROMPT = 2.0  # seconds to leave in, on a busy machine
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def wait(network: Network) -> Iterator[Wait]:
    """Starts ``initkit wait`` in the network; what still runs at the end of the test is killed."""
    started: list[Running] = []

    def start(*words: str, under: tuple[str, ...] = ()) -> Running:
        program = Running(network.inside(*under, *INITKIT, "wait", *words))
        started.append(program)
        return program

    yield start
    for program in started:
        if program.child.poll() is None:
            program.child.kill()
        program.child.wait()


@pytest.fixture
def answering() -> Iterator[Callable[[socket.socket], None]]:
    """Has a listening socket answer every connection as a web server would, until the end of the test."""
    over = threading.Event()
    threads: list[threading.Thread] = []
    servers: list[socket.socket] = []

    def serve(server: socket.socket) -> None:
        server.settimeout(0.05)
        while not over.is_set():
            with suppress(OSError):
                connection = server.accept()[0]
                connection.settimeout(5)
                with connection:
                    connection.recv(4096)
                    connection.sendall(OK)

    def start(server: socket.socket) -> None:
        servers.append(server)
        threads.append(threading.Thread(target=serve, args=(server,), daemon=True))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join(10)
    for server in servers:
        server.close()


def ended(program: Running) -> int:
    code = program.ended()
    assert "Traceback" not in program.output
    return code


# packets that vanish


def test_a_black_hole_that_opens_is_noticed_long_before_the_attempt_ends(
    network: Network, wait: Wait, answering: Callable[[socket.socket], None]
) -> None:
    tcp, http = network.listen("127.0.0.1"), network.listen("127.0.0.1")
    answering(http)
    ports = [server.getsockname()[1] for server in (tcp, http)]
    network.drop(*ports)
    began = time.monotonic()
    program = wait(
        f"127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}/", f"--attempt-timeout={LONG}", "--timeout=30"
    )
    for port in ports:
        until(partial(network.connecting, port), "an attempt")
        network.lift_for_new(port)  # what the system sends again for the old attempt is lost as well
    assert ended(program) == 0
    assert time.monotonic() - began < NOTICED
    tcp.close()


SILENT = ("postgres://u@{}/d", "mysql://u@{}/d", "redis://{}", "amqp://{}", "nats://{}", "mqtt://{}", "memcached://{}")


def test_every_scheme_connects_anew_while_an_attempt_hangs(network: Network, wait: Wait) -> None:
    servers = [network.listen("127.0.0.1") for _ in SILENT]
    ports = [server.getsockname()[1] for server in servers]
    network.drop(*ports)
    began = time.monotonic()
    wait(
        *(url.format(f"127.0.0.1:{port}") for url, port in zip(SILENT, ports, strict=True)),
        f"--attempt-timeout={LONG}",
    )
    for port in ports:
        until(partial(network.connecting, port), f"an attempt at {port}")
        network.lift_for_new(port)
    late = []
    for url, server in zip(SILENT, servers, strict=True):
        server.settimeout(max(0.01, began + NOTICED - time.monotonic()))
        try:
            server.accept()[0].close()
        except TimeoutError:
            late.append(url)
        server.close()
    assert late == []


def test_at_most_four_attempts_at_a_target_are_under_way(network: Network, wait: Wait) -> None:
    network.drop(PORT, PORT + 1)
    wait(f"127.0.0.1:{PORT}", f"http://127.0.0.1:{PORT + 1}/", "--attempt-timeout=800ms")
    until(lambda: network.connecting(PORT) and network.connecting(PORT + 1), "an attempt")
    end, most = time.monotonic() + 1.6, [0, 0]
    while time.monotonic() < end:
        # twice: one that ends while the system lists them may be listed beside the one that follows it
        most = [max(most[i], min(len(network.connecting(PORT + i)) for _ in range(2))) for i in (0, 1)]
        time.sleep(0.02)
    assert 1 < most[0] <= 4
    assert 1 < most[1] <= 4


def test_many_black_holes_leave_half_of_the_descriptors(network: Network, wait: Wait) -> None:
    network.rule("-A", "-d", "127.9.0.0/16", "-j", "DROP")
    targets = [f"127.9.0.{number}:{PORT}" for number in range(1, 101)]
    targets[50:] = [f"http://{target}/" for target in targets[50:]]
    program = wait(*targets, "--timeout=2s", under=(need_program("prlimit", "util-linux"), "--nofile=64"))
    most = 0
    while program.child.poll() is None:
        most = max(most, sockets_of(program.child.pid))
        time.sleep(0.01)
    assert ended(program) == 124
    assert 8 < most <= 32 + 4
    assert "too many open files" not in program.output.lower()


def test_what_is_there_is_found_behind_black_holes_that_take_all_descriptors(network: Network, wait: Wait) -> None:
    network.rule("-A", "-d", "127.9.0.0/16", "-j", "DROP")
    server = network.listen("127.0.0.1")
    targets = [f"127.9.0.{number}:{PORT}" for number in range(1, 101)] + [f"127.0.0.1:{server.getsockname()[1]}"]
    program = wait(
        "--any",
        *targets,
        "--attempt-timeout=1s",
        "--timeout=10s",
        under=(need_program("prlimit", "util-linux"), "--nofile=64"),
    )
    code = ended(program)
    server.close()
    assert code == 0


def test_a_timeout_says_that_nothing_answers(network: Network, wait: Wait) -> None:
    network.drop(PORT, PORT + 1)
    program = wait(f"127.0.0.1:{PORT}", f"http://127.0.0.1:{PORT + 1}/", "--timeout=600ms")
    assert ended(program) == 124
    assert f"tcp://127.0.0.1:{PORT}: no answer" in program.output
    assert f"http://127.0.0.1:{PORT + 1}/: no answer" in program.output


def test_what_does_not_answer_is_not_gone(network: Network, wait: Wait) -> None:
    network.drop(PORT)
    urls = [url.format(f"127.0.0.1:{PORT}") for url in ("{}", "http://{}", *SILENT)]
    assert ended(wait("--not", "--any", *urls, "--timeout=1500ms", "--attempt-timeout=500ms")) == 124


# refused and unreachable


def test_a_port_that_a_firewall_resets_is_refused(network: Network, wait: Wait) -> None:
    server = network.listen("127.0.0.1", PORT)
    network.rule("-A", "--dport", str(PORT), "-j", "REJECT", "--reject-with", "tcp-reset")
    program = wait(f"127.0.0.1:{PORT}")
    program.line_with("connection refused")
    network.lift()
    assert ended(program) == 0
    server.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("icmp-host-unreachable", "no route to host"),
        ("icmp-net-unreachable", "network is unreachable"),
        ("icmp-admin-prohibited", "no route to host"),
        ("icmp-port-unreachable", "connection refused"),
    ],
)
def test_an_unreachable_address_is_told_and_recovers(network: Network, wait: Wait, answer: str, words: str) -> None:
    server = network.listen("127.0.0.1", PORT)
    network.rule("-A", "--dport", str(PORT), "-j", "REJECT", "--reject-with", answer)
    program = wait(f"127.0.0.1:{PORT}", "--attempt-timeout=1s")
    program.line_with(words)
    network.lift()
    assert ended(program) == 0
    server.close()


def test_a_network_without_a_route_is_told_at_once_and_is_not_gone(network: Network, wait: Wait) -> None:
    program = wait("--not", "198.51.100.7:80", "--timeout=500ms")
    assert ended(program) == 124
    assert "network is unreachable" in program.output
    del network


# names with several addresses


def test_behind_a_black_holed_address_the_second_one_is_noticed(network: Network, wait: Wait) -> None:
    network.stand_in("/etc/hosts", "127.0.0.2 twofold\n127.0.0.3 twofold\n")
    network.rule("-A", "-d", "127.0.0.2", "-j", "DROP")
    programs = [wait(f"twofold:{PORT}"), wait(f"redis://twofold:{PORT}")]
    for program in programs:
        program.line_with("no answer")
    server = network.listen("127.0.0.3", PORT)
    began = time.monotonic()
    assert ended(programs[0]) == 0
    assert time.monotonic() - began < PROMPT + 1
    server.settimeout(PROMPT + 1)
    connection = server.accept()[0]
    while not connection.recv(100):  # the first one was that of tcp
        connection.close()
        connection = server.accept()[0]
    connection.close()
    server.close()


@pytest.mark.parametrize(("silent", "attempt"), [(4, "3s"), (1, "500ms")])
def test_every_address_of_a_name_has_its_turn_behind_black_holes(
    network: Network, wait: Wait, answering: Callable[[socket.socket], None], silent: int, attempt: str
) -> None:
    addresses = [f"127.0.0.{number}" for number in range(2, 3 + silent)]
    network.stand_in("/etc/hosts", "".join(f"{address} many\n" for address in addresses))
    for address in addresses[:-1]:
        network.rule("-A", "-d", address, "-j", "DROP")
    answering(network.listen(addresses[-1], PORT))
    urls = (f"many:{PORT}", f"http://many:{PORT}/")
    programs = [wait(url, "--timeout=5s", f"--attempt-timeout={attempt}") for url in urls]
    assert [ended(program) for program in programs] == [0, 0]


def test_a_name_whose_other_address_is_silent_is_not_gone(network: Network, wait: Wait) -> None:
    network.stand_in("/etc/hosts", "127.0.0.3 twofold\n127.0.0.2 twofold\n")
    network.rule("-A", "-d", "127.0.0.2", "-j", "DROP")
    program = wait("--not", f"twofold:{PORT}", "--timeout=1s", "--attempt-timeout=1s")
    assert ended(program) == 124
    assert "no answer from 127.0.0.2" in program.output


def test_a_name_all_of_whose_addresses_refuse_is_gone(network: Network, wait: Wait) -> None:
    network.stand_in("/etc/hosts", "127.0.0.3 twofold\n127.0.0.2 twofold\n")
    assert ended(wait("--not", f"twofold:{PORT}", "--timeout=5s")) == 0


# IPv6


def ipv6(network: Network) -> None:
    try:
        network.listen("::1").close()
    except OSError:
        need(None, "IPv6")


def test_ipv6_addresses(network: Network, wait: Wait, answering: Callable[[socket.socket], None]) -> None:
    ipv6(network)
    program = wait(f"[::1]:{PORT}", f"http://[::1]:{PORT}/", f"tcp://[::1]:{PORT}")
    program.line_with("connection refused")
    answering(network.listen("::1", PORT))
    assert ended(program) == 0
    assert f"tcp://[::1]:{PORT}" in program.output


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_name_of_both_families_is_ready_where_one_listens(
    network: Network, wait: Wait, answering: Callable[[socket.socket], None], address: str
) -> None:
    ipv6(network)
    network.stand_in("/etc/hosts", "::1 both\n127.0.0.1 both\n")
    program = wait(f"both:{PORT}", f"http://both:{PORT}/")
    program.line_with("connection refused")
    answering(network.listen(address, PORT))
    assert ended(program) == 0


def test_a_black_hole_of_ipv6_does_not_hide_ipv4(
    network: Network, wait: Wait, answering: Callable[[socket.socket], None]
) -> None:
    ipv6(network)
    network.stand_in("/etc/hosts", "::1 both\n127.0.0.1 both\n")
    network.drop(PORT, version=6)
    answering(network.listen("127.0.0.1", PORT))
    began = time.monotonic()
    program = wait(f"both:{PORT}", f"http://both:{PORT}/", f"--attempt-timeout={LONG}")
    assert ended(program) == 0
    assert time.monotonic() - began < NOTICED


# a port that finds itself


def test_a_closed_port_of_the_ephemeral_range_does_not_find_itself(network: Network, wait: Wait) -> None:
    port = 40000
    network.set("net.ipv4.ip_local_port_range", f"{port} {port + 3}")
    assert any(_connects_to_itself(network, port) for _ in range(100)), "that would have been found here"
    program = wait(f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/", f"redis://127.0.0.1:{port}", "--timeout=1s")
    assert ended(program) == 124
    assert f"tcp://127.0.0.1:{port}: connection refused" in program.output


def _connects_to_itself(network: Network, port: int) -> bool:
    with network.new_socket() as ours:
        return ours.connect_ex(("127.0.0.1", port)) == 0


# signals

TERM, INT = (signal.SIGTERM, 143), (signal.SIGINT, 130)


def stopped(program: Running, signum: signal.Signals) -> int:
    sent = program.signal(signum)
    code = ended(program)
    assert time.monotonic() - sent < PROMPT
    return code


@pytest.mark.parametrize(
    ("url", "signum", "code"),
    [
        ("127.0.0.1:{}", *TERM),
        ("127.0.0.1:{}", *INT),
        ("http://127.0.0.1:{}/", *TERM),
        ("postgres://u@127.0.0.1:{}/d", *INT),
    ],
)
def test_a_signal_ends_a_hung_connect(
    network: Network, wait: Wait, url: str, signum: signal.Signals, code: int
) -> None:
    network.drop(PORT)
    program = wait(url.format(PORT), "--attempt-timeout=1m")
    until(lambda: network.connecting(PORT), "an attempt")
    assert stopped(program, signum) == code


@pytest.mark.parametrize(
    ("url", "signum", "code"),
    [
        ("https://{}/", *TERM),
        ("https://{}/", *INT),
        ("http://{}/", *TERM),
        ("http://{}/", *INT),
        ("rediss://{}", *TERM),
        ("amqp://{}", *INT),
        ("mysql://u@{}/d", *TERM),
    ],
)
def test_a_signal_ends_a_wait_for_words(
    network: Network, wait: Wait, url: str, signum: signal.Signals, code: int
) -> None:
    with network.listen("127.0.0.1", PORT) as server:
        program = wait(url.format(f"127.0.0.1:{PORT}"), "--attempt-timeout=1m")
        server.settimeout(20)
        connection = server.accept()[0]
        if not url.startswith("mysql"):  # where the server speaks first
            connection.settimeout(20)
            assert connection.recv(4096)
        assert stopped(program, signum) == code
        connection.close()


@pytest.mark.parametrize(
    ("url", "signum", "code"),
    [("silent.example:80", *TERM), ("silent.example:80", *INT), ("http://silent.example/", *TERM)],
)
def test_a_signal_ends_a_hung_name_look_up(
    network: Network, wait: Wait, url: str, signum: signal.Signals, code: int
) -> None:
    network.stand_in("/etc/resolv.conf", "nameserver 127.0.0.53\noptions timeout:30\n")
    with network.new_socket("u") as server:
        server.bind(("127.0.0.53", 53))
        server.settimeout(20)
        program = wait(url, "--attempt-timeout=1m")
        assert b"silent" in server.recv(4096)
        assert stopped(program, signum) == code
