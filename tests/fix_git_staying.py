"""The sidecar as a program of its own, with a command that it tells, and eyes on both."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from fix_git import guarded_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_git import Origin
    from fix_program import Running

_HOOK = """#!{python}
import os, sys
told = " ".join(os.environ["INITKIT_" + name] or "-" for name in ("SHA", "PREVIOUS_SHA", "REF"))
shown = open(os.environ["INITKIT_PATH"] + "/index.html").read()
with open({file!r}, "a") as file:
    file.write(told + " " + shown + "\\n")
{more}
"""


def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for something that is to come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {seconds} s")
        time.sleep(0.02)


class Hook:
    """The command of --exec: it writes down what it was told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hook"
        self._file = folder / "hooked"
        self.does("")

    def does(self, more: str) -> None:
        """What else it does, in Python."""
        text = _HOOK.format(python=sys.executable, file=str(self._file), more=more)
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o755)
        new.replace(self.path)

    @property
    def lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path)


class Sidecar:
    """`initkit git --every` that is under way; by default no round comes by itself while a test lasts."""

    def __init__(self, running: Callable[..., Running], origin: Origin, dest: Path, ports: ExitStack) -> None:
        self._start = running
        self._ports = ports
        self._ask = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever the environment has
        self._words = ("git", str(origin.path), str(dest))
        self.number = 0
        self.program: Running

    def start(self, *words: str, every: str = "1h", listen: bool = True) -> Sidecar:
        self.number = self._ports.enter_context(guarded_port()) if listen else 0
        heard = ("--listen", f"127.0.0.1:{self.number}") if listen else ()
        self.program = self._start(*self._words, "--every", every, *heard, *words)
        return self

    def get(self, path: str) -> tuple[int, str]:
        """The status and the body; 0 while nobody listens."""
        try:
            with self._ask.open(f"http://127.0.0.1:{self.number}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def health(self) -> tuple[int, dict[str, object]]:
        status, body = self.get("/healthz")
        return status, json.loads(body or "{}")

    def is_ready(self) -> bool:
        return self.health()[0] == 200

    def is_at(self, sha: str) -> bool:
        return self.health()[1].get("sha") == sha

    def metric(self, name: str) -> float:
        lines = self.get("/metrics")[1].splitlines()
        return float(next(line.split(" ")[1] for line in lines if line.startswith(f"initkit_git_{name} ")))

    def nudge(self) -> None:
        os.kill(self.program.child.pid, 1)


@pytest.fixture
def sidecar(running: Callable[..., Running], origin: Origin, dest: Path) -> Iterator[Sidecar]:
    with ExitStack() as ports:
        yield Sidecar(running, origin, dest, ports)
