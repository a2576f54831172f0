"""Has `--exec` told of each change, at least once, also where a run was killed before it could be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.core.record import Record as Fields
from initkit.core.redact import redact
from initkit.core.values import show_duration

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.git.asked.values import Words
    from initkit.steps.git.publish.layout import Layout
    from initkit.steps.git.publish.record import Record

_LONGEST_WORD = 200  # characters of the last line that go into a message
_LONGEST_MARK = 300  # bytes


class UntoldError(TemporaryError):
    """The content is published, and the command failed."""

    sha = ""


class NotStartedError(PermanentError):
    """The content is published, and the command cannot be started."""

    sha = ""


def published_by(error: InitkitError) -> str:
    """The commit that was published although the round failed; empty where none was."""
    return error.sha if isinstance(error, UntoldError | NotStartedError) else ""


class Teller(Fields):
    """A command, and the memory of what it was told of last, in the house.

    Attributes:
        command: what to run.
        seconds: how long it may take; 0 for no limit.
        path: where readers find what is published.
        memory: the file with what it was told of: a mark of what was published, and when. It is written after success.
    """

    command: Words
    seconds: float
    path: str
    memory: str

    @classmethod
    def of(cls, command: Words, seconds: float, layout: Layout) -> Teller:
        """The one for a way to publish; others that publish in the same folder have memories of their own."""
        import hashlib  # noqa: PLC0415 - only where there is a command

        # DEST may be mounted elsewhere in the next container
        where = os.path.relpath(layout.path, layout.house)
        words = "\0".join((where, *command.words)).encode("utf-8", "surrogateescape")
        name = f"told-{hashlib.sha256(words).hexdigest()[:12]}"
        return cls(command, seconds, layout.path, os.path.join(layout.house, name))

    @property
    def name(self) -> str:
        """The program's name; its arguments may hold a secret."""
        return os.path.basename(self.command.words[0])

    def owes(self, record: Record) -> bool:
        """Whether it was not told of what is published."""
        return self._told() != _mark(record)

    def tell(self, record: Record, context: Context, *, before: str = "") -> None:
        """Run the command.

        Args:
            record: what is published.
            context: its environment, and whether the end was asked for.
            before: the commit that was published before, where the memory knows of no other: a replica may have told.

        Raises:
            UntoldError: it failed, or its time was over.
            NotStartedError: it cannot be started.
            OSError: that it was told cannot be remembered.
            Stopped: the end was asked for.
        """
        told = self._told().partition("-")[0]
        variables = {
            "INITKIT_SHA": record.sha,
            "INITKIT_PREVIOUS_SHA": told if told not in {"", record.sha} else before,
            "INITKIT_PATH": self.path,
            "INITKIT_REF": record.ref,
        }
        done = f"{record.sha[:7]} is published"
        try:
            self._run(dict(context.environ) | variables, context, done)
        except (UntoldError, NotStartedError) as error:
            error.sha = record.sha
            raise
        self._remember(_mark(record))

    def _run(self, environment: dict[str, str], context: Context, done: str) -> None:
        from initkit.steps.git.staying.running import run  # noqa: PLC0415 - only once something has changed

        task = f"run {self.name}"
        try:
            ended = run(self.command.words, environment, context, self.seconds)
        except OSError as error:
            raise self._not_started(task, error, done) from error
        if ended.code == 0:
            return
        if ended.code is None:
            cause, advice = f"it was not done after {show_duration(self.seconds)}", "allow it more by --exec-timeout"
        else:
            cause = f"exit code {ended.code}" if ended.code > 0 else f"ended by signal {-ended.code}"
            advice = "its output is shown by --log-level debug"
        said = redact(ended.last_line)[:_LONGEST_WORD]
        raise UntoldError(task, f"{cause}: {said}" if said else cause, advice, done=done)

    def _not_started(self, task: str, error: OSError, done: str) -> InitkitError:
        if isinstance(error, FileNotFoundError):
            advice = "give its path in --exec, or install it in the image: there is no shell in it"
            return NotStartedError(task, "there is no such program", advice, done=done)
        if isinstance(error, PermissionError):
            return NotStartedError(task, error.strerror or str(error), "make it executable", done=done)
        if error.errno == errno.ENOEXEC:
            advice = "let it begin with #! and an interpreter, or give a program for this machine"
            return NotStartedError(task, error.strerror or str(error), advice, done=done)
        return UntoldError(task, error.strerror or str(error), done=done)

    def _told(self) -> str:
        try:
            with open(self.memory, "rb") as file:
                return file.read(_LONGEST_MARK).partition(b"\n")[0].decode("ascii", "replace")
        except FileNotFoundError:
            return ""

    def _remember(self, mark: str) -> None:
        # in its place: what is beside it under a temporary name is cleared by whoever publishes meanwhile, and a
        # mark that is not whole only has the command told once more
        descriptor = os.open(self.memory, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            os.ftruncate(descriptor, os.pwrite(descriptor, f"{mark}\n".encode(), 0))
        finally:
            os.close(descriptor)


def _mark(record: Record) -> str:
    """What tells one publication from the next, also one of the same commit; it begins with the commit."""
    return f"{record.key} {record.time}"
