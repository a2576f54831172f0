"""Runs the program as people do: a child with arguments, an environment, and eyes on what it prints."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Mapping, Sequence

INITKIT = (sys.executable, "-m", "initkit")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without anything that would steer a step."""
    steering = ("PG", "INITKIT_", "DATABASE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    # a proxy of the machine does not lead to loopback
    return {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")} | dict(more or {})


def initkit(
    *words: str, env: Mapping[str, str] | None = None, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        [*INITKIT, *words],
        env=environment(env),
        timeout=timeout,
        check=False,
        capture_output=True,
        text=True,
        stdin=options.pop("stdin", subprocess.DEVNULL),
        **options,
    )


class Running:
    """A program that is under way."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str] | None = None, **options: Any) -> None:
        self.child = subprocess.Popen(
            list(words), env=environment(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
        self.lines: list[str] = []
        self._mail: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout
        with self.child.stdout as stream:
            for line in stream:
                self._mail.put(line.rstrip("\n"))
        self._mail.put(None)

    def line_with(self, text: str, timeout: float = 60) -> str:
        """The next line that holds `text`."""
        until = time.monotonic() + timeout
        while True:
            try:
                line = self._mail.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"no line with {text!r} came; there was:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if text in line:
                return line

    def signal(self, signum: signal.Signals) -> float:
        """Send a signal; return when."""
        self.child.send_signal(signum)
        return time.monotonic()

    def ended(self, timeout: float = 60) -> int:
        """The exit code."""
        code = self.child.wait(timeout)
        self._reader.join(timeout)
        with contextlib.suppress(queue.Empty):
            while (line := self._mail.get_nowait()) is not None:
                self.lines.append(line)
        return code

    @property
    def output(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    """Starts programs; what still runs at the end of the test is killed."""
    started: list[Running] = []

    def start(*words: str, **options: Any) -> Running:
        program = Running([*INITKIT, *words], **options)
        started.append(program)
        return program

    yield start
    for program in started:
        if program.child.poll() is None:
            program.child.kill()
        program.child.wait()
