"""What the environment says of proxies and credentials, for those who ask for it; nothing here connects."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from initkit.core.record import Record
from initkit.core.redact import learn, redact
from initkit.core.secrets import learn_url
from initkit.core.values import HostPort

if TYPE_CHECKING:
    from collections.abc import Mapping


class Proxy(Record):
    """An HTTP proxy.

    Attributes:
        authorization: a header's value; secret.
    """

    endpoint: HostPort
    authorization: str | None = None

    def __str__(self) -> str:
        return str(self.endpoint)


def proxy_for(scheme: str, endpoint: HostPort, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that ``http_proxy``, ``https_proxy`` or ``all_proxy`` names, unless ``no_proxy`` has the server.

    The names may be in capitals; small ones go first. There is no standard; curl and Python have this in common.

    Raises:
        ValueError: it is no HTTP proxy, or written as no URL is.
    """
    for name in (f"{scheme}_proxy", "all_proxy"):
        text = _asked(environ, name)
        if text:
            return None if _is_exempt(endpoint, _asked(environ, "no_proxy")) else _parsed(text, name)
    return None


def _asked(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _parsed(text: str, name: str) -> Proxy:
    url = text if "://" in text else f"http://{text}"
    learn_url(url)
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise ValueError(f"expected {name} to be the URL of an HTTP proxy, got {redact(url)!r}") from error
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"expected {name} to be an http:// proxy, got {redact(url)!r}")
    return Proxy(HostPort(parts.hostname, port), basic_of(parts.netloc))


def basic_of(netloc: str) -> str | None:
    """The header's value that userinfo stands for: in UTF-8 (RFC 7617, section 2.1); None where there is none."""
    userinfo, _, _ = netloc.rpartition("@")
    if not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    return basic(unquote_to_bytes(user), unquote_to_bytes(password))


def basic(user: bytes, password: bytes) -> str:
    """The value of an Authorization header (RFC 7617, section 2)."""
    return "Basic " + b64encode(user + b":" + password).decode("ascii")


def _is_exempt(endpoint: HostPort, exempt: str) -> bool:
    return any(_covers(entry.lower(), endpoint) for entry in re.split(r"[,\s]+", exempt) if entry)


def _covers(entry: str, endpoint: HostPort) -> bool:
    """Whether an entry of ``no_proxy`` means the endpoint: a name and all below it, an address, a network, ``*``."""
    import ipaddress  # noqa: PLC0415 - only where a proxy is asked for

    host = endpoint.host.lower().rstrip(".")
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # one of them is a name
        pass
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit():
        return port == str(endpoint.port) and _covers(name, endpoint)
    name = entry.removeprefix("*").removeprefix(".").rstrip(".")
    return host == name or host.endswith(f".{name}")


def netrc_path(environ: Mapping[str, str]) -> str | None:
    """Where credentials are: ``NETRC``, or else ``.netrc`` in the home folder; None where no home is known."""
    if environ.get("NETRC"):
        return environ["NETRC"]
    return f"{environ['HOME'].rstrip('/')}/.netrc" if environ.get("HOME") else None


def netrc_basic(path: str, host: str) -> str | None:
    """The Authorization header of a host by a ``.netrc``; its password is masked in all output from then on.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none; the message says where, without its content.
    """
    import netrc  # noqa: PLC0415 - few ask for it

    try:
        found = netrc.netrc(path).authenticators(host)
    except (netrc.NetrcParseError, UnicodeError) as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"it is no .netrc{f' (line {line})' if line else ''}") from error
    if found is None:
        return None
    user, _, password = found
    if password:
        learn(password)
    return basic((user or "").encode(), (password or "").encode())
