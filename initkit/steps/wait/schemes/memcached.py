"""memcached: a cache that answers the text protocol's `version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.core.options import Arg, Declared, Parser, declared
from initkit.steps.wait.net.urls import ServerUrl, parse_server_url
from initkit.steps.wait.net.wire import Wire, said
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context

_FORM = "memcached://HOST[:PORT]"
# https://github.com/memcached/memcached/blob/master/doc/protocol.txt, section "Error strings"
_ERRORS = (b"SERVER_ERROR", b"CLIENT_ERROR", b"ERROR")


def parse_url(text: str) -> ServerUrl:
    """A memcached URL: a host and perhaps a port, 11211 by default.

    Raises:
        ValueError: it is none, or has a user, a password or a path.
    """
    url = parse_server_url(text, {"memcached": 11211})
    if url.user is not None or url.password is not None:
        raise ValueError(f"expected {_FORM}, got one with a user: a login is not supported; wait for HOST:PORT instead")
    if url.path:
        raise ValueError(f"expected {_FORM}, got {str(url)!r}")
    return url


MemcachedUrl = Annotated[ServerUrl, Parser("URL", parse_url, schema={"type": "string", "pattern": "://"})]


@declared
class Memcached(Declared):
    """A memcached server that tells its version."""

    schemes: ClassVar[tuple[str, ...]] = ("memcached",)
    pace: ClassVar[Pace] = Pace()

    url: Annotated[MemcachedUrl, Arg("The server, as memcached://HOST[:PORT].", "URL")]

    @property
    def name(self) -> str:
        """``memcached://host:port``."""
        return str(self.url)

    def probe(self, context: Context) -> str:
        """Ask for the version.

        Raises:
            AbsentError: the port refuses.
            TemporaryError: no connection, no answer in time, or none of memcached's.
            SuspectError: it wants a login first.
        """
        advice = "check that memcached listens on this port"
        with Wire.to(self.url.endpoint, context, task=f"use {self.name}", advice=advice) as wire:
            wire.send(b"version\r\n")
            answer = wire.line()
            word, _, rest = answer.partition(b" ")
            if word == b"VERSION":
                return f"answers, version {said(rest)}"
            raise _refused(wire, answer) if word in _ERRORS else wire.nonsense("it does not speak memcached's protocol")


def _refused(wire: Wire, answer: bytes) -> InitkitError:
    if b"unauthenticated" in answer:
        return SuspectError(wire.task, said(answer), "wait for HOST:PORT instead: a login is not supported")
    return TemporaryError(wire.task, said(answer), "look into that server's own log")


TARGET = Memcached
