"""Programs under measurement: how they are started, killed and reaped; which they are is known to the parts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STEERING = ("INITKIT_", "PG", "DATABASE_", "SQLALCHEMY_", "MIGRATION_", "DIRECT_")
_SLOWING = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def environment(url: str, host: str = "shop-0") -> dict[str, str]:
    """What a pod's program gets: a host's name, the database's URL, and nothing that would steer it or slow it down."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_STEERING) and name not in _SLOWING}
    return {**kept, "DATABASE_URL": url, "HOSTNAME": host, "PYTHONPATH": _ROOT}


def ours(folder: str, *more: str) -> list[str]:
    """The command line that migrates; it ends with one summary in JSON."""
    return [sys.executable, "-m", "initkit", "migrate", folder, "--log-format", "json", *more]


def plain(ini: str) -> list[str]:
    """The same by alembic alone."""
    return [sys.executable, "-m", "alembic", "-c", ini, "upgrade", "heads"]


class Run:
    """One that is under way, in a session of its own; its output goes to a file."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the block
        self._child = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def ends_within(self, seconds: float) -> bool:
        """Whether it does."""
        try:
            self._child.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def code(self, patience: float = 300.0) -> int:
        """Its exit code; after `patience` it is killed."""
        if not self.ends_within(patience):
            self.kill(children=True)
        return self._child.wait()

    def kill(self, *, children: bool) -> bool:
        """Kill it, with all that it has started or without; whether it was still there to be killed."""
        with suppress(psutil.NoSuchProcess):
            tree = psutil.Process(self._child.pid).children(recursive=True) if children else []
            self._child.kill()
            for one in tree:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        return self._child.wait() == -signal.SIGKILL

    def words(self) -> str:
        """What it has printed."""
        self._log.seek(0)
        return self._log.read()

    def applied(self) -> list[str]:
        """The revisions that its summary says it has applied."""
        for line in reversed(self.words().splitlines()):
            with suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "summary":
                    return [one["revision"] for one in event.get("facts", {}).get("applied", ())]
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self.kill(children=True)
        self._log.close()
