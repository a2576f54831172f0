"""What a container's first process owes the others: signals passed on, orphans reaped.

The work is done by a child, so that reaping whoever died cannot take an exit status from somebody who waits for
a child of its own (git, a migration).
"""

from __future__ import annotations

import os
import signal
import sys

_PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_SI_KERNEL = 0x80  # sigaction(2): sent by the kernel, as a terminal's Ctrl-C is, to the whole foreground group


def supervise() -> int | None:
    """Fork: None in the child, which goes on with the work; in the parent the child's exit code, once it has ended.

    A child killed by a signal counts as 128 plus its number.
    """
    awaited = {*_PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    # who died before SIGCHLD was waited for left no signal behind
    while (code := _reap(child)) is None:
        info = signal.sigwaitinfo(awaited)
        if info.si_signo != signal.SIGCHLD and info.si_code != _SI_KERNEL:
            os.kill(child, info.si_signo)
    late = signal.sigpending() & {signal.SIGTERM, signal.SIGINT}
    if late and code == 0:  # it came when the child had just ended; the kernel would drop it, and a COMMAND would start
        code = 128 + min(late)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return code


def _reap(child: int) -> int | None:
    """Reap everyone who died; the child's exit code if it was among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            exit_code = os.waitstatus_to_exitcode(status)
            code = exit_code if exit_code >= 0 else 128 - exit_code
