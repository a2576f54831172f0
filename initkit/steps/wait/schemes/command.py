"""command: a program that ends as it should; how it is run and ended is the business of `child`."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import signal
from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.core.options import Arg, Declared, Opt, Parser, declared
from initkit.core.record import Record
from initkit.core.redact import redact
from initkit.core.secrets import learn_variable
from initkit.steps.wait import child
from initkit.steps.wait.patterns import Regex
from initkit.steps.wait.target import AbsentError, Pace, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.core.step import Context

_MOST = 1 << 20  # bytes of its output that --output-matches looks at
_LONGEST = 120  # characters of its last line that are shown
_CODES = r"\d{1,3}(-\d{1,3})?"
_SHELL = re.compile(r"\|\|?|&&?|;|<|\d?>.*|.*\$[\w({].*")
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # ECMA-48, section 5.4
# lines of logs begin with one, and would be other ones at every attempt
_MOMENT = re.compile(
    r"\[?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?(?<!\d)\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?\]?:?\s*"
)
_NOT_RUNNABLE = {
    errno.ENOENT: ("the interpreter in its first line is missing", "mend that line, or use an image that has it"),
    errno.EACCES: ("it may not be executed", "chmod +x it, and mind the folders above it and volumes mounted noexec"),
    errno.ENOEXEC: ("exec format error", "begin a script with #!/bin/sh; build a program for this architecture"),
}
_PASSING = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY, errno.EIO, errno.ESTALE}


class CommandLine(Record):
    """A program and its arguments; whose texts may be secret."""

    words: tuple[str, ...]

    @property
    def program(self) -> str:
        """The first word."""
        return self.words[0]

    @property
    def wants_shell(self) -> bool:
        """Whether there is something in it that only a shell would understand."""
        return any(_SHELL.fullmatch(word) for word in self.words)

    def __str__(self) -> str:
        """The program; that it has arguments, but not which."""
        return self.program + (" …" if len(self.words) > 1 else "")

    def __repr__(self) -> str:
        return f"CommandLine({self})"


def parse_line(text: str) -> CommandLine:
    """Words as a POSIX shell splits them, from ``command:LINE`` or ``LINE``; nothing in them is replaced.

    A value whose option or variable has a secret's name (``--password X``, ``TOKEN=X``) is masked from then on.

    Raises:
        ValueError: a quote is open, or there is no word.
    """
    line = text.removeprefix("command:")
    try:
        words = tuple(shlex.split(line))
    except ValueError as error:  # the line itself may hold a secret
        raise ValueError("expected a command line, got one whose last quote or backslash is open") from error
    if not words or not words[0] or "\0" in line:
        raise ValueError("expected a command line such as 'pg_isready -h db', got none")
    _learn(words)
    return CommandLine(words)


def _learn(words: Sequence[str]) -> None:
    for word, after in zip(words, (*words[1:], ""), strict=True):
        name, equals, value = word.partition("=")
        if not equals and word.startswith("--") and not after.startswith("-"):
            value = after
        learn_variable(name.lstrip("-").replace("-", "_"), value)
        learn_variable("", word)


class ExitCodes(Record):
    """Which exit codes are right: single ones and ranges."""

    text: str
    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, code: int) -> bool:
        return any(first <= code <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return self.text


def parse_codes(text: str) -> ExitCodes:
    """Exit codes from ``0,2-4``.

    Raises:
        ValueError: it is something else, or a code is above 255.
    """
    ranges = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not re.fullmatch(_CODES, part.strip()) or not int(first) <= int(last or first) <= 255:  # noqa: PLR2004 - wait(2)
            raise ValueError(f"expected exit codes from 0 to 255 such as 0 or 0,2-4, got {text!r}")
        ranges.append((int(first), int(last or first)))
    return ExitCodes(text.strip(), tuple(ranges))


Line = Annotated[CommandLine, Parser("LINE", parse_line, schema={"type": "string", "pattern": r"\S"})]
Codes = Annotated[
    ExitCodes,
    Parser(
        "CODES",
        parse_codes,
        schema={
            "type": ["string", "integer"],
            "pattern": rf"^\s*{_CODES}\s*(,\s*{_CODES}\s*)*$",
            "minimum": 0,
            "maximum": 255,
        },
    ),
]
_ZERO = parse_codes("0")


@declared
class Command(Declared):
    """A program that exits as it should; it is run again and again, without a shell, so let it only look."""

    schemes: ClassVar[tuple[str, ...]] = ("command",)
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    line: Annotated[Line, Arg("Program and arguments in one, quoted as for a shell.", "LINE")]
    exit_codes: Annotated[Codes, Opt("The right ones: 0,2-4.")] = _ZERO
    output_matches: Annotated[Regex | None, Opt("Wait until this is found in its standard output.")] = None
    label: Annotated[str | None, Opt("What messages call it; by default the program without its arguments.")] = None

    @property
    def name(self) -> str:
        """``command:LABEL``, or the program: its arguments may be secret."""
        return f"command:{self.label or self.line}"

    def probe(self, context: Context) -> str:
        """Run it to its end.

        Raises:
            AbsentError: it exits with another code, or says something else.
            TemporaryError: it does not end in time, is killed, or cannot be started just now.
            PermanentError: it cannot be run at all.
        """
        if isinstance(context, ProbeContext):
            context.reached()  # one at a time: it may be anything but cheap
        ends = context.clock.now() + context.attempt_timeout
        keep = _MOST if self.output_matches else 0
        try:
            ended = child.run(self.line.words, dict(context.environ), context, keep=keep)
        except ChildProcessError as error:
            advice = "start initkit with SIGCHLD at its default"
            raise PermanentError(self._task, "SIGCHLD is ignored, so its exit code is lost", advice) from error
        except OSError as error:
            raise self._not_started(error, context.environ) from error
        self._check_end(ended)
        self._check_output(ended, ends - context.clock.now())
        return f"exits {ended.code}"

    def _check_end(self, ended: child.Ended) -> None:
        code = ended.code
        if code is None:
            advice = "see why it hangs, or raise --attempt-timeout"
            raise TemporaryError(self._task, _with_last_line("it does not end in time", ended), advice)
        if code < 0:
            cause = _with_last_line(f"it is killed by {_signal_name(-code)}", ended)
            raise TemporaryError(self._task, cause, "see what kills it")
        if code not in self.exit_codes:
            raise AbsentError(self._task, _with_last_line(f"it exits {code}", ended), self._advice())

    def _check_output(self, ended: child.Ended, seconds: float) -> None:
        pattern, text = self.output_matches, ended.out.head.decode("utf-8", "replace")
        try:
            if pattern is None or pattern.is_in(text, seconds):
                return
        except TimeoutError as error:
            advice = "make the expression of --output-matches simpler"
            raise TemporaryError(self._task, "its output could not be searched in time", advice) from error
        cause = _with_last_line("its output does not match", ended)
        raise AbsentError(self._task, cause, "compare it with --output-matches")

    def _advice(self) -> str:
        if self.line.wants_shell:
            return "it is run without a shell: for pipes and variables write sh -c '…'"
        return "see what it waits for"

    @property
    def _task(self) -> str:
        return f"run {self.label or self.line.program}"

    def _not_started(self, error: OSError, environ: Mapping[str, str]) -> InitkitError:
        program = self.line.program
        found = shutil.which(program, os.F_OK, environ.get("PATH", os.defpath))
        # EACCES may also mean a folder of PATH that cannot be searched (execvp(3))
        is_file = found or ("/" in program and error.errno == errno.EACCES)
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EACCES} and not is_file:
            cause = "there is no such file" if "/" in program else "it is not found on PATH"
            return PermanentError(self._task, cause, "use an image that has it, or mend the line")
        if error.errno in _PASSING:
            return TemporaryError(self._task, _words(error), "check the limits of this container")
        cause, advice = _NOT_RUNNABLE.get(error.errno or 0, (_words(error), "mend the line"))
        return PermanentError(self._task, cause, advice)


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _with_last_line(cause: str, ended: child.Ended) -> str:
    line = ended.err.last_line() or ended.out.last_line()
    text = _MOMENT.sub("", redact(_ESCAPE.sub("", line.decode("utf-8", "replace"))))
    text = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"{cause}: {text}" if text else cause


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # of the real-time ones only two have names
        return f"signal {number}"


TARGET = Command
