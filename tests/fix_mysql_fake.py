"""MySQL servers of a test's own, for what MariaDB does not do: its packets, and behaviours made of them for `peer`."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl
    import threading
    from collections.abc import Callable

    from fix_peer import Behaviour

# https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html
_PLAIN = 0x0001 | 0x0008 | 0x0200 | 0x2000 | 0x8000 | 0x00080000
_SSL = 0x0800
_NONCE = b"01234567890123456789"
OK = b"\0\0\0\2\0\0\0"
_EOF = b"\xfe\0\0\2\0"


def packet(number: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number % 256]) + payload


def greeting(plugin: str = "mysql_native_password", *, tls: bool = False, version: str = "8.0.36") -> bytes:
    flags = _PLAIN | (_SSL if tls else 0)
    low, high = struct.pack("<H", flags & 0xFFFF), struct.pack("<H", flags >> 16)
    return packet(
        0,
        b"".join(
            [
                b"\x0a" + version.encode() + b"\0" + struct.pack("<I", 7) + _NONCE[:8] + b"\0" + low,
                b"\x2d\2\0" + high + bytes([21]) + bytes(10) + _NONCE[8:] + b"\0" + plugin.encode() + b"\0",
            ]
        ),
    )


def error(number: int, words: str) -> bytes:
    return b"\xff" + struct.pack("<H", number) + b"#HY000" + words.encode()


def _column(name: bytes) -> bytes:
    words = [b"def", b"", b"", b"", name, name]
    return b"".join(bytes([len(word)]) + word for word in words) + b"\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0"


def row(value: bytes) -> list[bytes]:
    """The packets of one row of one column."""
    return [b"\1", _column(b"v"), _EOF, bytes([len(value)]) + value, _EOF]


class Talk:
    """One connection, seen by the server."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.number = 0

    def read(self) -> bytes:
        head = self._exactly(4)
        self.number = head[3]
        return self._exactly(int.from_bytes(head[:3], "little"))

    def say(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.number += 1
            self.connection.sendall(packet(self.number, payload))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data


def mysql_fake(
    *,
    first: bytes | None = None,
    login: Callable[[Talk], None] = lambda talk: talk.say(OK),
    replies: Callable[[str], list[bytes]] = lambda _: [OK],
    tls: ssl.SSLContext | None = None,
) -> Behaviour:
    """A server for `peer`.

    Args:
        first: what it says first; by default a greeting.
        login: what it does once the client has said who it is.
        replies: the packets that a statement is answered by; SELECT 1 is answered as it should be.
        tls: what it makes TLS with, where it offers it.
    """

    def behave(connection: socket.socket, _over: threading.Event) -> None:
        talk = Talk(connection)
        connection.sendall(first if first is not None else greeting(tls=tls is not None))
        with ExitStack() as stack:
            if tls is not None:
                talk.read()
                talk.connection = stack.enter_context(tls.wrap_socket(connection, server_side=True))
            talk.read()
            login(talk)
            while (command := talk.read())[:1] != b"\1":
                statement = command[1:].decode()
                talk.say(*(row(b"1") if statement == "select 1" else replies(statement)))

    return behave
