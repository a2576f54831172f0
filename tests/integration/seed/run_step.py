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
import traceback

import psycopg  # noqa: F401 - loaded once, before the forks
from fix_clock import make_context
from fix_seed import run

from initkit.core.assemble import assemble
from initkit.steps.seed.postgres import store  # noqa: F401 - loaded once, before the forks
from initkit.steps.seed.sqlite import store as sqlite  # noqa: F401 - loaded once, before the forks
from initkit.steps.seed.step import Seed


def in_child(given: dict[str, object], pipe: int) -> None:
    try:
        outcome = run(assemble(Seed, given), make_context(timeout=60))
    except BaseException:  # noqa: BLE001 - the test fails with it
        answer: dict[str, object] = {"error": traceback.format_exc()}
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {"status": str(outcome.status), "detail": outcome.detail, "kilobytes": memory}
    os.write(pipe, json.dumps(answer).encode())


def main() -> None:
    given = json.loads(sys.argv[1])
    for line in sys.stdin:
        reader, writer = os.pipe()
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            in_child(given, writer)
            os._exit(0)
        os.close(writer)
        if line.strip() != "run":
            time.sleep(float(line))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        told = os.read(reader, 65536).decode()
        os.close(reader)
        answer = {"killed": os.WIFSIGNALED(status), "seconds": time.monotonic() - began}
        print(json.dumps(json.loads(told or "{}") | answer), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
