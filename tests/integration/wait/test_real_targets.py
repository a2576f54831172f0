"""Waiting for real ports, servers and files: early, late, and never."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from fix_clock import RecordingVoice, make_context
from fix_need import need, need_program

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, Stopped, SuspectError, TemporaryError, TimedOutError
from initkit.core.outcome import Pending, Satisfied
from initkit.core.stop import Stop
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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
    assert 0.2 <= time.monotonic() - began < 5
    assert voice.missed[0] == (f"tcp://127.0.0.1:{free_port}", "connection refused")
    assert voice.founds == [f"tcp://127.0.0.1:{free_port}"]
    timer.join()
    servers[0].close()


def test_a_closed_port_times_out(free_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOutError) as caught:
        watched(f"127.0.0.1:{free_port}", timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 2
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


# http


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names; ``/silent`` never does."""

    asked: list[tuple[str, str | None]]
    release: threading.Event

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        if self.path == "/silent":
            self.release.wait(20)
            return
        status = 401 if self.path == "/private" and not self.headers.get("Authorization") else 200
        status = int(self.path[1:]) if self.path[1:].isdigit() else status
        self.send_response(status)
        if status in {301, 302}:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def handler() -> Iterator[type[Answers]]:
    class Fresh(Answers):
        asked: list[tuple[str, str | None]] = []  # noqa: RUF012 - of this one test
        release = threading.Event()

    yield Fresh
    Fresh.release.set()


@pytest.fixture
def serve(handler: type[Answers]) -> Iterator[Callable[..., str]]:
    """Starts servers; gives their address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(port: int = 0, context: ssl.SSLContext | None = None) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that goes away
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    handler.release.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_good_status(serve: Callable[..., str], status: int) -> None:
    assert probed(f"http://{serve()}/{status}") == f"answers {status}"


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_another_status_is_temporary(serve: Callable[..., str], status: int) -> None:
    error = failed(f"http://{serve()}/{status}")
    assert type(error) is TemporaryError
    assert error.cause == f"it answers {status}, expected 200-299"


@pytest.mark.parametrize("status", [401, 403])
def test_a_status_about_credentials_is_suspect(serve: Callable[..., str], status: int) -> None:
    error = failed(f"http://app:hunter2@{serve()}/{status}")
    assert isinstance(error, SuspectError)
    assert error.advice == "check the credentials, or ask a path that needs none"


def test_statuses_may_be_chosen_and_redirects_are_not_followed(
    serve: Callable[..., str], handler: type[Answers]
) -> None:
    assert probed({"http": {"url": f"http://{serve()}/302", "status": "302,404"}}) == "answers 302"
    assert [path for path, _ in handler.asked] == ["/302"]


def test_credentials_of_the_url_are_sent(serve: Callable[..., str], handler: type[Answers]) -> None:
    address = serve()
    assert isinstance(failed(f"http://{address}/private"), SuspectError)
    assert probed(f"http://app:hunter2@{address}/private") == "answers 200"
    assert handler.asked[-1] == ("/private", "Basic YXBwOmh1bnRlcjI=")


def test_proxies_and_netrc_of_the_environment_are_not_asked(
    serve: Callable[..., str], handler: type[Answers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password hunter2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert probed(f"http://{serve()}/200") == "answers 200"
    assert handler.asked == [("/200", None)]


def test_a_server_that_comes_late(serve: Callable[..., str], free_port: int) -> None:
    voice = RecordingVoice()
    timer = threading.Timer(0.3, serve, [free_port])
    timer.start()
    watched(f"http://127.0.0.1:{free_port}/200", voice=voice)
    timer.join()
    assert voice.missed[0][1] == "connection refused"


def test_a_silent_server_is_not_waited_for_beyond_its_attempt(serve: Callable[..., str]) -> None:
    began = time.monotonic()
    error = failed(f"http://{serve()}/silent", attempt_timeout=0.3)
    assert type(error) is TemporaryError
    assert (error.cause, time.monotonic() - began < 3) == ("no answer", True)


def test_a_silent_server_does_not_keep_the_others_waiting(serve: Callable[..., str], listening: int) -> None:
    address = serve()
    with pytest.raises(TimedOutError) as caught:
        watched(f"http://{address}/silent", f"127.0.0.1:{listening}", timeout=0.5)
    assert str(caught.value).startswith(f"cannot wait for 1 of 2 targets: http://{address}/silent: no answer")


def test_a_server_that_is_no_http_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = failed(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert type(error) is TemporaryError
    assert error.cause


def test_a_closed_port_and_an_unknown_name_are_told_in_the_systems_words(free_port: int) -> None:
    assert failed(f"http://u:hunter2@127.0.0.1:{free_port}/x").cause == "connection refused"
    error = failed("https://config.invalid/")
    assert error.task == "connect to config.invalid"
    assert "name" in error.cause
    assert "HTTPSConnectionPool" not in str(error)


def test_a_certificate_that_nobody_vouches_for_is_suspect(serve: Callable[..., str], tmp_path: Path) -> None:
    openssl = need_program("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [openssl, *words.split(), "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    error = failed(f"https://{serve(context=context)}/200")
    assert isinstance(error, SuspectError)
    assert "certificate verify failed" in error.cause
    assert error.advice == "check the certificate, its name and its CA"


def test_a_handshake_that_is_broken_off_is_no_word_about_a_certificate() -> None:
    """A load balancer without a backend does that, and has one soon."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def break_off() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=break_off, daemon=True)
        thread.start()
        error = failed(f"https://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert type(error) is TemporaryError
    assert error.advice == "check that it is running"


# file


def test_a_file_that_appears_late_and_gets_its_content_later(tmp_path: Path) -> None:
    path, voice = tmp_path / "token", RecordingVoice()
    timers = [threading.Timer(0.2, path.touch), threading.Timer(0.4, path.write_text, ["x"])]
    for timer in timers:
        timer.start()
    watched({"file": {"path": str(path), "not-empty": "true"}}, voice=voice)
    assert voice.missed[0][1] == "no such file or directory"
    assert voice.missed[-1][1] == "it is there but empty"
    for timer in timers:
        timer.join()


def test_files_folders_sockets_and_links(tmp_path: Path) -> None:
    file, folder, link, dangling = (tmp_path / name for name in ("file", "folder", "link", "dangling"))
    file.write_text("x")
    folder.mkdir()
    link.symlink_to(folder)
    dangling.symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))

        def look(path: Path, **options: str) -> str:
            try:
                return probed({"file": {"path": str(path), **options}})
            except TemporaryError as error:
                return error.cause

        assert look(file) == look(folder) == look(link) == look(tmp_path / "socket") == "is there"
        assert look(dangling) == "no such file or directory"
        assert (
            look(file, type="file") == look(link, type="dir") == look(tmp_path / "socket", type="socket") == "is there"
        )
        assert look(folder, type="file") == "it is there but is no file"
        assert look(file, type="dir") == "it is there but is no dir"
        assert look(folder, **{"not-empty": "yes"}) == "it is there but empty"
        (folder / "entry").touch()
        assert look(folder, **{"not-empty": "yes"}) == "is there"
        assert look(file / "below") == "not a directory"


def test_a_folder_that_may_not_be_searched_is_suspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied")  # which root never gets

    target = wait(f"file:{tmp_path}/x").targets[0]
    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(SuspectError) as caught:
        target.probe(make_context())
    monkeypatch.undo()
    assert caught.value.advice == "check the modes of the folders above it, or run as another user"


# postgres


def test_a_database_that_lets_us_in(postgres_url: str) -> None:
    assert probed({"postgres": postgres_url}) == "lets us in"


def test_a_database_that_is_created_late(postgres_server: str) -> None:
    import psycopg  # noqa: PLC0415 - only here

    url = urlunsplit(urlsplit(postgres_server)._replace(path="/created_late"))
    voice = RecordingVoice()

    def create() -> None:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute("create database created_late")

    timer = threading.Timer(0.4, create)
    timer.start()
    try:
        watched({"postgres": url}, voice=voice)
    finally:
        timer.join()
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute("drop database if exists created_late with (force)")
    assert voice.missed[0][1] == 'database "created_late" does not exist'


def test_a_wrong_password_is_believed_once_it_was_answered_for_long_enough(postgres_scram: str) -> None:
    url = urlunsplit(urlsplit(postgres_scram)._replace(netloc="app:wrong-hunter2@"))
    with pytest.raises(PermanentError) as caught:
        watched({"postgres": url}, retry=FAST["retry"] | {"suspect-for": "300ms"})
    assert "password authentication failed" in str(caught.value)
    assert "(the same answer " in str(caught.value)
    assert "hunter2" not in str(caught.value)


# the step


def test_targets_of_any_mix_side_by_side(
    listening: int, serve: Callable[..., str], tmp_path: Path, postgres_url: str
) -> None:
    (tmp_path / "x").touch()
    outcome = watched(
        f"127.0.0.1:{listening}", f"http://{serve()}/200", f"file:{tmp_path}/x", {"postgres": postgres_url}
    )
    assert outcome.detail == "4 targets ready"


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
    assert time.monotonic() - began < 1
