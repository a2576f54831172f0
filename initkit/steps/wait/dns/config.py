"""What the system knows about asking name servers: resolv.conf and the names that it makes of one."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError
from initkit.core.record import Record
from initkit.steps.wait.dns.records import as_address, fits, to_ascii

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_SERVERS = 3  # MAXNS of resolv.conf(5)
_MOST_DOTS = 15  # the cap on ndots of resolv.conf(5)


class Settings(Record):
    """What resolv.conf(5) says.

    Attributes:
        servers: numeric addresses, in the order in which to ask them.
        search: domains to search a name in, in order, without trailing dots; ``""`` is the root.
        ndots: a name with at least so many dots is tried as it is first.
    """

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1


class System(Record):
    """Where the system keeps what it knows, and on which port name servers listen."""

    resolv_conf: str = "/etc/resolv.conf"
    port: int = 53


SYSTEM = System()


def read_settings(path: str) -> Settings:
    """Read resolv.conf, now.

    Raises:
        SuspectError: it is missing or cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse_settings(file.read())
    except OSError as error:
        advice = f"mount it, make it readable for UID {os.getuid()}, or say --server"
        raise SuspectError(f"read {path}", (error.strerror or str(error)).lower(), advice) from error


def parse_settings(text: str) -> Settings:
    """The settings in the text of a resolv.conf; as in glibc the last ``search`` or ``domain`` counts."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        # a keyword begins its line: one that is indented is none (resolv.conf(5))
        words = line.split()
        if not words or not line.startswith(words[0]):
            continue
        if words[0] == "nameserver" and words[1:] and as_address(words[1].partition("%")[0]):
            servers.append(words[1])
        elif words[0] == "search":
            search = _domains(words[1:])
        elif words[0] == "domain":
            search = _domains(words[1:2])
        elif words[0] == "options":
            ndots = _ndots(words[1:], ndots)
    return Settings(tuple(servers[:_MOST_SERVERS]), search, ndots)


def _domains(words: Sequence[str]) -> tuple[str, ...]:
    """Domains in ASCII; what can be none is left out."""
    domains = []
    for word in words:
        with contextlib.suppress(ValueError):
            domains.append(to_ascii(word).rstrip("."))
    return tuple(domain for domain in domains if not domain or fits(domain))


def _ndots(options: Sequence[str], before: int) -> int:
    values = [option.removeprefix("ndots:") for option in options if option.startswith("ndots:")]
    numbers = [int(value) for value in values if value.isascii() and value.isdigit()]
    return min(numbers[-1], _MOST_DOTS) if numbers else before


def candidates(name: str, settings: Settings) -> list[str]:
    """The names to ask for, in order, in ASCII and without trailing dots, as glibc does it (resolv.conf(5), ndots).

    With at least `ndots` dots a name is tried as it is first, otherwise after all search domains; one that ends in a
    dot is complete.
    """
    plain = to_ascii(name.removesuffix("."))
    if name.endswith("."):
        return [plain]
    searched = [f"{plain}.{domain}" if domain else plain for domain in settings.search]
    first = plain.count(".") >= settings.ndots
    names = [plain, *searched] if first else [*searched, plain]
    return [name for name in dict.fromkeys(names) if fits(name)]
