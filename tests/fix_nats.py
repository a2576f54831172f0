"""Real NATS servers: open, with user and password, with a token, and with TLS."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from fix_daemon import daemon, free_port, listens
from fix_need import need_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_tls import PrivateCa


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Starts a server with these arguments more; returns its port."""
    with ExitStack() as servers:

        def start(*more: str) -> int:
            port = free_port()
            words = [need_program("nats-server"), "-a", "127.0.0.1", "-p", str(port), *more]
            servers.enter_context(daemon(words, lambda: listens(port), tmp_path / f"nats-{port}.log"))
            return port

        yield start


@pytest.fixture
def nats_tls(private_ca: PrivateCa) -> list[str]:
    """The arguments for TLS."""
    return ["--tls", "--tlscert", private_ca.server.cert, "--tlskey", private_ca.server.key]
