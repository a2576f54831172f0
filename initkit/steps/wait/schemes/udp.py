"""udp: a datagram that is answered; what is spoken there, its options say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import TemporaryError
from initkit.core.options import Arg, Declared, Opt, Parser, declared
from initkit.core.values import HostPort, parse_host_port
from initkit.steps.wait.net.datagrams import Conversation, Endpoint
from initkit.steps.wait.net.names import look_up
from initkit.steps.wait.octets import Bytes, show_bytes
from initkit.steps.wait.target import AbsentError, Pace, ProbeContext

if TYPE_CHECKING:
    from initkit.core.step import Context

_GRACE = 0.25  # seconds for the right datagram to follow a wrong one
_SHOWN = 60  # characters of a wrong answer that are shown
_LONGEST = 65507  # bytes: what fits into a datagram over IPv4, less its headers


def parse_address(text: str) -> HostPort:
    """Host and port from ``udp://host:port`` or ``host:port``.

    Raises:
        ValueError: it has another form.
    """
    return parse_host_port(text.removeprefix("udp:").removeprefix("//").rstrip("/"))


Address = Annotated[
    HostPort, Parser("HOST:PORT", parse_address, schema={"type": "string", "pattern": r":\d{1,5}/*\s*$"})
]


@declared
class Udp(Declared):
    """A UDP port that answers what is sent to it; every address of the name is tried.

    It answers from the address and port that were asked. Nothing can be learnt from a port that is only sent to, so
    there must be something to send that it answers.
    """

    schemes: ClassVar[tuple[str, ...]] = ("udp",)
    pace: ClassVar[Pace] = Pace(max_interval=0.5)

    address: Annotated[Address, Arg("Host and port, an IPv6 address in brackets.", "HOST:PORT")]
    send: Annotated[
        Bytes | None, Opt(r"What to send: text, in which \n \r \t \\ \xHH stand for bytes, or hex:00ff.", "BYTES")
    ] = None
    expect: Annotated[
        Bytes | None, Opt("What the answer must contain, written likewise; by default any will do.", "BYTES")
    ] = None

    def __post_init__(self) -> None:
        """Refuse what cannot be learnt from.

        Raises:
            ValueError: there is nothing to send, or more than a datagram holds.
        """
        if self.send is None:
            raise ValueError("expected something to --send, as in: wait udp HOST:PORT --send BYTES, got none")
        if len(self.send) > _LONGEST:
            raise ValueError(f"expected at most {_LONGEST} bytes to send, got {len(self.send)}")
        if self.expect == b"":
            raise ValueError("expected some bytes to --expect, or no --expect for any answer, got none")

    @property
    def name(self) -> str:
        """``udp://host:port``."""
        return f"udp://{self.address}"

    def probe(self, context: Context) -> str:
        """Send, again after 250 ms and then every 500 ms, and wait for the answer.

        Raises:
            AbsentError: every address refuses, or answers something else.
            TemporaryError: the name is unknown, or an address of it is silent.
            PermanentError: it can be no name.
        """
        ends = context.clock.now() + max(0.001, context.attempt_timeout)
        names = context.names if isinstance(context, ProbeContext) else None
        addresses = names.resolve(self.address.host, context.attempt_timeout) if names else look_up(self.address.host)
        endpoints = [Endpoint(address, self.address.port) for address in addresses]
        conversation: Conversation[str] = Conversation(context, endpoints, ends, grace=_GRACE)
        try:
            return conversation.ask(self.send or b"", self._read)
        except OSError as error:
            raise self._failure(error) from error

    def _read(self, endpoint: Endpoint, datagram: bytes) -> str:  # noqa: ARG002 - whoever answers
        if self.expect is None or self.expect in datagram:
            return "answers"
        shown = show_bytes(datagram[:_SHOWN])[:_SHOWN] or "nothing"
        advice = f"compare --expect with the answer: {shown}"
        raise AbsentError(f"use {self.name}", "it answers something else than expected", advice)

    def _failure(self, error: OSError) -> TemporaryError:
        task = f"reach {self.name}"
        cause = (error.strerror or str(error)).lower()
        if isinstance(error, ConnectionRefusedError):
            return AbsentError(task, cause, "check that it is running")
        if isinstance(error, TimeoutError):
            return TemporaryError(task, cause, "check that it is running and understands --send, and network policies")
        return TemporaryError(task, cause, "check addresses and network policies")


TARGET = Udp
