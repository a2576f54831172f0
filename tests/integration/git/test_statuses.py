"""Which of URL, credential, ref and moment is wrong: what servers answer, and what a person is told."""

from __future__ import annotations

from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from fix_clock import VirtualClock, make_context

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.steps.git.calling import child

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

    from fix_git import GitOverHttp, Origin
    from fix_tls import Pair, PrivateCa

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]
    Peer = Callable[[Callable[[socket.socket, threading.Event], object]], int]

ADVERTISED = {"Content-Type": "application/x-git-upload-pack-advertisement"}


def answering(status: int | str, headers: dict[str, str] | None = None, body: bytes = b"") -> Callable[..., None]:
    """A server that gives one answer to every request."""
    head = [f"HTTP/1.1 {status}" if isinstance(status, str) else f"HTTP/1.1 {status} Said"]
    head += [f"{name}: {value}" for name, value in (headers or {}).items()]
    head += [f"Content-Length: {len(body)}", "Connection: close", "", ""]

    def answer(connection: socket.socket, _over: threading.Event) -> None:
        with suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked and (piece := connection.recv(4096)):
                asked += piece
            connection.sendall("\r\n".join(head).encode() + body)

    return answer


def failure(step: Git, **context: object) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        step.check(make_context(looking=True, **context))  # type: ignore[arg-type]
    return caught.value


def over_http(make_git: MakeGit, port: int, *, userinfo: str = "", ref: str = "HEAD") -> Git:
    return make_git(repository=f"http://{userinfo}127.0.0.1:{port}/a", ref=ref)


@pytest.mark.parametrize(
    ("status", "without", "with_one"),
    [
        (401, "the server wants a credential (HTTP 401); give a credential: --username",
         "the server refuses the credential (HTTP 401); check the user and the password"),
        (403, "forbids to read this without a credential (HTTP 403); give a credential",
         "the credential may not read this repository (HTTP 403); give it the right"),
        (404, "knows no such repository (HTTP 404); check the repository's URL; a private repository is not shown",
         "knows no such repository (HTTP 404); check the repository's URL, and that the credential may see it"),
        (410, "(HTTP 410); check the repository's URL", "(HTTP 410); check the repository's URL"),
        (400, "refuses the request (HTTP 400); check the repository's URL", "check the repository's URL"),
    ],
)  # fmt: skip
def test_a_refusal_says_whether_url_or_credential_is_wrong(
    make_git: MakeGit, peer: Peer, status: int, without: str, with_one: str
) -> None:
    port = peer(answering(status, {"WWW-Authenticate": 'Basic realm="a"'} if status == 401 else {}))
    for userinfo, said in (("", without), ("ada:canary@", with_one)):
        error = failure(over_http(make_git, port, userinfo=userinfo))
        assert type(error) is SuspectError
        assert said in str(error)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_what_passes_is_temporary(make_git: MakeGit, peer: Peer, status: int) -> None:
    error = failure(over_http(make_git, peer(answering(status))))
    assert type(error) is TemporaryError
    assert error.retry_after == 0


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize("userinfo", ["", "ada:canary@"])
def test_the_pause_that_a_server_asks_for_is_known(make_git: MakeGit, peer: Peer, status: int, userinfo: str) -> None:
    error = failure(over_http(make_git, peer(answering(status, {"Retry-After": "77"})), userinfo=userinfo))
    assert type(error) is TemporaryError
    assert error.retry_after == 77
    assert f"(HTTP {status}) and wants to be asked again in 1m17s" in str(error)


def test_a_date_to_be_asked_again_counts_by_the_servers_own_clock(make_git: MakeGit, peer: Peer) -> None:
    headers = {"Date": formatdate(1_000_000, usegmt=True), "Retry-After": formatdate(1_000_090, usegmt=True)}
    error = failure(over_http(make_git, peer(answering(503, headers))))
    assert isinstance(error, TemporaryError)
    assert error.retry_after == 90


def test_without_the_servers_clock_a_date_counts_by_ours(make_git: MakeGit, peer: Peer) -> None:
    clock = VirtualClock()
    port = peer(answering(503, {"Retry-After": formatdate(int(clock.wall()) + 55, usegmt=True)}))
    error = failure(over_http(make_git, port), clock=clock)
    assert isinstance(error, TemporaryError)
    assert error.retry_after == 55


def test_a_fetch_that_is_put_off_says_so_too(make_git: MakeGit, peer: Peer) -> None:
    step = over_http(make_git, peer(answering(429, {"Retry-After": "9"})), ref="1" * 40)
    with pytest.raises(TemporaryError) as caught:
        step.apply(make_context())
    assert caught.value.retry_after == 9


@pytest.mark.parametrize("ref", ["HEAD", "main", "1" * 40])
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_a_page_is_no_repository(make_git: MakeGit, peer: Peer, ref: str, kind: str) -> None:
    step = over_http(make_git, peer(answering(200, {"Content-Type": kind}, b"<html>login</html>")), ref=ref)
    with pytest.raises(SuspectError, match="check the repository's URL: not a page that shows it") as caught:
        step.apply(make_context())
    assert kind.partition(";")[0] in caught.value.cause


@pytest.mark.parametrize("body", [b"", b"plain words"])
@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_of_another_kind_is_no_repository(make_git: MakeGit, peer: Peer, status: int, body: bytes) -> None:
    error = failure(over_http(make_git, peer(answering(status, {}, b"" if status == 204 else body)), ref="main"))
    assert type(error) is SuspectError
    assert "check the repository's URL" in str(error)


def test_nonsense_under_gits_own_type_is_suspect(make_git: MakeGit, peer: Peer) -> None:
    error = failure(over_http(make_git, peer(answering(200, ADVERTISED, b"<html>sorry</html>"))))
    assert type(error) is SuspectError
    assert "check the repository's URL" in str(error)


def test_an_empty_answer_under_gits_own_type_is_temporary(make_git: MakeGit, peer: Peer) -> None:
    assert type(failure(over_http(make_git, peer(answering(200, ADVERTISED))))) is TemporaryError


def test_a_redirect_without_end_is_suspect(make_git: MakeGit, peer: Peer) -> None:
    port = peer(answering(302, {"Location": "/a/info/refs?service=git-upload-pack"}))
    assert type(failure(over_http(make_git, port))) is SuspectError


def test_a_redirect_to_a_login_page_is_permanent(make_git: MakeGit, peer: Peer) -> None:
    page = peer(answering(200, {"Content-Type": "text/html"}, b"<html>login</html>"))
    port = peer(answering(302, {"Location": f"http://127.0.0.1:{page}/login"}))
    assert type(failure(over_http(make_git, port))) in {SuspectError, PermanentError}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b"ERR access denied or repository not exported: /a", SuspectError),
     (b"ERR no such repository: /a", SuspectError),
     (b"ERR too many users, try again later", TemporaryError)],
)  # fmt: skip
def test_what_gits_own_protocol_refuses(make_git: MakeGit, peer: Peer, answer: bytes, kind: type[Exception]) -> None:
    def refuse(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(b"%04x" % (len(answer) + 4) + answer)

    error = failure(make_git(repository=f"git://127.0.0.1:{peer(refuse)}/a"))
    assert type(error) is kind
    assert answer[4:20].decode() in str(error)


def test_a_server_of_something_else_is_suspect(make_git: MakeGit, peer: Peer) -> None:
    def greet(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(b"220 mail.example.org ESMTP\r\n")
        connection.recv(4096)

    error = failure(make_git(repository=f"git://127.0.0.1:{peer(greet)}/a"))
    assert type(error) is SuspectError


def test_a_ref_that_is_missing_is_named(make_git: MakeGit, git_over_http: GitOverHttp) -> None:
    error = failure(make_git(repository=git_over_http.url, ref="nowhere"))
    assert type(error) is SuspectError
    assert "there is no branch and no tag nowhere; check --ref" in str(error)


def test_a_repository_without_commits_is_named_so(
    make_git: MakeGit, git_over_http: GitOverHttp, origin: Origin
) -> None:
    origin.git("update-ref", "-d", "HEAD")
    error = failure(make_git(repository=git_over_http.url))
    assert type(error) is SuspectError
    assert "push a first commit" in str(error)


def _tls(ca: PrivateCa, pair: Pair) -> Callable[[socket.socket, threading.Event], None]:
    context = ca.server_context(pair)

    def greet(connection: socket.socket, _over: threading.Event) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(4096)

    return greet


def test_a_certificate_of_an_unknown_authority_asks_for_ca_file(
    make_git: MakeGit, peer: Peer, private_ca: PrivateCa
) -> None:
    error = failure(make_git(repository=f"https://localhost:{peer(_tls(private_ca, private_ca.server))}/a"))
    assert type(error) is SuspectError
    assert "--ca-file" in str(error)


@pytest.mark.parametrize("fault", ["another host's", "expired"])
def test_a_certificate_that_is_not_good_is_suspect(
    make_git: MakeGit, peer: Peer, private_ca: PrivateCa, fault: str
) -> None:
    pair = private_ca.issue("elsewhere", names="DNS:elsewhere", expired=fault == "expired")
    step = make_git(repository=f"https://localhost:{peer(_tls(private_ca, pair))}/a")
    error = failure(step, environ={"SSL_CERT_FILE": private_ca.ca, "GIT_SSL_CAINFO": private_ca.ca})
    assert type(error) is SuspectError
    assert "certificate" in str(error)


def test_http_behind_an_https_url_is_suspect(make_git: MakeGit, git_over_http: GitOverHttp) -> None:
    error = failure(make_git(repository=f"https://127.0.0.1:{git_over_http.port}/a"))
    assert type(error) is SuspectError
    assert "http:// may be meant" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"), [(407, SuspectError), (403, SuspectError), (502, TemporaryError), (503, TemporaryError)]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_may_be_what_refuses(
    make_git: MakeGit, peer: Peer, scheme: str, status: int, kind: type[Exception]
) -> None:
    proxy = f"http://127.0.0.1:{peer(answering(status))}"
    environ = {"http_proxy": proxy, "https_proxy": proxy}
    error = failure(make_git(repository=f"{scheme}://git.example.org/a"), environ=environ)
    assert type(error) is kind
    assert str(status) in str(error)


def test_an_answer_without_end_is_refused(
    make_git: MakeGit, git_over_http: GitOverHttp, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "MOST", 1000)
    sha = origin.git("rev-parse", "HEAD")
    lines = (f"create refs/heads/{number}/refs/heads/main {sha}\n" for number in range(50))  # git matches the tail
    origin.git("update-ref", "--stdin", feed="".join(lines).encode())
    error = failure(make_git(repository=git_over_http.url, ref="main"))
    assert type(error) is PermanentError
    assert "the answer is larger" in str(error)
