"""Starts a server's program in the foreground for a test, and ends it with all that it has started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def daemon(
    words: Sequence[str], ready: Callable[[], bool], log: Path, *, patience: float = 10, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block; its output goes to `log`.

    Args:
        words: its command line.
        ready: asked until it says yes.
        log: where what it prints goes.
        patience: seconds to be ready in.
        options: passed on to `subprocess.Popen`.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(
            list(words), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
        )
    try:
        _until(lambda: ready() or child.poll() is not None, patience)
        if child.poll() is not None or not ready():
            pytest.fail(f"{words[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        yield child
    finally:
        _end(child)


def _until(condition: Callable[[], bool], patience: float) -> bool:
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM to it, and SIGKILL to what is left of its session's own group."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(5)
