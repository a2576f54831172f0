"""The entry: from argv to steps, from their results to an exit code, and on to the COMMAND behind ``--``."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn, cast

import click

from initkit.cli import argv, commands, streams
from initkit.cli.program import Program
from initkit.cli.settings import Settings
from initkit.core.clock import SystemClock
from initkit.core.errors import InitkitError, UsageError
from initkit.core.options import Declared, Scope
from initkit.core.redact import redact
from initkit.core.secrets import learn_environment
from initkit.core.stop import Stop
from initkit.engine import entries, kinds, termination
from initkit.engine.report import Event, JsonSink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.cli.debug import Hold
    from initkit.cli.run import Run, Schema
    from initkit.core.step import Step

_RUN, _HOLD, _SCHEMA = "run", "hold", "schema"
_FOLLOWS = b"1"  # from the child of process 1: all succeeded, and COMMAND is to follow
_NOT_FOUND, _NOT_RUNNABLE = 127, 126  # POSIX, Shell Command Language, 2.8.2


def main() -> NoReturn:
    """Run what `sys.argv` asks for and end with its exit code, or become the COMMAND behind ``--``."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the work begins, Ctrl-C simply ends it
    streams.redact_all()
    code, command = _run(sys.argv[1:], os.environ)
    _flush()
    if command and code == 0:
        code = _become(command)
    _flush()
    # Nothing is left to be cleaned up: what cannot be interrupted must not be waited for, and taking the interpreter
    # apart takes as long as reading the command line.
    os._exit(code)


def _run(words: Sequence[str], environ: Mapping[str, str]) -> tuple[int, list[str]]:
    """The exit code, and the COMMAND that is to follow if it is 0."""
    if os.getpid() == 1:
        from initkit.engine import pid1  # noqa: PLC0415 - only in a container

        heard, told = os.pipe()
        code = pid1.supervise()
        if code is not None:
            os.set_blocking(heard, False)
            follows = code == 0 and _read(heard) == _FOLLOWS
            return code, argv.split(words)[1] if follows else []
        code, command = _invoke(words, environ)
        if command:
            os.write(told, _FOLLOWS)
        return code, []
    return _invoke(words, environ)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1)
    except BlockingIOError:
        return b""


def _invoke(words: Sequence[str], environ: Mapping[str, str]) -> tuple[int, list[str]]:
    settings: commands.Given = {}
    learn_environment(environ)
    try:
        parts, command = argv.split(words)
        asked = [_parsed(part, environ, settings) for part in parts]
        chosen = commands.read(Settings, settings, Scope("", environ), "initkit")
        if chosen.check and command:
            raise UsageError(f"run {command[0]}", "--check looks only", "leave out one of the two")
        program = Program(chosen, environ)
        gc.enable()  # see __main__
        code = _done(program, asked, command, environ)
        if code == 0 and command:
            termination.write(chosen.termination_log, "")
    except click.exceptions.Exit as ended:
        return ended.exit_code, []
    except click.ClickException as error:
        return _refused(UsageError("read the command line", _one_line(error), "see --help"), words, environ), []
    except InitkitError as error:
        return _refused(error, words, environ), []
    return code, command


def _one_line(error: click.ClickException) -> str:
    return error.format_message().strip().rstrip(".").replace("\n", " ")


def _refused(error: InitkitError, words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Say why nothing was attempted: as far as can be told, where and how that was asked for."""
    if _asked(words, environ, "log-format") == "json":
        clock = SystemClock(Stop())
        facts: dict[str, object] = {"exit_code": error.exit_code}
        event = Event("error", "refused", "", redact(str(error)), facts, clock.wall())
        JsonSink(streams.raw(sys.stderr)).write(event)
    else:
        sys.stderr.write(f"initkit: {error}\n")
    termination.write(_asked(words, environ, "termination-log") or None, termination.refusal(error))
    return error.exit_code


def _asked(words: Sequence[str], environ: Mapping[str, str], key: str) -> str:
    """A global option of a command line that could not be read as a whole."""
    own = list(words[: words.index(argv.END)] if argv.END in words else words)
    for i, word in enumerate(own):
        if word == f"--{key}":
            return next(iter(own[i + 1 : i + 2]), "")
        if word.startswith(f"--{key}="):
            return word.partition("=")[2]
    return environ.get(Scope().variable(key), "")


def _parsed(words: Sequence[str], environ: Mapping[str, str], settings: commands.Given) -> tuple[str, Declared]:
    """The command that one part of the command line names, and the dataclass that it stands for."""
    asked: list[str] = []

    def load(name: str) -> click.Command:
        asked.append(name)
        return commands.command_of(name, _declaration(name), environ, settings)

    group = commands.CommandGroup([*kinds.names(), _RUN, _HOLD, _SCHEMA], load, settings)
    with group.make_context("initkit", list(words)) as ctx:
        made: Declared = group.invoke(ctx)
    return asked[-1], made


def _declaration(name: str) -> type[Declared]:
    """The dataclass behind a command; only the one that was asked for is imported."""
    if name == _HOLD:
        from initkit.cli.debug import Hold  # noqa: PLC0415

        return Hold
    if name in {_RUN, _SCHEMA}:
        from initkit.cli.run import Run, Schema  # noqa: PLC0415

        return Run if name == _RUN else Schema
    return kinds.load(name)


def _done(
    program: Program, asked: Sequence[tuple[str, Declared]], command: Sequence[str], environ: Mapping[str, str]
) -> int:
    """The exit code of what was asked for, done."""
    alone = {name for name, _ in asked} & {_HOLD, _SCHEMA}
    if len(asked) > 1 and alone:
        raise UsageError("read the command line", f"{' and '.join(alone)} stands alone", f"leave out {argv.THEN}")
    name, one = asked[0]
    if name == _SCHEMA:
        cast("Schema", one).print()
        return 0
    if name == _HOLD:
        if program.checking:
            raise UsageError("hold", "there is nothing to look at first", "leave out --check")
        return program.hold(cast("Hold", one))
    plan = entries.chain([_entries(name, part, environ) for name, part in asked])
    entries.refuse_what_never_comes(plan, command)
    return program.run(plan)


def _entries(name: str, part: Declared, environ: Mapping[str, str]) -> list[entries.Entry]:
    if name == _RUN:
        return cast("Run", part).entries(environ)
    return entries.single(cast("Step", part))  # every other command is a kind of step


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _become(command: list[str]) -> int:
    """Replace this program by `command`; the exit code where that cannot be done, as a shell has it."""
    # Python ignores these two from the start, and what is ignored stays so in what follows
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - it is what was asked for
    except (FileNotFoundError, ValueError):  # the second: an empty name
        sys.stderr.write(f"initkit: cannot run {command[0]}: there is no such program; install it, or mend PATH\n")
        return _NOT_FOUND
    except OSError as error:
        sys.stderr.write(
            f"initkit: cannot run {command[0]}: {error.strerror}; check that it is a program for this machine\n"
        )
        return _NOT_RUNNABLE
