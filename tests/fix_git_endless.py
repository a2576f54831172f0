"""A server of git's own protocol whose list of refs has no end."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def _packet(content: bytes) -> bytes:
    return b"%04x%s" % (len(content) + 4, content)


def _answer(client: socket.socket) -> None:
    """Refs in the protocol's first version: each with a name that is as long as a packet lets it be."""
    with client, suppress(OSError):
        client.recv(65536)
        client.sendall(_packet(b"%s HEAD\0ofs-delta\n" % (b"1" * 40)))
        for number in range(1 << 40):
            client.sendall(_packet(b"%s refs/heads/%012d%s\n" % (b"1" * 40, number, b"/a" * 2000)))


@pytest.fixture
def endless_refs() -> Iterator[str]:
    """The URL of such a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    threading.Thread(target=_answer, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"git://127.0.0.1:{server.getsockname()[1]}/origin"
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
