"""Waiting for real unix sockets: late, closed, full, of another kind, and what is none."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_files import ordinary_user

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.schemes.unix import Unix
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from pathlib import Path

FAST = {"retry": {"timeout": "10s", "interval": "10ms", "max-interval": "20ms"}}


def listening(path: Path | str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def failed(path: Path | str) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        assemble(Unix, {"path": str(path)}).probe(make_context(attempt_timeout=1.0))
    return caught.value


def test_a_socket_that_accepts(tmp_path: Path) -> None:
    answered: list[bool] = []
    with listening(tmp_path / "x.sock") as server:
        context = ProbeContext(**vars(make_context()), reached=lambda: answered.append(True))
        assert assemble(Unix, {"path": f"unix://{tmp_path}/x.sock"}).probe(context) == "accepts connections"
        with server.accept()[0] as accepted:
            assert accepted.recv(1) == b"", "nothing is said to it"
    assert answered == [True]


def test_a_socket_in_the_abstract_namespace(tmp_path: Path) -> None:
    name = f"initkit-test-{tmp_path.name}-{id(tmp_path)}"
    assert str(failed(f"@{name}")) == f"cannot connect to @{name}: connection refused; check that it is running"
    with listening(f"\0{name}"):
        assert assemble(Unix, {"path": f"@{name}"}).probe(make_context()) == "accepts connections"


def test_a_socket_that_is_made_late(tmp_path: Path) -> None:
    path, voice, servers = tmp_path / "x.sock", RecordingVoice(), list[socket.socket]()
    timer = threading.Timer(0.2, lambda: servers.append(listening(path)))
    timer.start()
    assemble(Wait, {"targets": [f"unix:{path}"], **FAST}).watch(make_context(timeout=10.0, voice=voice))
    timer.join()
    servers[0].close()
    assert voice.missed[0] == (f"unix:{path}", "no such file or directory")
    assert voice.founds == [f"unix:{path}"]


def test_where_nobody_listens_it_is_absent(tmp_path: Path) -> None:
    listening(tmp_path / "left.sock").close()
    (tmp_path / "file").touch()
    for name, cause in [
        ("nothing", "no such file or directory"),
        ("file/below", "not a directory"),
        ("left.sock", "connection refused"),
        ("file", "it is there but is no socket"),
        (".", "it is there but is no socket"),
    ]:
        error = failed(tmp_path / name)
        assert isinstance(error, AbsentError)
        assert error.cause == cause


def test_a_datagram_socket_is_called_what_it_is(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        error = failed(tmp_path / "log")
    assert type(error) is TemporaryError
    assert error.cause == "it is no stream socket"


def test_a_server_that_accepts_nobody_is_not_ready(tmp_path: Path) -> None:
    path = tmp_path / "busy.sock"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as queued:
        server.bind(str(path))
        server.listen(0)
        queued.connect(str(path))
        error = failed(path)
    assert type(error) is TemporaryError
    assert error.cause == "its queue of connections is full"


def test_a_socket_that_this_user_may_not_use_is_suspect(volume: Path) -> None:
    with listening(volume / "x.sock"):
        (volume / "x.sock").chmod(0)
        with ordinary_user() as uid:
            error = failed(volume / "x.sock")
    assert isinstance(error, SuspectError)
    assert error.cause == f"permission denied for UID {uid}"


def test_until_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    server = listening(path)
    timer = threading.Timer(0.2, server.close)
    timer.start()
    outcome = assemble(Wait, {"targets": [f"unix:{path}"], "not": "yes", **FAST}).watch(make_context(timeout=10.0))
    assert outcome.detail == "1 target gone"
    timer.join()
