"""HTTPS: whom we trust, who trusts us, and names."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fix_http import Reply, failed, probed
from fix_tls import PrivateCa

from initkit.core.errors import SuspectError, TemporaryError
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_http import Site
    from fix_peer import Behaviour

    Serve = Callable[..., Site]


def test_a_certificate_of_a_ca_that_is_trusted(http_server: Serve, private_ca: PrivateCa) -> None:
    site = http_server(context=private_ca.server_context())
    port = site.address.rpartition(":")[2]
    assert probed(f"https://localhost:{port}/", ca=private_ca.ca) == "answers 200"
    assert probed(f"https://127.0.0.1:{port}/", ca=private_ca.ca) == "answers 200"
    assert [request.headers["Host"] for request in site.asked] == [f"localhost:{port}", f"127.0.0.1:{port}"]


def test_a_certificate_that_nobody_vouches_for_is_suspect(
    http_server: Serve, private_ca: PrivateCa, other_ca: PrivateCa
) -> None:
    url = f"https://{http_server(context=private_ca.server_context()).address}/"
    trusts: list[dict[str, Any]] = [{}, {"ca": other_ca.ca}]
    for options in trusts:
        error = failed(url, **options)
        assert type(error) is SuspectError
        assert error.cause.startswith("certificate check failed: unable to get local issuer certificate")
        assert "--ca" in error.advice
    assert probed(url, insecure="yes") == "answers 200"


def test_an_expired_certificate_is_suspect(http_server: Serve, private_ca: PrivateCa) -> None:
    pair = private_ca.issue("expired", expired=True)
    url = f"https://{http_server(context=private_ca.server_context(pair)).address}/"
    error = failed(url, ca=private_ca.ca)
    assert type(error) is SuspectError
    assert error.cause == "certificate check failed: certificate has expired"


def test_a_certificate_of_another_name_is_suspect_unless_that_name_is_asked_for(
    http_server: Serve, private_ca: PrivateCa
) -> None:
    heard: list[str | None] = []
    context = private_ca.server_context(private_ca.issue("config", names="DNS:config.example"))
    context.sni_callback = lambda _socket, name, _context: heard.append(name)
    url = f"https://localhost:{http_server(context=context).address.rpartition(':')[2]}/"
    error = failed(url, ca=private_ca.ca)
    assert type(error) is SuspectError
    assert "localhost" in error.cause
    assert probed(url, ca=private_ca.ca, server_name="config.example") == "answers 200"
    assert isinstance(failed(url, ca=private_ca.ca, server_name="other.example"), SuspectError)
    assert heard == ["localhost", "config.example", "other.example"]


def test_a_server_that_wants_a_client_certificate(
    http_server: Serve, private_ca: PrivateCa, other_ca: PrivateCa
) -> None:
    url = f"https://{http_server(context=private_ca.server_context(clients=True)).address}/"
    client, stranger = private_ca.client, other_ca.client
    assert probed(url, ca=private_ca.ca, cert=client.cert, key=client.key) == "answers 200"
    assert probed(url, ca=private_ca.ca, cert=client.both()) == "answers 200"
    wrong: list[dict[str, Any]] = [{}, {"cert": stranger.cert, "key": stranger.key}]
    for options in wrong:
        error = failed(url, ca=private_ca.ca, **options)
        assert type(error) is SuspectError
        assert error.cause.startswith("TLS: the server refuses: ")
        assert error.advice == "check --cert and --key"


def test_files_that_are_missing_or_hold_something_else_are_suspect_as_they_may_be_written_late(
    http_server: Serve, private_ca: PrivateCa, tmp_path: Path
) -> None:
    url = f"https://{http_server(context=private_ca.server_context()).address}/"
    error = failed(url, ca=str(tmp_path / "ca.pem"))
    assert (type(error), error.cause) == (SuspectError, "no such file or directory")
    whole = Path(private_ca.ca).read_text()
    for half in ("", "nothing", whole[: len(whole) // 2]):
        (tmp_path / "ca.pem").write_text(half)
        error = failed(url, ca=str(tmp_path / "ca.pem"))
        assert type(error) is SuspectError
        assert error.cause.startswith("it holds no certificate or key")
    (tmp_path / "ca.pem").write_text(whole)
    assert probed(url, ca=str(tmp_path / "ca.pem")) == "answers 200"
    error = failed(url, ca=private_ca.ca, cert=private_ca.client.cert, key=private_ca.server.key)
    assert type(error) is SuspectError


def test_a_ca_that_was_replaced_counts_from_the_next_attempt_on(
    http_server: Serve, private_ca: PrivateCa, other_ca: PrivateCa, tmp_path: Path
) -> None:
    url, file = f"https://{http_server(context=private_ca.server_context()).address}/", tmp_path / "ca.pem"
    for trusted in (other_ca, private_ca, other_ca):
        shutil.copy(trusted.ca, tmp_path / "new")
        (tmp_path / "new").replace(file)
        if trusted is private_ca:
            assert probed(url, ca=str(file)) == "answers 200"
        else:
            assert type(failed(url, ca=str(file))) is SuspectError


def test_a_private_ca_need_not_say_what_its_key_is_for(http_server: Serve, tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, "a plain CA", has_usage=False)
    url = f"https://{http_server(context=ca.server_context()).address}/"
    assert probed(url, ca=ca.ca) == "answers 200"


def test_a_server_s_own_certificate_may_be_what_is_trusted(http_server: Serve, private_ca: PrivateCa) -> None:
    url = f"https://{http_server(context=private_ca.server_context()).address}/"
    assert probed(url, ca=private_ca.server.cert) == "answers 200"
    assert type(failed(url, ca=private_ca.client.cert)) is SuspectError


def test_a_server_that_has_no_cipher_in_common_is_not_said_to_want_a_certificate(
    http_server: Serve, private_ca: PrivateCa
) -> None:
    context = private_ca.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    error = failed(f"https://{http_server(context=context).address}/", ca=private_ca.ca)
    assert "handshake failure" in error.cause
    assert error.advice.startswith("check the server's versions of TLS and its ciphers")


def test_https_on_a_port_that_speaks_http_and_the_other_way_round(
    http_server: Serve, peer: Callable[[Behaviour], int], private_ca: PrivateCa
) -> None:
    error = failed(f"https://{http_server().address}/", insecure="yes")
    assert type(error) is TemporaryError
    assert error.advice == "check that the server speaks TLS on this port"
    context = private_ca.server_context()

    def secure(connection: socket.socket, _over: threading.Event) -> None:
        context.wrap_socket(connection, server_side=True)

    error = failed(f"http://127.0.0.1:{peer(secure)}/")
    assert type(error) is TemporaryError
    assert (error.cause, error.advice) in {
        ("it speaks TLS", "write https://"),
        ("it closes the connection", "check that it is running; its own log may say more"),
    }


def test_https_over_a_unix_socket(private_ca: PrivateCa, tmp_path: Path) -> None:
    path, context = str(tmp_path / "s.sock"), private_ca.server_context()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=_answer_once, args=(listener, context), daemon=True)
        thread.start()
        assert probed("https://localhost/", unix_socket=path, ca=private_ca.ca) == "answers 204"
        thread.join(10)


def _answer_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_a_redirect_to_another_server_shows_it_no_certificate(http_server: Serve, private_ca: PrivateCa) -> None:
    context = private_ca.server_context(private_ca.issue("config", names="DNS:config.example"), clients=True)
    target = http_server(context=private_ca.server_context(clients=True))
    url = f"https://localhost:{target.address.rpartition(':')[2]}/"
    site = http_server({"/": Reply(302, headers=(("Location", url),))}, context=context)
    error = failed(
        f"https://{site.address}/",
        redirects="yes",
        ca=private_ca.ca,
        server_name="config.example",
        cert=private_ca.client.both(),
    )
    assert type(error) is SuspectError  # it demands one, and got none; the name was its own again
    assert error.cause.startswith("TLS: the server refuses: ")
    assert (len(site.asked), target.asked) == (1, [])


def test_plain_http_leads_to_https(http_server: Serve, private_ca: PrivateCa) -> None:
    secure = http_server(context=private_ca.server_context())
    site = http_server({"/": Reply(308, headers=(("Location", f"https://{secure.address}/x"),))})
    assert probed(f"http://{site.address}/", redirects="yes", ca=private_ca.ca) == "answers 200"
    assert type(failed(f"http://{site.address}/")) is AbsentError
