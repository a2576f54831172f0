"""Runs a seed step in forked children, as often as it is told on stdin: ``run``, or seconds after which to kill.

It answers each with a line of JSON. Forking saves the start of an interpreter for every kill.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time

import psycopg  # noqa: F401 - loaded once, before the forks
from fix_clock import make_context
from fix_seed import run

from initkit.core.assemble import assemble
from initkit.steps.seed import postgres, sqlite  # noqa: F401 - loaded once, before the forks
from initkit.steps.seed.step import Seed


def in_child(given: dict[str, object], pipe: int) -> None:
    outcome = run(assemble(Seed, given), make_context(timeout=60))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    os.write(pipe, json.dumps({"detail": outcome.detail, "kilobytes": memory}).encode())


def main() -> None:
    given = json.loads(sys.argv[1])
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            in_child(given, writer)
            os._exit(0)
        os.close(writer)
        if line.strip() != "run":
            time.sleep(float(line))
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        answer = os.read(reader, 65536).decode()
        os.close(reader)
        print(answer or "{}", flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
