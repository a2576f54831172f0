"""What is asked of an HTTP server, and what a redirect makes of it; asking is the business of `visit`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from initkit.core.record import Record
from initkit.core.redact import redact
from initkit.core.secrets import learn_url
from initkit.core.values import HostPort
from initkit.steps.wait.target import AbsentError
from initkit.steps.wait.web.assertions import piece
from initkit.steps.wait.web.proxies import basic_of
from initkit.steps.wait.web.values import PORTS, Header, endpoint_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_REDIRECTS = 10
_REDIRECTS = {301, 302, 303, 307, 308}
_ONCE_POSTED = {301, 302}  # RFC 9110, sections 15.4.2 and 15.4.3: as all clients do it
# what a redirect may carry to another server; anything else may be a credential
_HARMLESS = {"accept", "accept-language", "content-type", "user-agent"}
_ADVICE = "ask for where it leads, or look into that server's own log"


class Question(Record):
    """A request, before it is known which way it goes.

    Attributes:
        url: without userinfo.
        authorization: a header's value, from the URL; secret.
        redirects: how many have led here.
        is_foreign: one of them has led to another server, which is given no credentials.
    """

    method: str
    url: str
    headers: tuple[Header, ...] = ()
    body: bytes | None = None
    authorization: str | None = None
    redirects: int = 0
    is_foreign: bool = False

    @classmethod
    def to(cls, url: str, method: str, headers: tuple[Header, ...], body: bytes | None) -> Question:
        """The first one, with the credentials of its URL."""
        parts = urlsplit(url)
        plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        return cls(method, plain, headers, body, basic_of(parts.netloc))

    @property
    def where(self) -> str:
        """For messages: without query and fragment, which may differ each time."""
        return redact(urlunsplit(urlsplit(self.url)._replace(query="", fragment="")))

    @property
    def task(self) -> str:
        """For messages."""
        return f"use {self.where}"

    def following(self, status: int, location: str) -> Question | None:
        """Where a redirect leads; None where the answer is none.

        To another host, port or scheme no credentials go; from http to https on the usual ports they do, as they have
        been said aloud already.

        Raises:
            AbsentError: it leads nowhere, too far, or elsewhere with a body.
        """
        if status not in _REDIRECTS or not location:
            return None
        url, endpoint = self._destination(location)
        method, body = self.method, self.body
        if (status in _ONCE_POSTED and method == "POST") or (status not in {301, 302, 307, 308} and method != "HEAD"):
            method, body = "GET", None
        is_foreign = self.is_foreign or not self._stays(url, endpoint)
        if self.redirects >= _MOST_REDIRECTS:
            raise AbsentError(self.task, f"more than {_MOST_REDIRECTS} redirects", _ADVICE)
        if is_foreign and body is not None:
            raise AbsentError(self.task, f"it redirects to {endpoint}, which is not given the body", _ADVICE)
        return Question(
            method,
            url,
            tuple(h for h in self.headers if _goes_on(h, is_foreign=is_foreign, has_body=body is not None)),
            body,
            None if is_foreign else self.authorization,
            self.redirects + 1,
            is_foreign,
        )

    def _destination(self, location: str) -> tuple[str, HostPort]:
        learn_url(location)
        try:
            parts = urlsplit(urljoin(self.url, location))
            url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
            endpoint = endpoint_of(url)
        except ValueError:
            endpoint = None
        if endpoint is None:
            raise AbsentError(self.task, f"it redirects to {piece(redact(location))}", _ADVICE)
        return url, endpoint

    def _stays(self, url: str, endpoint: HostPort) -> bool:
        old, new = (urlsplit(self.url).scheme, endpoint_of(self.url)), (urlsplit(url).scheme, endpoint)
        if old == new:
            return True
        is_same_host = old[1] is not None and old[1].host == endpoint.host
        is_upgrade = (old[0], new[0]) == ("http", "https")
        return is_same_host and is_upgrade and (old[1], endpoint) == _usual_ports(endpoint.host)


def _usual_ports(host: str) -> tuple[HostPort, HostPort]:
    return HostPort(host, PORTS["http"]), HostPort(host, PORTS["https"])


def _goes_on(header: Header, *, is_foreign: bool, has_body: bool) -> bool:
    name = header.name.lower()
    return (not is_foreign or name in _HARMLESS) and (has_body or not name.startswith("content-"))


def joined(headers: tuple[Header, ...]) -> Mapping[str, bytes]:
    """The headers by name; several of a name as one list (RFC 9110, section 5.3; cookies: RFC 6265, section 5.4)."""
    found: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for header in headers:
        name = names.setdefault(header.name.lower(), header.name)
        value = header.value.encode("utf-8", "surrogateescape")
        between = b"; " if name.lower() == "cookie" else b", "
        found[name] = found[name] + between + value if name in found else value
    return found
