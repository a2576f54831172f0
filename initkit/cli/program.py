"""One run of the program: a clock, a reporter, a host for the work, and what is left behind at the end."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from initkit.cli.streams import raw
from initkit.core.clock import SystemClock
from initkit.core.errors import InitkitError, Stopped
from initkit.core.outcome import Status
from initkit.core.stop import Stop
from initkit.engine import results, termination
from initkit.engine.entries import goes_on
from initkit.engine.host import Host
from initkit.engine.report import JsonSink, Reporter, Sink, TextSink
from initkit.engine.results import EXIT_WOULD_CHANGE
from initkit.engine.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from initkit.cli.debug import Hold
    from initkit.cli.settings import Settings
    from initkit.engine.entries import Entry
    from initkit.engine.results import Result


class Program:
    """Runs a plan or a hold under the global options."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._stop = Stop()
        self._clock = SystemClock(self._stop)
        self._reporter = Reporter(
            self._sink(),
            self._clock,
            level="error" if settings.quiet else settings.log_level,
            # what --check finds is what was asked for, and so a result
            results=self._plain_sink(sys.stdout) if settings.check else None,
        )

    def _sink(self) -> Sink:
        if self._settings.log_format == "auto" and sys.stderr.isatty() and not self._settings.quiet:
            from initkit.engine.live import LiveSink  # noqa: PLC0415 - only on a terminal

            return LiveSink(sys.stderr, self._clock)
        return self._plain_sink(sys.stderr)

    def _plain_sink(self, stream: TextIO) -> Sink:
        return JsonSink(raw(stream)) if self._settings.log_format == "json" else TextSink(stream)

    @property
    def checking(self) -> bool:
        """Whether it is only to look."""
        return self._settings.check

    def run(self, entries: Sequence[Entry]) -> int:
        """Run the steps, report on them, and return the exit code."""
        runner = Runner(self._reporter, self._clock, self._stop, self._environ, checking=self._settings.check)
        nudged = not self.checking and any(map(goes_on, entries))
        host = Host[list[results.Result]](self._stop, self._clock, self._reporter.tick, nudged=nudged)
        try:
            host.run(lambda: runner.run(entries))
        except Stopped as stopped:
            runner.abandon(stopped.signum)
            self._reporter.mute()
        except InitkitError:
            self._reporter.close()
            raise
        self._reporter.close()
        ended = self._with_rest(runner.results, entries)
        self._reporter.summary(ended)
        self._leave(ended)
        code = results.exit_code(ended)
        if self._settings.hold_on_failure and code not in {0, EXIT_WOULD_CHANGE} and self._stop.signum is None:
            return self._held(code)
        return code

    def _with_rest(self, ended: Sequence[Result], entries: Sequence[Entry]) -> list[Result]:
        """All results, with those of steps that a signal kept from running."""
        names = {result.name for result in ended}
        code = Stopped(self._stop.signum).exit_code if self._stop.signum else 0
        rest = [
            results.Result(entry.name, entry.step.kind, Status.SKIPPED, "because the run was stopped", exit_code=code)
            for entry in entries
            if entry.name not in names
        ]
        everything = [*ended, *rest]
        if code and not results.exit_code(everything) and everything:
            # all was done when the signal was acted on; it is still the reason why nothing follows
            last = everything.pop()
            everything.append(last.but(exit_code=code, detail=f"{last.detail}; stopped by signal {self._stop.signum}"))
        return everything

    def _leave(self, ended: Sequence[Result]) -> None:
        """Leave the termination message and the report behind."""
        if termination.is_wanted(self._settings.termination_log):
            termination.write(self._settings.termination_log, termination.message(ended))
        if self._settings.report:
            self._write_report(self._settings.report, ended)

    def _write_report(self, path: str, ended: Sequence[Result]) -> None:
        import json  # noqa: PLC0415 - only where a report is asked for

        whole = {
            "exit_code": results.exit_code(ended),
            "status": results.word(ended),
            "steps": [result.as_json() for result in ended],
        }
        temporary = f"{path}.{os.getpid()}.tmp"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(json.dumps(whole, ensure_ascii=False, indent=2) + "\n")
            os.replace(temporary, path)
        except OSError as error:
            self._reporter.emit("warning", "warning", f"cannot write the report {path}: {error.strerror}")

    def _held(self, code: int) -> int:
        """Keep the container alive after a failure; then end with the failure's own code, or 143 when it is stopped."""
        from initkit.engine import hold  # noqa: PLC0415 - only after a failure

        path = hold.release_file(self._environ)
        voice = self._reporter.voice("")
        pod = self._environ.get("HOSTNAME", "POD")
        voice.note(
            f"to look inside: kubectl exec -it {pod} -c CONTAINER -- sh; without a shell: -- initkit ... --check"
        )
        try:
            self._hosted(lambda: hold.hold(self._settings.hold_on_failure or 0, path, self._clock, voice))
        except Stopped as stopped:
            return stopped.exit_code
        return code

    def hold(self, asked: Hold) -> int:
        """``initkit hold``; the exit code."""
        voice = self._reporter.voice("")
        try:
            self._hosted(lambda: asked.run(self._clock, voice, self._environ))
        except Stopped as stopped:
            return stopped.exit_code
        return 0

    def _hosted(self, work: Callable[[], object]) -> None:
        Host[object](self._stop, self._clock, self._reporter.tick).run(work)
