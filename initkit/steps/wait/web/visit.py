"""One question to an HTTP server, redirects included, and its answer; whether that is the right one, `http` knows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.exceptions import BaseHTTPError  # type: ignore[attr-defined] # urllib3's; its types leave it out
from requests.structures import CaseInsensitiveDict
from requests.utils import urldefragauth

from initkit import __version__
from initkit.core.errors import InitkitError, PermanentError
from initkit.core.readable import unreadable, unusable
from initkit.steps.wait.net.tls import TlsOptions
from initkit.steps.wait.target import AbsentError
from initkit.steps.wait.web.body import Body, read_body, read_file
from initkit.steps.wait.web.failures import broken
from initkit.steps.wait.web.line import Line, Route
from initkit.steps.wait.web.proxies import netrc_basic, netrc_path, proxy_for
from initkit.steps.wait.web.question import Question, joined
from initkit.steps.wait.web.values import PORTS, endpoint_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context
    from initkit.core.values import HostPort
    from initkit.steps.wait.schemes.http import Http

# urllib3 has some of its own that requests lets through; http.client and zlib have others
_ERRORS = (requests.RequestException, BaseHTTPError, OSError, ValueError, EOFError)


class Answer:
    """An answer, open for reading its body.

    Attributes:
        status: a number.
        headers: in their order, several of a name as several.
        detour: for messages, where redirects have led: `` after a redirect to …``, or nothing.
        is_proxied: whether it may be the proxy's.
    """

    def __init__(self, response: requests.Response, task: str, question: Question, route: Route) -> None:
        self._response = response
        self._task = task
        self.status = response.status_code
        self.headers: Sequence[tuple[str, str]] = [(name, _utf8(text)) for name, text in response.raw.headers.items()]
        self.detour = f" after a redirect to {question.where}" if question.redirects else ""
        self.is_proxied = route.is_forwarded

    def header(self, name: str) -> str:
        """The first header of that name, or nothing."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")

    def body(self, limit: int) -> Body:
        """Read the body, at most `limit` bytes of it.

        Raises:
            TemporaryError: it does not end in time, breaks off, or cannot be unpacked.
        """
        try:
            return read_body(self._response.raw, self.header("Content-Encoding"), limit)
        except _ERRORS as error:
            raise broken(error, self._task, is_answering=True) from error


def _utf8(text: str) -> str:
    """A header's value as it was meant; `http.client` reads all as Latin-1."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


class Visitor:
    """Asks a target's question once."""

    def __init__(self, target: Http, context: Context, ends: float) -> None:
        self._target = target
        self._context = context
        self._ends = ends
        self._task = f"use {target.name}"
        self._cookies = RequestsCookieJar()
        self._seen: set[tuple[object, ...]] = set()

    @contextmanager
    def visit(self, url: str) -> Iterator[Answer]:
        """Ask, and follow redirects where the target does; the connection is open inside the ``with`` block.

        Raises:
            AbsentError: nobody listens there, or redirects lead nowhere.
            TemporaryError: no connection, or no proper answer in time.
            SuspectError: a certificate or a proxy refuses, or a file is missing.
            PermanentError: nobody can be asked for that URL, or a file is not what it should be.
        """
        target = self._target
        question = Question.to(url, target.method, target.header, self._body())
        while True:
            request, endpoint = self._prepared(question)
            self._watch_for_loops(question, request)
            route = self._route(question, request, endpoint)
            with route.open(self._context, self._ends) as line:
                response = self._sent(request, route, line)
                location = _utf8(response.headers.get("Location", "")) if target.redirects else ""
                following = question.following(response.status_code, location)
                if following is None:
                    yield Answer(response, self._task, question, route)
                    return
            self._cookies.update(response.cookies)
            question = following

    def _body(self) -> bytes | None:
        if self._target.body_file is not None:
            return read_file(self._target.body_file)
        return None if self._target.body is None else self._target.body.encode("utf-8", "surrogateescape")

    def _prepared(self, question: Question) -> tuple[requests.PreparedRequest, HostPort]:
        headers: CaseInsensitiveDict[str | bytes] = CaseInsensitiveDict(
            {"User-Agent": f"initkit/{__version__}", "Accept": "*/*", "Connection": "close"}
        )
        headers.update(joined(question.headers))
        method, url, body, cookies = question.method, question.url, question.body, self._cookies
        try:
            request = requests.Request(method, url, headers, data=body, cookies=cookies).prepare()
            endpoint = endpoint_of(str(request.url))
        except (requests.RequestException, ValueError) as error:
            raise _impossible(question) from error
        if endpoint is None:
            raise _impossible(question)
        request.headers.setdefault("Host", _host(endpoint, urlsplit(str(request.url)).scheme))
        authorization = question.authorization or self._by_netrc(endpoint)
        if authorization:
            request.headers.setdefault("Authorization", authorization)
        return request, endpoint

    def _by_netrc(self, endpoint: HostPort) -> str | None:
        path = netrc_path(self._context.environ) if self._target.netrc else None
        if path is None:
            return None
        task = f"read {path}"
        try:
            return netrc_basic(path, endpoint.host)
        except OSError as error:
            raise unreadable(error, task) from error
        except ValueError as error:
            raise unusable(task, str(error), "mend it, or its mode") from error

    def _watch_for_loops(self, question: Question, request: requests.PreparedRequest) -> None:
        """Refuse to ask the same again; with another cookie it is not the same."""
        asked = (question.method, question.url, request.headers.get("Cookie"))
        if asked in self._seen:
            raise AbsentError(question.task, "it redirects in a circle", "look into that server's own log")
        self._seen.add(asked)

    def _route(self, question: Question, request: requests.PreparedRequest, endpoint: HostPort) -> Route:
        target, scheme = self._target, urlsplit(str(request.url)).scheme
        proxy = None
        if target.proxy_from_environment:
            try:
                proxy = proxy_for(scheme, endpoint, self._context.environ)
            except ValueError as error:
                raise PermanentError("find the proxy", str(error), "mend the environment") from error
        tls: TlsOptions | None = None
        if scheme == "https":  # a client certificate is a credential too, and a name is one server's
            tls = TlsOptions(ca=target.ca, insecure=target.insecure) if question.is_foreign else target
        return Route(endpoint, tls, target.unix_socket, proxy)

    def _sent(self, request: requests.PreparedRequest, route: Route, line: Line) -> requests.Response:
        if route.is_forwarded and route.proxy and route.proxy.authorization:
            request.headers["Proxy-Authorization"] = route.proxy.authorization
        try:
            return _Adapter(line, is_forwarded=route.is_forwarded).send(request, stream=True)
        except _ERRORS as error:
            raise broken(error, self._task) from error


def _impossible(question: Question) -> InitkitError:
    if question.redirects:
        return AbsentError(question.task, "it redirects to what can be no URL", "look into the server that does")
    return PermanentError(question.task, "this can be no URL", "mend the target")


def _host(endpoint: HostPort, scheme: str) -> str:
    """The Host header: without a zone, and without the usual port (RFC 9110, section 7.2)."""
    host, port = endpoint
    return str(endpoint._replace(host=host.partition("%")[0])).removesuffix(f":{port if port == PORTS[scheme] else ''}")


class _Adapter(HTTPAdapter):
    """Has requests and urllib3 talk over a line that is there already, whichever the URL."""

    def __init__(self, line: Line, *, is_forwarded: bool) -> None:
        super().__init__()
        self._line = line
        self._is_forwarded = is_forwarded

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - a class of urllib3
        """A pool with the one connection; where it leads is settled, and the request has its own Host header."""
        pool: Any = self.poolmanager.connection_from_host("localhost", scheme="http")
        make = pool.ConnectionCls

        def made(**options: Any) -> Any:  # noqa: ANN401 - as above
            connection = make(**options)
            connection.sock = self._line
            return connection

        pool.ConnectionCls = made
        return pool

    def cert_verify(self, *_: object, **__: object) -> None:
        """Leave TLS to the line."""

    def request_url(self, request: requests.PreparedRequest, _proxies: object) -> str:
        """What stands in the first line: a path, and for a proxy the whole URL (RFC 9112, section 3.2.2)."""
        return urldefragauth(str(request.url)) if self._is_forwarded else request.path_url
