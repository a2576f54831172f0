"""mqtt: a broker that lets us in; topics and messages are no concern of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.core.options import Arg, Parser, declared
from initkit.steps.wait.net.urls import ServerUrl, UrlTarget, parse_server_url
from initkit.steps.wait.net.wire import LIMIT, Wire
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST = 65535  # bytes of a string (MQTT 3.1.1, section 1.5.3)
_CONNECT, _CONNACK, _DISCONNECT = 0x10, 0x20, 0xE0
_USER, _PASSWORD, _CLEAN = 0x80, 0x40, 0x02
_LEVEL = 4  # MQTT 3.1.1, which brokers of MQTT 5 speak as well
_KEEP_ALIVE = 60  # seconds

# what a broker answers: MQTT 3.1.1, section 3.2.2.3, and from 128 on MQTT 5, section 3.2.2.2
_LOGIN = "check user and password, and the broker's rules"
_VERSION = "wait for HOST:PORT instead, or let the broker speak MQTT 3.1.1"
_SUSPECT = {
    1: ("it does not speak MQTT 3.1.1", _VERSION),
    2: ("it refuses our client identifier", "let the broker accept identifiers that begin with initkit"),
    4: ("bad user name or password", _LOGIN),
    5: ("not authorized", _LOGIN),
    0x84: ("it does not speak MQTT 3.1.1", _VERSION),
    0x85: ("it refuses our client identifier", "let the broker accept identifiers that begin with initkit"),
    0x86: ("bad user name or password", _LOGIN),
    0x87: ("not authorized", _LOGIN),
    0x8A: ("it has banned us", _LOGIN),
    0x8C: ("it wants another way to log in", _LOGIN),
}
_TEMPORARY = {
    3: "server unavailable",
    0x88: "server unavailable",
    0x89: "server busy",
    0x97: "quota exceeded",
    0x9C: "it sends us to another server",
    0x9D: "it sends us to another server",
    0x9F: "connection rate exceeded",
}


def parse_url(text: str) -> ServerUrl:
    """An MQTT URL; its password is masked in all output from then on.

    Raises:
        ValueError: it is none, has a path, or a user or password longer than the protocol can tell.
    """
    url = parse_server_url(text, _PORTS)
    if url.path:
        raise ValueError(f"expected {url.scheme}://HOST[:PORT], got {str(url)!r}")
    if any(len((part or "").encode()) > _LONGEST for part in (url.user, url.password)):
        raise ValueError(f"expected a user and password of at most {_LONGEST} bytes, got a longer one")
    return url


MqttUrl = Annotated[ServerUrl, Parser("URL", parse_url, schema={"type": "string", "pattern": "://"})]


@declared
class Mqtt(UrlTarget[ServerUrl]):
    """An MQTT broker that lets us in."""

    schemes: ClassVar[tuple[str, ...]] = ("mqtt", "mqtts")
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    url: Annotated[
        MqttUrl | None, Arg("The broker, as mqtt[s]://HOST[:PORT], with a user and password in it.", "URL")
    ] = None

    def probe(self, context: Context) -> str:
        """Log in, and out again.

        Raises:
            AbsentError: the port refuses.
            TemporaryError: no connection, no answer in time, none of a broker's, or it has no room just now.
            SuspectError: it refuses the login, its certificate cannot be trusted, or a file cannot be used.
            UsageError: the environment has no URL.
        """
        url = self.address(context.environ)
        advice = "check that an MQTT broker listens on this port"
        with Wire.to(url.endpoint, context, task=f"log in to {url}", advice=advice) as wire:
            if url.scheme == "mqtts":
                wire.secure(self, url.endpoint.host)
            wire.send(_connect(url, f"initkit{int(context.clock.chance() * 16**12):012x}"))
            code = _answer(wire)
            if code:
                raise _refused(wire, code)
            wire.send(bytes([_DISCONNECT, 0]))
        return "lets us in"

    def _parse(self, text: str) -> ServerUrl:
        return parse_url(text)

    def _check(self, url: ServerUrl) -> None:
        self.check_scheme(url.scheme, "mqtts")


def _connect(url: ServerUrl, client: str) -> bytes:
    """A CONNECT packet (MQTT 3.1.1, section 3.1).

    Args:
        url: whose user and password to send.
        client: the identifier; every broker must take letters and digits, up to 23 of them (section 3.1.3.1).
    """
    flags, texts = _CLEAN, [client]
    if url.user is not None:
        flags |= _USER
        texts.append(url.user)
    if url.password is not None:
        flags |= _PASSWORD
        texts.append(url.password)
    head = _text("MQTT") + bytes([_LEVEL, flags]) + _KEEP_ALIVE.to_bytes(2, "big")
    body = head + b"".join(map(_text, texts))
    return bytes([_CONNECT]) + _length(len(body)) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _length(count: int) -> bytes:
    """Seven bits a byte, the lowest first (MQTT 3.1.1, section 2.2.3)."""
    found = bytearray()
    while True:
        count, low = divmod(count, 128)
        found.append(low | (128 if count else 0))
        if not count:
            return bytes(found)


def _answer(wire: Wire) -> int:
    """The code in the broker's CONNACK, 0 where we are in."""
    if wire.exactly(1)[0] != _CONNACK:
        raise wire.nonsense("it does not speak MQTT")
    count, shift, more = 0, 0, True
    while more:
        byte = wire.exactly(1)[0]
        count, shift, more = count | (byte & 127) << shift, shift + 7, byte >= 128  # noqa: PLR2004 - see _length
        if count > LIMIT or shift > 28:  # noqa: PLR2004 - four bytes at most
            raise wire.nonsense("it does not speak MQTT")
    if count < 2:  # noqa: PLR2004 - flags and code
        raise wire.nonsense("it does not speak MQTT")
    return wire.exactly(count)[1]


def _refused(wire: Wire, code: int) -> InitkitError:
    if code in _SUSPECT:
        return SuspectError(wire.task, *_SUSPECT[code])
    cause = _TEMPORARY.get(code, f"it refuses with code {code}")
    return TemporaryError(wire.task, cause, "look into the broker's own log")


TARGET = Mqtt
