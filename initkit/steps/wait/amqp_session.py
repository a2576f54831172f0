"""A session of AMQP 0-9-1 on a `Wire`: pika speaks the protocol, the wire keeps time and measure.

pika's own connections keep no end to an attempt: their timeouts count anew for every step of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pika
from pika.connection import Connection, ConnectionParameters
from pika.exceptions import AMQPError, AuthenticationError, ConnectionClosedByBroker
from pika.spec import Connection as Methods

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.net.wire import Wire, said

if TYPE_CHECKING:
    from collections.abc import Callable

# it logs what we report, and its words would reach whatever handler a migration has put on the root
logging.getLogger(pika.__name__).propagate = False

_HEADER = b"AMQP"  # AMQP 0-9-1, section 4.2.2: what a server of another version answers, with that version
_OURS = (0, 9, 1)
_CHANNEL_0 = b"\x01\x00\x00"  # section 4.2.3: a method's frame on the connection's own channel
_ACCESS_REFUSED, _NOT_ALLOWED = 403, 530  # section 1.5, and what RabbitMQ says of vhosts
_FAREWELL = 0.5  # seconds to wait for the server's part of it


class Session(Connection):  # type: ignore[misc] # pika has no types
    """One login; pika calls the methods named ``_adapter_…``, which are its seam for other ways to do I/O."""

    def __init__(self, wire: Wire, user: str, password: str, vhost: str) -> None:
        self._wire = wire
        self._to_send = b""
        self._over = False
        parameters = ConnectionParameters(
            virtual_host=vhost,
            credentials=pika.PlainCredentials(user, password, erase_on_connect=True),
            heartbeat=0,
            client_properties={"connection_name": "initkit"},
        )
        super().__init__(parameters, internal_connection_workflow=False)

    def log_in(self) -> None:
        """Log in and open the vhost.

        Raises:
            TemporaryError: no answer in time, none of AMQP's, or no room just now.
            SuspectError: user, password or vhost is refused, or another version of AMQP is spoken.
        """
        self._step(self._on_stream_connected)
        self._step(self._on_data_available, _first_frame(self._wire))
        while not self.is_open:
            if self._over:
                raise self._failure()
            self._step(self._on_data_available, self._wire.some())

    def log_out(self, now: float) -> None:
        """Say good-bye, for a server notes a connection that just ends as a client's mistake; it may fail."""
        self._wire.ends = min(self._wire.ends, now + _FAREWELL)
        try:
            self._step(self.close)
            while not self._over:
                self._step(self._on_data_available, self._wire.some())
        except TemporaryError:
            return  # we were in, which is all that was asked

    def _step(self, step: Callable[..., None], *arguments: object) -> None:
        """Have pika go on, and send what it wants to say to that."""
        try:
            step(*arguments)
        except Exception as error:  # garbage makes its decoder raise almost anything
            raise self._wire.nonsense("it does not speak AMQP 0-9-1") from error
        data, self._to_send = self._to_send, b""
        if data:
            self._wire.send(data)

    def _failure(self) -> InitkitError:
        error, wire = self._error, self._wire
        if isinstance(error, ConnectionClosedByBroker):
            return _refused(wire, error.reply_code, said(error.reply_text))
        if isinstance(error, AuthenticationError):
            return SuspectError(wire.task, "it offers no login by user and password", "let the broker offer PLAIN")
        if isinstance(error, AMQPError):
            return SuspectError(wire.task, "it speaks another version of AMQP", "wait for HOST:PORT instead")
        return wire.nonsense("it does not speak AMQP 0-9-1")

    def _adapter_emit_data(self, data: bytes) -> None:
        self._to_send += data  # sent by _step: what fails in here, pika would take for the server's fault

    def _adapter_disconnect_stream(self) -> None:
        self._over = True
        if isinstance(self._error, ConnectionClosedByBroker):
            self._send_method(0, Methods.CloseOk())

    def _adapter_connect_stream(self) -> None:
        """Nothing: the wire is connected."""

    def _adapter_call_later(self, delay: float, callback: Callable[[], object]) -> None:
        """Nothing: without heartbeats pika asks for no timers."""

    def _adapter_remove_timeout(self, timeout_id: object) -> None:
        """Nothing, as there are none."""

    def _adapter_add_callback_threadsafe(self, callback: Callable[[], object]) -> None:
        """Nothing: a session stays in one thread."""


def _first_frame(wire: Wire) -> bytes:
    """The beginning of the server's first frame, which pika would wait for the rest of whatever it may be."""
    head = wire.exactly(8)
    version = tuple(head[5:])
    if head.startswith(_HEADER) and version != _OURS:
        cause = f"it speaks AMQP {'.'.join(map(str, version))}, and not 0-9-1"
        raise SuspectError(wire.task, cause, "wait for HOST:PORT instead, or let the broker speak AMQP 0-9-1")
    if not head.startswith(_CHANNEL_0):
        raise wire.nonsense("it does not speak AMQP 0-9-1")
    return head


def _refused(wire: Wire, code: int, cause: str) -> InitkitError:
    cause = cause.rstrip(".") or f"it refuses with code {code}"
    if code == _ACCESS_REFUSED:
        advice = "check user and password (RabbitMQ lets guest in from its own host only)"
        return SuspectError(wire.task, cause.partition(". ")[0], advice)
    if code == _NOT_ALLOWED and "limit" not in cause:  # of connections, which may be free again soon
        return SuspectError(wire.task, cause, "create the vhost, or give the user permissions there")
    return TemporaryError(wire.task, cause, "look into the broker's own log")
