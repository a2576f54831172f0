"""What the address of a PostgreSQL database says, read without the driver: for names only; libpq has the last word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PAIR = re.compile(r"(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\']|\\.)(?:[^\s\\]|\\.)*)?)(?:\s+|$)", re.DOTALL)
_HOST = re.compile(r"(\[[^\]\s]*\]|[^\s\[\]:@'\"]*)(?::(\d*))?")
UNREADABLE = "an address that cannot be read"


def words_of(address: str) -> dict[str, str] | None:
    """The keywords of an address, as libpq calls them; None where it cannot be read.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    scheme, separator, rest = address.partition("://")
    if separator and re.fullmatch(r"\w+", scheme):
        return _of_url(rest)
    words, place = {}, 0
    text = address.strip()
    while place < len(text):
        match = _PAIR.match(text, place)
        if not match:
            return None
        words[match[1]] = re.sub(r"(?s)\\(.)", r"\1", match[2] or match[3] or "")
        place = match.end()
    return words


def _of_url(rest: str) -> dict[str, str] | None:
    place, _, query = rest.partition("?")
    authority, _, name = place.partition("/")
    userinfo, _, hosts = authority.rpartition("@")
    pairs = [_HOST.fullmatch(host) for host in hosts.split(",")]
    if not all(pairs):
        return None
    found = [(match[1].strip("[]"), match[2] or "") for match in pairs if match]
    words = {
        "user": unquote(userinfo.partition(":")[0]),
        "dbname": unquote(name),
        "host": ",".join(unquote(host) for host, _ in found),
        "port": ",".join(port for _, port in found) if any(port for _, port in found) else "",
    }
    words |= dict(parse_qsl(query))
    return {keyword: value for keyword, value in words.items() if value}


def named(address: str, environ: Mapping[str, str]) -> str:
    """``host:port/name``, or ``host:port,host:port/name``, for messages: without user and password; it never fails."""
    words = words_of(address)
    if words is None:
        return UNREADABLE
    service = words.get("service") or environ.get("PGSERVICE")
    if service and not (words.get("host") or words.get("hostaddr")):
        return f"the service {service}"
    hosts = words.get("host") or words.get("hostaddr") or environ.get("PGHOST") or "the local socket"
    ports = words.get("port") or environ.get("PGPORT") or "5432"
    name = words.get("dbname") or environ.get("PGDATABASE") or words.get("user") or environ.get("PGUSER") or ""
    return f"{','.join(_with_ports(hosts.split(','), ports.split(',')))}/{name}".rstrip("/")


def _with_ports(hosts: list[str], ports: list[str]) -> Iterable[str]:
    each = ports * len(hosts) if len(ports) == 1 else [*ports, *[""] * len(hosts)]
    return [at(host, port) for host, port in zip(hosts, each, strict=False)]


def at(host: str, port: str) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"{f'[{host}]' if host.count(':') > 1 else host}:{port or '5432'}"
