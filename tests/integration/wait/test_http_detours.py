"""Redirects, proxies and .netrc: only where they are asked for, and nobody else gets our credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fix_http import Reply, failed, probed

from initkit.core.errors import PermanentError, SuspectError, TemporaryError
from initkit.core.redact import KNOWN
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_http import Request, Site
    from fix_tls import PrivateCa

    Serve = Callable[..., Site]
    Proxy = Callable[..., tuple[str, list[bytes]]]


def to(location: str, status: int = 302, **headers: str) -> Reply:
    return Reply(status, b"moved", (("Location", location), *headers.items()))


# redirects


def test_redirects_are_followed_only_when_that_is_asked_for(http_server: Serve) -> None:
    site = http_server({"/": to("/a"), "/a": to("b?x=1"), "/b?x=1": Reply(200, b"there")})
    url = f"http://{site.address}/"
    assert failed(url).cause == "it answers 302, expected 200-299"
    assert len(site.asked) == 1
    assert probed(url, redirects="yes", body_matches="there") == "answers 200"
    assert [request.path for request in site.asked[1:]] == ["/", "/a", "/b?x=1"]


def test_an_answer_after_a_redirect_says_where(http_server: Serve) -> None:
    site = http_server({"/": to("/503?state=x1"), "/503?state=x1": Reply(503), "/in": to("/401")})
    error = failed(f"http://{site.address}/", redirects="yes")
    where = f"http://{site.address}"
    assert error.cause == f"it answers 503 after a redirect to {where}/503, expected 200-299"
    error = failed(f"{where}/in", redirects="yes")
    assert isinstance(error, SuspectError)
    assert error.cause == f"it answers 401 after a redirect to {where}/401, expected 200-299"


def test_circles_and_endless_ways_are_found(http_server: Serve) -> None:
    site = http_server({"/": to("/a"), "/a": to("/")})
    error = failed(f"http://{site.address}/", redirects="yes")
    assert (type(error), error.cause) == (AbsentError, "it redirects in a circle")
    assert len(site.asked) == 2
    endless = http_server({f"/{n}": to(f"/{n + 1}") for n in range(50)})
    error = failed(f"http://{endless.address}/0", redirects="yes")
    assert (type(error), error.cause) == (AbsentError, "more than 10 redirects")
    assert len(endless.asked) == 11


def test_the_same_place_with_a_new_cookie_is_no_circle(http_server: Serve) -> None:
    def door(request: Request) -> Reply:
        return Reply(200) if "in=1" in request.headers.get("Cookie", "") else to("/", 302, **{"Set-Cookie": "in=1"})

    assert probed(f"http://{http_server({'/': door}).address}/", redirects="yes") == "answers 200"


def test_another_server_gets_no_credentials(http_server: Serve) -> None:
    other = http_server()
    site = http_server(
        {"/": to(f"http://{other.address}/x"), "/near": to("/far"), "/far": to(f"http://{other.address}/y")}
    )
    url = f"http://app:hunter2@{site.address}"
    header = ["X-Vault-Token: hunter2", "Cookie: a=hunter2", "Accept: a/b"]
    for path in ("/", "/near"):
        assert probed(f"{url}{path}", redirects="yes", header=header) == "answers 200"
    for asked in site.asked:
        assert asked.headers["Authorization"] == "Basic YXBwOmh1bnRlcjI="
        assert (asked.headers["X-Vault-Token"], asked.headers["Cookie"]) == ("hunter2", "a=hunter2")
    assert len(other.asked) == 2
    for asked in other.asked:
        assert "hunter2" not in str(asked.headers)
        assert (asked.headers["Authorization"], asked.headers["Accept"]) == (None, "a/b")
        assert asked.headers["Host"] == other.address


def test_a_post_is_asked_again_as_it_should_be(http_server: Serve) -> None:
    site = http_server({"/303": to("/", 303), "/307": to("/", 307)})
    for path in ("/303", "/307"):
        probed(f"http://{site.address}{path}", method="POST", body="x", redirects="yes")
    assert [(request.method, request.body) for request in site.asked] == [
        ("POST", b"x"),
        ("GET", b""),
        ("POST", b"x"),
        ("POST", b"x"),
    ]


@pytest.mark.parametrize("location", ["ftp://x/", "http://a..b/", "http://[::1", "http://a\u06dd.\u0661b/"])
def test_a_redirect_to_nowhere_is_no_bug(http_server: Serve, location: str) -> None:
    site = http_server({"/": to(location.encode().decode("latin-1"))})
    error = failed(f"http://{site.address}/", redirects="yes")
    assert type(error) is AbsentError
    assert error.cause.startswith("it redirects to ")


# proxies


def test_a_proxy_of_the_environment_is_gone_through_only_when_asked_for(http_server: Serve, http_proxy: Proxy) -> None:
    site, (proxy, heads) = http_server(), http_proxy()
    environ = {"http_proxy": f"http://app:hunter2@{proxy}"}
    url = f"http://{site.address}/x?y#z"
    assert probed(url, environ=environ) == "answers 200"
    assert heads == []
    assert probed(url, environ=environ, proxy_from_environment="yes") == "answers 200"
    (head,) = heads
    assert head.startswith(f"GET http://{site.address}/x?y HTTP/1.1\r\n".encode())
    assert b"\r\nProxy-Authorization: Basic YXBwOmh1bnRlcjI=\r\n" in head
    assert f"\r\nHost: {site.address}\r\n".encode() in head
    assert len(site.asked) == 2


def test_no_proxy_is_heeded(http_server: Serve, http_proxy: Proxy) -> None:
    site, (proxy, heads) = http_server(), http_proxy()
    environ = {"http_proxy": proxy, "NO_PROXY": "127.0.0.0/8"}
    assert probed(f"http://{site.address}/", environ=environ, proxy_from_environment="yes") == "answers 200"
    assert heads == []


def test_https_goes_through_a_tunnel_and_the_proxy_s_credentials_stay_with_it(
    http_server: Serve, http_proxy: Proxy, private_ca: PrivateCa
) -> None:
    site, (proxy, heads) = http_server(context=private_ca.server_context()), http_proxy()
    environ = {"HTTPS_PROXY": f"http://app:hunter2@{proxy}"}
    url = f"https://{site.address}/x"
    assert probed(url, environ=environ, proxy_from_environment="yes", ca=private_ca.ca) == "answers 200"
    (head,) = heads
    assert head.startswith(f"CONNECT {site.address} HTTP/1.1\r\nHost: {site.address}\r\n".encode())
    assert b"\r\nProxy-Authorization: Basic YXBwOmh1bnRlcjI=\r\n" in head
    (asked,) = site.asked
    assert (asked.path, asked.headers["Proxy-Authorization"]) == ("/x", None)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, SuspectError), (407, SuspectError), (502, TemporaryError), (504, TemporaryError)]
)
def test_a_proxy_that_refuses_says_nothing_certain_about_the_server(
    http_proxy: Proxy, status: int, kind: type[TemporaryError]
) -> None:
    proxy, _ = http_proxy(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    environ = {"all_proxy": f"http://app:hunter2@{proxy}"}
    for url in ("https://config.invalid/", "http://config.invalid/"):
        error = failed(url, environ=environ, proxy_from_environment="yes")
        assert type(error) is kind
        assert f"it answers {status}" in error.cause


def test_a_proxy_that_is_not_there_or_is_none(http_proxy: Proxy) -> None:
    options: dict[str, Any] = {"proxy_from_environment": "yes"}
    error = failed("http://c.invalid/", environ={"http_proxy": "http://127.0.0.1:1"}, **options)
    assert type(error) is TemporaryError
    assert (error.task, error.cause) == ("connect to the proxy 127.0.0.1:1", "connection refused")
    proxy, _ = http_proxy(b"SSH-2.0-x\r\n")
    error = failed("https://c.invalid/", environ={"https_proxy": proxy}, **options)
    assert type(error) is TemporaryError
    assert error.cause == "it does not answer as a proxy does"
    error = failed("http://c.invalid/", environ={"http_proxy": "socks5://p:1"}, **options)
    assert type(error) is PermanentError


# .netrc


def test_netrc_is_asked_only_when_that_is_asked_for(http_server: Serve, tmp_path: Path) -> None:
    KNOWN.forget()
    site = http_server()
    url = f"http://{site.address}/"
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login app password hunter2\n")
    environ = {"HOME": str(tmp_path)}
    probed(url, environ=environ)
    probed(url, environ=environ, netrc="yes")
    probed(f"http://me:x@{site.address}/", environ=environ, netrc="yes")
    assert [request.headers["Authorization"] for request in site.asked] == [
        None,
        "Basic YXBwOmh1bnRlcjI=",
        "Basic bWU6eA==",
    ]
    assert "hunter2" not in KNOWN.mask("hunter2")
    KNOWN.forget()


def test_netrc_without_an_entry_or_without_the_file(http_server: Serve, tmp_path: Path) -> None:
    site = http_server()
    url, path = f"http://{site.address}/", tmp_path / "netrc"
    environ = {"NETRC": str(path)}
    error = failed(url, environ=environ, netrc="yes")
    assert (type(error), error.cause) == (SuspectError, "no such file or directory")
    path.write_text("machine other login app password hunter2\n")
    assert probed(url, environ=environ, netrc="yes") == "answers 200"
    assert site.asked[0].headers["Authorization"] is None
    path.write_text("machine 127.0.0.1 hunter2\n")
    error = failed(url, environ=environ, netrc="yes")
    assert type(error) is SuspectError
    assert error.cause.startswith("it is no .netrc (line ")


def test_netrc_goes_with_each_server_of_a_redirect_as_it_says(http_server: Serve, tmp_path: Path) -> None:
    other = http_server()
    port = other.address.rpartition(":")[2]
    site = http_server({"/": to(f"http://localhost:{port}/")})
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login app password hunter2\n")
    assert probed(f"http://{site.address}/", environ={"HOME": str(tmp_path)}, netrc="yes", redirects="yes")
    assert site.asked[0].headers["Authorization"]
    assert other.asked[0].headers["Authorization"] is None
