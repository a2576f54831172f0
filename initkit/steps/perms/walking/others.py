"""Other processes of this interpreter, started and ended; what they are to do is known to `crew` and `worker`.

`subprocess` takes longer to load than a small tree takes to be walked, and a process is started by posix_spawn(3) here.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_START = "import sys; sys.path.append({!r}); from initkit.steps.perms.walking.worker import main; main()"


class Other(NamedTuple):
    """Another process.

    Attributes:
        pid: of it.
        line: to its standard input; its end tells that this process is gone.
        answer: from its standard output.
    """

    pid: int
    line: int
    answer: int

    def told(self) -> bytes:
        """All that it has to say; nothing where it was killed."""
        with open(self.answer, "rb", closefd=False) as answer:
            return answer.read()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Wait for its end; it has been asked for, and what is under way takes milliseconds."""
        os.close(self.line)
        os.close(self.answer)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def start(job: bytes, lines: Iterable[int], environ: Mapping[str, str]) -> Other:
    """Start a worker.

    Args:
        job: for its standard input.
        lines: descriptors that it is to have too, under the same numbers.
        environ: its environment.

    Raises:
        OSError: the system cannot have one more.
    """
    with ExitStack() as theirs, ExitStack() as ours:
        read_line, line = os.pipe()
        theirs.callback(os.close, read_line)
        ours.callback(os.close, line)
        answer, write_answer = os.pipe()
        theirs.callback(os.close, write_answer)
        ours.callback(os.close, answer)
        pid = _spawned(read_line, write_answer, lines, environ)
        ours.pop_all()
    other = Other(pid, line, answer)
    with suppress(BrokenPipeError):  # it has ended already, which its answer tells
        os.write(line, job)
    return other


def _spawned(reading: int, writing: int, lines: Iterable[int], environ: Mapping[str, str]) -> int:
    """A worker that reads from the one descriptor and writes to the other."""
    import initkit  # noqa: PLC0415 - for its place

    place = os.path.dirname(os.path.dirname(os.path.abspath(initkit.__file__)))
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-X", f"utf8={sys.flags.utf8_mode}", "-c", _START.format(place)],
        environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reading, 0),
            (os.POSIX_SPAWN_DUP2, writing, 1),
            *((os.POSIX_SPAWN_DUP2, fd, fd) for fd in lines),
        ],
        # a terminal's Ctrl-C is for all of its processes: it is this one that has the others end
        setsigmask=[signal.SIGINT, signal.SIGTERM],
    )
