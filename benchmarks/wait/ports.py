"""Ports on loopback that refuse connections until they are opened."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import NamedTuple, Self

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Moment(NamedTuple):
    """The same instant on two clocks, in seconds."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> Self:
        """This instant."""
        return cls(time.monotonic(), time.time())


class Port:
    """Bound from the start, so that nobody else gets it; open once it listens, and then it answers HTTP if it is to."""

    def __init__(self, scheme: str = "tcp") -> None:
        self._is_http = scheme == "http"
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{address}/" if self._is_http else f"tcp://{address}"

    def open(self) -> Moment:
        """Accept connections from now on; when that was."""
        self._socket.listen(4096)
        opened = Moment.now()
        if self._is_http:
            threading.Thread(target=self._serve, daemon=True).start()
        return opened

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # shut down in `accept`
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(1)
                    if connection.recv(65536):
                        connection.sendall(_ANSWER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # it was never opened
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
