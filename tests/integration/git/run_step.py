"""Runs the step once, in a program that tests can kill: KEY=VALUE…; prints ``ready``, then how it ended."""

from __future__ import annotations

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


def main() -> int:
    step = assemble(STEP, dict(word.split("=", 1) for word in sys.argv[1:]))
    stop = Stop()
    clock = SystemClock(stop)
    environ = {"PATH": os.environ["PATH"]}
    context = Context(clock=clock, stop=stop, voice=_Silent(), environ=environ, deadline=clock.now() + 30)
    _say("ready")
    try:
        done = isinstance(step.check(context), Satisfied)
        _say("satisfied" if done else step.apply(context).status)
    except InitkitError as error:
        _say(f"{type(error).__name__} {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
