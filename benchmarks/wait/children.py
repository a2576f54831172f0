"""Children of a benchmark: how they are started, watched and ended; which programs they are is known to `programs`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RULER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ruler.py")
_TICK = os.sysconf("SC_CLK_TCK")
_GIVE_UP = 60.0  # seconds
_over = threading.Event()


def environment(cache: str) -> dict[str, str]:
    """What children get: nothing that slows Python down, and no proxies; compiled modules go into `cache`."""
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    env = {name: text for name, text in os.environ.items() if name not in unwanted}
    env = {name: text for name, text in env.items() if not name.lower().endswith("_proxy")}
    env = {name: text for name, text in env.items() if not name.startswith("INITKIT_")}
    return {**env, "PYTHONPYCACHEPREFIX": cache}


def pause(seconds: float) -> None:
    """Sleep, unless all is over."""
    if _over.wait(seconds):
        raise SystemExit(130)


def give_up() -> None:
    """End all pauses, and thereby all children."""
    _over.set()


class Used(NamedTuple):
    """What a child has used, with all that it has started: CPU seconds, and MiB of the largest at its peak."""

    cpu: float
    memory: float


def measure(command: Sequence[str], env: Mapping[str, str]) -> Used:
    """Run a command that is to succeed."""
    ruler = [sys.executable, "-I", "-S", _RULER, *command]
    words = subprocess.run(ruler, env=env, stdout=subprocess.PIPE, check=True).stdout.split()
    if words[2] != b"0":
        raise SystemExit(f"{command} ended with {words[2].decode()}")
    return Used(float(words[0]), float(words[1]))


class Child:
    """A child whose stderr goes to a file; it and all that it has started are ended at the latest with the block."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._command = command
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the block
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log, process_group=0
        )
        self._pidfd = os.pidfd_open(self._process.pid)
        self.used = Used(0.0, 0.0)

    def cpu(self) -> float:
        """CPU seconds until now, with those of children that it has waited for; in steps of a tick."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
        return sum(map(int, words[11:15])) / _TICK  # proc(5): utime stime cutime cstime

    def wait(self) -> float:
        """Wait for its end, which is to be success; when that was, in monotonic seconds."""
        events = _poll(self._pidfd, _GIVE_UP)
        ended = time.monotonic()
        if not events or self._reap():
            raise SystemExit(f"{' '.join(self._command[:5])}… did not end well; its last words:\n{self._words()}")
        return ended

    def end(self) -> None:
        """End it and all that it has started."""
        if self._process.returncode is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                os.killpg(self._process.pid, number)
                if _poll(self._pidfd, 5.0):
                    break
            self._reap()

    def found_at(self) -> list[float]:
        """When it said that it had found its targets: seconds of the wall clock. Nothing where it does not say so."""
        self._log.seek(0)
        events = [json.loads(line) for line in self._log if line.startswith("{")]
        return [datetime.fromisoformat(e["time"]).timestamp() for e in events if e["event"] == "found"]

    def _reap(self) -> int:
        _, status, usage = os.wait4(self._process.pid, 0)
        self.used = Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode

    def _words(self) -> str:
        self._log.seek(0)
        return self._log.read()[-500:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.end()
        os.close(self._pidfd)
        self._log.close()


def _poll(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
