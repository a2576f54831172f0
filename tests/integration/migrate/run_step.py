"""Run the step as the runner would, in a process of its own; prints the outcome and ends with its exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading

from initkit.core.assemble import assemble
from initkit.core.clock import SystemClock
from initkit.core.errors import InitkitError, Stopped, TemporaryError
from initkit.core.outcome import Satisfied
from initkit.core.step import Context
from initkit.core.stop import Stop
from initkit.steps.migrate.step import STEP


class Voice:
    """Says nothing; fix_clock has one that remembers, but costs the import of pytest in each of many processes."""

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


def attempt(stop: Stop) -> int:
    step, clock = assemble(STEP, {"path": sys.argv[1]}), SystemClock(stop)
    context = Context(clock, stop, Voice(), dict(os.environ), deadline=clock.now() + 60.0)
    while True:
        try:
            finding = step.check(context)
            said = finding.detail if isinstance(finding, Satisfied) else step.apply(context).detail
            sys.stdout.write(said + "\n")
        except TemporaryError as error:
            sys.stderr.write(f"retry: {error}\n")
            clock.sleep(0.2)
        except Stopped as stopped:
            return stopped.exit_code
        except InitkitError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        else:
            return 0


def main() -> None:
    stop = Stop()
    codes: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _frame: stop.request(signum))
    worker = threading.Thread(target=lambda: codes.append(attempt(stop)), daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.1)
    sys.exit(codes[0] if codes else 70)


main()
