"""Runs the step in a program that tests can kill: KEY=VALUE…; prints ``ready``, then how it ended.

Without arguments it reads a JSON list of them from each line, and runs the step in a child for each: ``ready PID``, how
it ended, and ``ended CODE`` once the child is gone.
"""

from __future__ import annotations

import json
import os
import sys

from initkit.core.assemble import assemble
from initkit.core.clock import SystemClock
from initkit.core.errors import InitkitError
from initkit.core.outcome import Satisfied
from initkit.core.step import Context
from initkit.core.stop import Stop
from initkit.steps.git.step import STEP


class _Silent:
    detailed = False

    def note(self, text: str, **facts: object) -> None:
        pass

    detail = warn = note

    def result(self, text: str) -> None:
        pass

    def progress(self, name: str, text: str, *, share: float | None = None) -> None:
        pass

    def done(self, name: str) -> None:
        pass

    def missing(self, name: str, why: str, *, attempts: int) -> None:
        pass

    def found(self, name: str, detail: str, *, attempts: int, seconds: float) -> None:
        pass


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _run(words: list[str], ready: str) -> int:
    step = assemble(STEP, dict(word.split("=", 1) for word in words))
    stop = Stop()
    clock = SystemClock(stop)
    environ = {"PATH": os.environ["PATH"]}
    # as patient as the step is by default
    deadline = clock.now() + STEP.retry.timeout
    context = Context(clock, stop, _Silent(), environ, deadline, STEP.retry.attempt_timeout)
    _say(ready)
    try:
        done = isinstance(step.check(context), Satisfied)
        _say("satisfied" if done else step.apply(context).status)
    except InitkitError as error:
        _say(f"{type(error).__name__} {error}")
        return 1
    return 0


def _serve() -> int:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os._exit(_run(json.loads(line), f"ready {os.getpid()}"))
        _, status = os.waitpid(child, 0)
        _say(f"ended {os.waitstatus_to_exitcode(status)}")
    return 0


def main() -> int:
    return _run(sys.argv[1:], "ready") if sys.argv[1:] else _serve()


if __name__ == "__main__":
    sys.exit(main())
