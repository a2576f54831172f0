"""Asking a name server, over UDP and TCP, and what its answers mean; what is expected of them is not known here.

dnspython makes and reads the messages. The sockets are our own: so all of a look has one deadline, a port that refuses
is noticed at once, and the next of several servers is asked soon.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from initkit.core.errors import TemporaryError
from initkit.steps.wait.dns.records import found
from initkit.steps.wait.net.datagrams import Conversation, Endpoint
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.message import Message

    from initkit.core.step import Context

_SILENT = "check the server's address, and that network policies let UDP and TCP to it through"


class ServerFailedError(TemporaryError):
    """A server answers that it cannot or will not answer; another name may fare better."""


class Server:
    """A name server, or several of which any will do; made for one look.

    Attributes:
        label: how it is called in messages.
        endpoints: in the order in which to ask them; one that has answered is asked first from then on.
    """

    def __init__(self, label: str, endpoints: Sequence[Endpoint]) -> None:
        self.label = label
        self.endpoints = list(endpoints)


class Asking:
    """One look for one name: whom it asks and until when."""

    def __init__(self, context: Context, server: Server, ends: float, task: str) -> None:
        self._context = context
        self._server = server
        self._ends = ends
        self._task = task

    def find(self, names: Sequence[str], kinds: Sequence[str], *, any_kind: bool) -> tuple[str, ...]:
        """The records of the first of `names` that has some, sorted.

        Args:
            names: absolute, in ASCII; the next one is asked for where one does not exist, has none, or fails.
            kinds: types of records.
            any_kind: whether those of the first type that has some will do.

        Raises:
            AbsentError: no name has any.
            TemporaryError: a server failed or is silent.
        """
        nothing = AbsentError(self._task, f"it has no {' or '.join(kinds)} record", "check the name and its type")
        absent: AbsentError | None = None
        failed: ServerFailedError | None = None
        for name in names:
            try:
                if records := self._records(name, kinds, any_kind=any_kind):
                    return records
                absent = nothing
            except ServerFailedError as error:
                failed = failed or error
            except AbsentError as error:
                absent = absent or error
        if failed:
            raise failed
        absent = absent or nothing
        tried = f"; tried {', '.join(names)}" if len(names) > 1 else ""
        raise AbsentError(self._task, absent.cause, absent.advice + tried)

    def _records(self, name: str, kinds: Sequence[str], *, any_kind: bool) -> tuple[str, ...]:
        records: set[str] = set()
        for kind in kinds:
            records |= self._answer(name, kind)
            if records and any_kind:
                break
        return tuple(sorted(records))

    def _answer(self, name: str, kind: str) -> set[str]:
        import dns.flags  # noqa: PLC0415 - 100 ms that only DNS targets need
        import dns.message  # noqa: PLC0415

        query = dns.message.make_query(f"{name}.", kind)
        conversation: Conversation[tuple[Endpoint, Message]] = Conversation(
            self._context, self._server.endpoints, self._ends
        )
        try:
            endpoint, answer = conversation.ask(query.to_wire(), lambda *heard: self._read(query, *heard))
        except OSError as error:
            raise self._failure(error) from error
        if answer.flags & dns.flags.TC:
            answer = self._over_tcp(query, endpoint)
        self._server.endpoints.sort(key=lambda one: one != endpoint)
        return self._meaning(answer, endpoint)

    def _read(self, query: Message, endpoint: Endpoint, wire: bytes) -> tuple[Endpoint, Message] | None:
        """An answer to `query`, None for anything else, such as a late one to another."""
        import dns.exception  # noqa: PLC0415 - loaded already
        import dns.message  # noqa: PLC0415
        import dns.rcode  # noqa: PLC0415

        try:
            answer = dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
        except (dns.exception.DNSException, ValueError):
            return None
        if not query.is_response(answer):
            return None
        if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise self._failed(f"{endpoint} answers {dns.rcode.to_text(answer.rcode())}")
        return endpoint, answer

    def _meaning(self, answer: Message, endpoint: Endpoint) -> set[str]:
        import dns.exception  # noqa: PLC0415 - loaded already
        import dns.flags  # noqa: PLC0415
        import dns.message  # noqa: PLC0415
        import dns.rcode  # noqa: PLC0415

        if answer.rcode() == dns.rcode.NXDOMAIN:
            raise AbsentError(self._task, "NXDOMAIN: there is no such name", "check the name and its namespace")
        assert isinstance(answer, dns.message.QueryMessage)  # noqa: S101 - it is the answer to a query
        try:
            chain = answer.resolve_chaining()
        except dns.exception.DNSException as error:
            raise self._failed(f"{endpoint} answers with aliases that have no end") from error
        if (
            chain.answer is None
            and not answer.flags & dns.flags.RA
            and (chain.cnames or not answer.flags & dns.flags.AA)
        ):
            # neither an authority for what was asked in the end, nor one that would go and ask another
            raise self._failed(f"{endpoint} refers to other servers")
        return {found(rdata) for rdata in chain.answer or ()}

    def _over_tcp(self, query: Message, endpoint: Endpoint) -> Message:
        """Ask again where the answer did not fit into a datagram (RFC 7766)."""
        try:
            with socket.socket(endpoint.address.family, socket.SOCK_STREAM) as connection:
                read = self._read(query, endpoint, self._exchanged(connection, query.to_wire(), endpoint))
        except TimeoutError as error:
            raise TemporaryError(self._task, f"no answer from {endpoint} over TCP", _SILENT) from error
        except (ConnectionResetError, BrokenPipeError) as error:
            raise self._failed(f"{endpoint} breaks off over TCP") from error
        except OSError as error:
            cause = f"{endpoint} over TCP, which its long answer needs: {(error.strerror or str(error)).lower()}"
            raise TemporaryError(self._task, cause, _SILENT) from error
        if read is None:
            raise self._failed(f"{endpoint} answers over TCP with what is no answer")
        return read[1]

    def _exchanged(self, connection: socket.socket, wire: bytes, endpoint: Endpoint) -> bytes:
        """What comes back; each message has its length before it (RFC 1035, section 4.2.2)."""
        connection.settimeout(self._left())
        connection.connect(endpoint.address.at(endpoint.port))
        connection.sendall(len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(self._received(connection, 2, endpoint), "big")
        return self._received(connection, length, endpoint)

    def _received(self, connection: socket.socket, length: int, endpoint: Endpoint) -> bytes:
        received = b""
        while len(received) < length:
            connection.settimeout(self._left())
            more = connection.recv(length - len(received))
            if not more:
                raise self._failed(f"{endpoint} breaks off over TCP")
            received += more
        return received

    def _left(self) -> float:
        left = self._ends - self._context.clock.now()
        if left <= 0:
            raise TimeoutError
        return left

    def _failed(self, cause: str) -> ServerFailedError:
        return ServerFailedError(self._task, cause, "look into that server's own log")

    def _failure(self, error: OSError) -> TemporaryError:
        if isinstance(error, TimeoutError):
            return TemporaryError(self._task, error.strerror or f"no answer from {self._server.label}", _SILENT)
        cause = f"{self._server.label}: {(error.strerror or str(error)).lower()}"
        return TemporaryError(self._task, cause, "check that a name server is running there")
