"""Waiting for real ports, servers and files: early, late, and never."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import RecordingVoice, make_context
from fix_need import need
from fix_peer import silent

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, Stopped, TemporaryError, TimedOutError
from initkit.core.outcome import Pending, Satisfied
from initkit.core.stop import Stop
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_http import Site
    from fix_peer import Behaviour

    from initkit.core.outcome import Outcome

FAST = {"retry": {"timeout": "10s", "interval": "10ms", "max-interval": "20ms"}}


def wait(*targets: object, **more: object) -> Wait:
    return assemble(Wait, {"targets": list(targets), **FAST, **{key.replace("_", "-"): v for key, v in more.items()}})


def watched(*targets: object, timeout: float = 10.0, voice: RecordingVoice | None = None, **more: object) -> Outcome:
    return wait(*targets, **more).watch(make_context(timeout=timeout, voice=voice))


def probed(target: object, **context: Any) -> str:
    return wait(target).targets[0].probe(make_context(**context))


def failed(target: object, **context: Any) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(target, **context)
    assert "hunter2" not in str(caught.value)
    return caught.value


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


# tcp


def test_an_open_port(listening: int) -> None:
    assert watched(f"127.0.0.1:{listening}").facts == {"ready": [f"tcp://127.0.0.1:{listening}"]}


def test_a_port_that_opens_late(free_port: int) -> None:
    voice, servers = RecordingVoice(), []
    timer = threading.Timer(0.3, lambda: servers.append(socket.create_server(("127.0.0.1", free_port))))
    timer.start()
    began = time.monotonic()
    watched(f"127.0.0.1:{free_port}", voice=voice)
    assert 0.2 <= time.monotonic() - began < 10
    assert voice.missed[0] == (f"tcp://127.0.0.1:{free_port}", "connection refused")
    assert voice.founds == [f"tcp://127.0.0.1:{free_port}"]
    timer.join()
    servers[0].close()


def test_a_closed_port_times_out(free_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOutError) as caught:
        watched(f"127.0.0.1:{free_port}", timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 10
    assert f"cannot connect to 127.0.0.1:{free_port}: connection refused (gave up after " in str(caught.value)
    assert str(caught.value).endswith("; check that it is running")


def test_a_name_that_is_not_known() -> None:
    error = failed("db.invalid:5432")
    assert type(error) is TemporaryError
    assert error.cause.startswith("cannot resolve db.invalid: ")
    assert error.advice == "check the name and its namespace"


def test_an_address_that_does_not_answer() -> None:
    # a listener whose queue is full drops further connections without a word (tcp(7), somaxconn)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        queued = [socket.socket() for _ in range(4)]
        for one in queued:
            one.settimeout(0)
            one.connect_ex(server.getsockname())
        error = failed(f"127.0.0.1:{server.getsockname()[1]}", attempt_timeout=0.3)
        for one in queued:
            one.close()
    assert type(error) is TemporaryError
    assert (error.cause, error.advice) == ("no answer", "check addresses and network policies")


def test_an_ipv6_address() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        need(None, "IPv6 on the loopback device")
        return
    with server:
        assert probed(f"[::1]:{server.getsockname()[1]}") == "accepts connections"


def test_every_address_of_a_name_is_tried(listening: int) -> None:
    assert probed(f"localhost:{listening}") == "accepts connections"


# the step


def test_targets_of_any_mix_side_by_side(
    listening: int, http_server: Callable[..., Site], tmp_path: Path, postgres_url: str
) -> None:
    (tmp_path / "x").touch()
    web = f"http://{http_server().address}/"
    outcome = watched(f"127.0.0.1:{listening}", web, f"file:{tmp_path}/x", {"postgres": postgres_url})
    assert outcome.detail == "4 targets ready"


def test_a_silent_server_does_not_keep_the_others_waiting(peer: Callable[[Behaviour], int], listening: int) -> None:
    address = f"127.0.0.1:{peer(silent)}"
    with pytest.raises(TimedOutError) as caught:
        watched(f"http://{address}/silent", f"127.0.0.1:{listening}", timeout=0.5)
    assert str(caught.value).startswith(f"cannot wait for 1 of 2 targets: http://{address}/silent: no answer")


def test_check_looks_once(listening: int, free_port: int) -> None:
    context = make_context()
    assert wait(f"127.0.0.1:{listening}").check(context) == Satisfied(
        "1 target ready", {"ready": [f"tcp://127.0.0.1:{listening}"]}
    )
    finding = wait(f"127.0.0.1:{listening}", f"127.0.0.1:{free_port}").check(context)
    assert isinstance(finding, Pending)
    assert finding.changes == (f"tcp://127.0.0.1:{free_port}: connection refused",)


def test_a_signal_ends_a_wait_at_once(free_port: int) -> None:
    stop = Stop()
    threading.Timer(0.2, stop.request, [15]).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        wait(f"127.0.0.1:{free_port}").watch(make_context(stop=stop))
    assert time.monotonic() - began < 10
