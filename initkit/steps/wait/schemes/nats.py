"""nats: a server that lets us in and answers PING; streams and subjects are no concern of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import unquote

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.core.options import Arg, Parser, declared
from initkit.core.redact import learn
from initkit.steps.wait.net.urls import ServerUrl, UrlTarget, parse_server_url
from initkit.steps.wait.net.wire import Wire, said
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.step import Context

_PORT = 4222


def parse_url(text: str) -> ServerUrl:
    """A NATS URL; the password, or the token that stands alone before the ``@``, is masked in all output from then on.

    Raises:
        ValueError: it is none, or has a path.
    """
    userinfo, _, _ = text.partition("://")[2].rpartition("@")
    if ":" not in userinfo:
        learn(unquote(userinfo))
    url = parse_server_url(text, {"nats": _PORT, "tls": _PORT})
    if url.path:
        raise ValueError(f"expected nats://HOST[:PORT], got {str(url)!r}")
    return url


NatsUrl = Annotated[ServerUrl, Parser("URL", parse_url, schema={"type": "string", "pattern": "://"})]


@declared
class Nats(UrlTarget[ServerUrl]):
    """A NATS server that lets us in and answers PING.

    TLS is spoken where the server demands it, and demanded of it by tls:// instead of nats:// or any option of TLS.
    """

    schemes: ClassVar[tuple[str, ...]] = ("nats",)  # tls: alone says too little about what is spoken inside
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    url: Annotated[
        NatsUrl | None, Arg("The server, as nats://HOST[:PORT], with a user and password or a token in it.", "URL")
    ] = None

    def probe(self, context: Context) -> str:
        """Greet, log in and ask for a PONG.

        Raises:
            AbsentError: the port refuses.
            TemporaryError: no connection, no answer in time, or none of a NATS server's.
            SuspectError: it refuses the login, its certificate cannot be trusted, or a file cannot be used.
            UsageError: the environment has no URL.
        """
        url = self.address(context.environ)
        advice = "check that NATS listens on this port"
        with Wire.to(url.endpoint, context, task=f"log in to {url}", advice=advice) as wire:
            greeting = _greeting(wire)
            secure = self._secure(wire, url, greeting)
            wire.send(_login(url, secure=secure) + b"PING\r\n")
            _until_pong(wire, wants_key="nonce" in greeting and url.user is None)
        return "lets us in"

    def _parse(self, text: str) -> ServerUrl:
        return parse_url(text)

    def _secure(self, wire: Wire, url: ServerUrl, greeting: Mapping[str, Any]) -> bool:
        offered = bool(greeting.get("tls_required") or greeting.get("tls_available"))
        demanded = url.scheme == "tls" or self.asks_for_tls
        if demanded and not offered:
            raise SuspectError(wire.task, "it offers no TLS", "turn TLS on in the server, or ask for none")
        if demanded or greeting.get("tls_required"):
            wire.secure(self, url.endpoint.host)
            return True
        return False


def _greeting(wire: Wire) -> Mapping[str, Any]:
    """What the server says first: https://docs.nats.io/reference/reference-protocols/nats-protocol#info."""
    word, _, rest = wire.line().partition(b" ")
    try:
        greeting = json.loads(rest) if word == b"INFO" else None
    except (ValueError, RecursionError):
        greeting = None
    if not isinstance(greeting, dict):
        raise wire.nonsense("it does not speak NATS")
    return greeting


def _login(url: ServerUrl, *, secure: bool) -> bytes:
    options: dict[str, object] = {"verbose": False, "pedantic": False, "tls_required": secure}
    options |= {"name": "initkit", "lang": "python", "version": "1"}
    if url.password is not None:
        options |= {"user": url.user or "", "pass": url.password}
    elif url.user:
        options["auth_token"] = url.user
    return b"CONNECT " + json.dumps(options).encode() + b"\r\n"


def _until_pong(wire: Wire, *, wants_key: bool) -> None:
    while (answer := wire.line()) != b"PONG":
        word, _, rest = answer.partition(b" ")
        if word == b"PING":
            wire.send(b"PONG\r\n")
        elif word == b"-ERR":
            raise _refused(wire, said(rest).strip("'"), wants_key=wants_key)
        elif word not in {b"INFO", b"+OK"}:
            raise wire.nonsense("it does not speak NATS")


def _refused(wire: Wire, cause: str, *, wants_key: bool) -> InitkitError:
    if wants_key:
        advice = "it may want an NKey or a credentials file, which are not supported: wait for its /healthz by http"
    else:
        advice = "check user and password, or the token"
    if "auth" in cause.lower():
        return SuspectError(wire.task, cause, advice)
    return TemporaryError(wire.task, cause, "look into that server's own log")


TARGET = Nats
