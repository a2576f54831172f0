"""Sockets to listen on, for an address as people write it."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from initkit.core.values import HostPort

EVERYWHERE = "::"
_BACKLOG = 64
_NO_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_ADVICE = {
    errno.EADDRINUSE: "give another address, or end what listens there: containers of a pod share its addresses",
    errno.EACCES: "give a number from 1024 up",
    errno.EADDRNOTAVAIL: "give an address that this machine has, or none for all",
}


def listening(address: HostPort) -> list[socket.socket]:
    """Sockets that listen there; ``::`` means all addresses, of IPv4 too.

    Raises:
        PermanentError: none of them can be had.
    """
    try:
        return _everywhere(address.port) if address.host == EVERYWHERE else _at(address)
    except OSError as error:
        place = f":{address.port}" if address.host == EVERYWHERE else str(address)
        advice = _ADVICE.get(error.errno or 0, "give an address that this machine has, such as :8080")
        raise PermanentError(f"listen on {place}", error.strerror or str(error), advice) from error


def _everywhere(port: int) -> list[socket.socket]:
    try:
        return [_open(socket.AF_INET6, (EVERYWHERE, port), dual=True)]
    except OSError as error:
        if error.errno not in _NO_FAMILY:  # a kernel may have IPv6 turned off
            raise
    return [_open(socket.AF_INET, ("0.0.0.0", port))]  # noqa: S104 - it is what was asked for


def _at(address: HostPort) -> list[socket.socket]:
    """All that a name such as ``localhost`` means, as far as the machine has it."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, place in found:
            try:
                made.append(_open(family, place))
            except OSError as error:
                if error.errno not in _NO_FAMILY:
                    raise
                missing = error
    except OSError:
        for one in made:
            one.close()
        raise
    if missing is not None and not made:
        raise missing
    return made


def _open(family: int, place: tuple[object, ...], *, dual: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was closed a moment ago is no hindrance
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        made.bind(place)
        made.listen(_BACKLOG)
        made.setblocking(False)  # noqa: FBT003 - its only argument
    except BaseException:
        made.close()
        raise
    return made
