"""A child that does not get on is ended; one that does, however slowly, is not."""

from __future__ import annotations

import os
import sys
import time

import pytest

from initkit.core.stop import Stop
from initkit.steps.git.calling import child
from initkit.steps.git.calling.stall import Stalled


def _run(script: str, *, stalled_after: float) -> child.Finished:
    return child.run(
        [sys.executable, "-c", script],
        environment={"PATH": os.environ["PATH"]},
        directory="/",
        stop=Stop(),
        stalled_after=stalled_after,
    )


@pytest.mark.parametrize(
    "script",
    [
        "import time; time.sleep(60)",
        "import os; os.read(os.pipe()[0], 1)",
        "import socket; a, b = socket.socketpair(); a.recv(1)",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "import threading; threading.Thread(target=threading.Event().wait).start()",
    ],
)
def test_who_waits_for_what_does_not_come_is_ended(script: str) -> None:
    started = time.monotonic()
    with pytest.raises(Stalled):
        _run(script, stalled_after=0.5)
    assert time.monotonic() - started < 20


SLOW_READER = """
import os, sys, threading, time
reading, writing = os.pipe()
def drip():
    for _ in range(10):
        time.sleep(0.3)
        os.write(writing, b"x")
if os.fork() == 0:  # the server, in a session of its own
    os.setsid()
    drip()
    os._exit(0)
os.close(writing)
def read():
    while os.read(reading, 1):
        pass
"""


@pytest.mark.parametrize(
    "script",
    [
        f"{SLOW_READER}\nread()",
        f"{SLOW_READER}\nthread = threading.Thread(target=read); thread.start(); thread.join()",
        f"{SLOW_READER}\nif os.fork() == 0:\n    read()\nelse:\n    os.wait()",
        "import time\nuntil = time.monotonic() + 3\nwhile time.monotonic() < until: pass",
    ],
    ids=["itself", "in a thread", "in a child", "at work"],
)
def test_who_gets_on_slowly_is_left_alone(script: str) -> None:
    assert _run(script, stalled_after=2.5).code == 0


def test_a_line_that_is_only_kept_alive_has_stalled() -> None:
    as_ssh = "import time; open('/proc/self/comm', 'w').write('ssh')\nwhile True: time.sleep(0.02)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {as_ssh!r}])"
    with pytest.raises(Stalled):
        _run(script, stalled_after=1)
