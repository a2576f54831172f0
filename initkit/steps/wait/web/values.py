"""How URLs, statuses, methods and headers are written; what is done with them is known to `visit`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from initkit.core.options import Parser
from initkit.core.record import Record
from initkit.core.redact import MASK, is_secret_name, learn, redact
from initkit.core.secrets import learn_url
from initkit.core.urls import check_text, check_userinfo, shown_wrong
from initkit.core.values import HostPort, parse_host_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, section 5.6.2  # noqa: S105 - no secret


def parse_url(text: str) -> str:
    """An http or https URL with a host; its password is masked in all output from then on.

    Raises:
        ValueError: it is none.
    """
    text = text.strip()
    learn_url(text)
    expected = "an http:// or https:// URL"
    check_text(text, expected)
    check_userinfo(text, expected, among="")  # paths and queries of the web may well hold one
    try:
        endpoint = endpoint_of(text)
    except ValueError as error:  # its words may quote a part of a password
        raise ValueError(f"expected {expected} with a valid host, got {shown_wrong(text)!r}") from error
    if endpoint is None or _CONTROL.search(text):
        raise ValueError(f"expected {expected}, got {shown_wrong(text)!r}")
    return text


def endpoint_of(url: str) -> HostPort | None:
    """Host and port of a URL, the scheme's own port where none is written; None where it is not of http or https.

    Raises:
        ValueError: it has no valid host or port.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or parts.port == 0:
        return None
    host = parts.hostname
    if ":" in host:  # a zone is written %25eth0 (RFC 6874, section 2)
        return parse_host_port(f"[{host.replace('%25', '%')}]:{parts.port or PORTS[parts.scheme]}")
    return parse_host_port(f"{host}:{parts.port or PORTS[parts.scheme]}")


class StatusSet(Record):
    """Which statuses are right: single ones and ranges.

    Attributes:
        text: as it was written.
        ranges: the first and the last of each.
    """

    text: str
    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, status: int) -> bool:
        return any(first <= status <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return self.text


def parse_statuses(text: str) -> StatusSet:
    """Statuses from ``200,204,300-399``.

    Raises:
        ValueError: they are written in another way, or are none of HTTP (100 to 599).
    """
    return StatusSet(text, tuple(_status_range(part.strip()) for part in text.split(",")))


def _status_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-5]\d\d)(?:-([1-5]\d\d))?", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"expected statuses such as 200,204 or 200-299, got {text!r}")
    return int(match[1]), int(match[2] or match[1])


def parse_method(text: str) -> str:
    """A method in capitals, as all that are registered are written.

    Raises:
        ValueError: it can be none, or is CONNECT, which asks a proxy for a tunnel.
    """
    method = text.strip().upper()
    if not re.fullmatch(_TOKEN, method) or method == "CONNECT":
        raise ValueError(f"expected a method such as GET, HEAD or POST, got {text!r}")
    return method


class Header(Record):
    """A field of a request's head; its value may be a secret and is shown nowhere."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}: {MASK}"

    def __repr__(self) -> str:
        return str(self)


_OURS = {"content-length", "transfer-encoding"}
_SECRET_WORDS = {"auth", "authorization", "authentication", "cookie", "key", "session", "signature"}


def parse_header(text: str) -> Header:
    """A header from ``Name: value``; where its name says that it is secret it is masked in all output from then on.

    Raises:
        ValueError: it is written in another way, or says how long the body is, which nobody else has to.
    """
    name, colon, value = (part.strip(" \t") for part in text.partition(":"))
    if not colon or not re.fullmatch(_TOKEN, name) or _CONTROL.search(value.replace("\t", "")):
        raise ValueError("expected a header as 'Name: value', got another text")  # which may be all secret
    if name.lower() in _OURS:
        raise ValueError(f"expected a header other than {name}, which follows from the body")
    if is_secret_header(name):
        for secret in _secrets(name, value):
            learn(secret)
    return Header(name, value)


def is_secret_header(name: str) -> bool:
    """Whether a header's name says that its value is a credential: Authorization, Cookie, X-Api-Key and the like."""
    words = re.split("[-_]", name.lower())
    return is_secret_name("_".join(words)) or not _SECRET_WORDS.isdisjoint(words)


def _secrets(name: str, value: str) -> Iterator[str]:
    yield value
    scheme, _, credential = value.partition(" ")
    if name.lower() == "cookie":
        yield from (pair.partition("=")[2].strip() for pair in value.split(";"))
    elif credential:
        yield credential.strip()
        if scheme.lower() == "basic":
            yield _basic_password(credential.strip())


def _basic_password(credential: str) -> str:
    """The password in the credential of RFC 7617, or nothing."""
    import binascii  # noqa: PLC0415 - few headers need it

    try:
        return binascii.a2b_base64(credential).decode().partition(":")[2]
    except ValueError:
        return ""


_LONGEST_PATH = 107  # bytes: unix(7), sun_path without its last zero


def parse_socket_path(text: str) -> str:
    """The path of a unix socket, also as ``unix:///path``.

    Raises:
        ValueError: it can be none.
    """
    path = text.removeprefix("unix://").removeprefix("unix:")
    if not path or "\0" in path or len(path.encode(errors="surrogateescape")) > _LONGEST_PATH:
        raise ValueError(f"expected the path of a unix socket, of at most {_LONGEST_PATH} bytes, got {text!r}")
    return path


_STATUSES = r"\s*[1-5]\d\d(-[1-5]\d\d)?\s*"
_STATUS_SCHEMA = {
    "type": ["string", "integer"],
    "pattern": f"^{_STATUSES}(,{_STATUSES})*$",
    "minimum": 100,
    "maximum": 599,
}

HttpUrl = Annotated[str, Parser("URL", parse_url, show=redact, schema={"type": "string", "pattern": "://"})]
Statuses = Annotated[StatusSet, Parser("STATUS", parse_statuses, schema=_STATUS_SCHEMA)]
Method = Annotated[str, Parser("METHOD", parse_method)]
HeaderField = Annotated[Header, Parser("HEADER", parse_header, schema={"type": "string", "pattern": "^[^:]+:"})]
SocketPath = Annotated[str, Parser("PATH", parse_socket_path)]
