"""Asks the `git` program for one thing at a time; what is asked, and why, is known to `refs` and `checkout`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.values import show_duration
from initkit.steps.git import child, hardening
from initkit.steps.git.failures import from_os, translate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.step import Context
    from initkit.steps.git.remote import Remote


@dataclass(frozen=True)
class Program:
    """The `git` program, hardened, for one remote.

    Attributes:
        remote: the only place that it may reach.
        context: PATH, and whether the end was asked for.
        keep_open: descriptors that every child inherits, a lock's above all: where this run is killed, the lock stays
            held until the last child of it is gone too.
    """

    remote: Remote
    context: Context
    keep_open: tuple[int, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def ask(self, task: str, *arguments: str, directory: str = "/", seconds: float | None = None) -> bytes:
        """What ``git ARGUMENTS`` prints.

        Args:
            task: what it is good for, for the message.
            arguments: a sub-command and its arguments.
            directory: where it runs.
            seconds: how long it may take; None for work that no timeout cuts off.

        Raises:
            InitkitError: it failed, by `failures.translate`.
        """
        try:
            finished = self._run(arguments, directory, seconds)
        except child.Overdue:
            after = show_duration(round(seconds or 0.0, 1))
            raise TemporaryError(
                task, f"no answer within {after}", "check the network, or allow more --attempt-timeout"
            ) from None
        except FileNotFoundError as error:
            if error.filename != "git":
                raise from_os(task, error) from error
            raise PermanentError(task, "there is no program git on PATH", "install git in the image") from error
        except OSError as error:
            raise from_os(task, error) from error
        if finished.code:
            said = finished.err or (f"git was ended by signal {-finished.code}" if finished.code < 0 else "")
            raise translate(task, said)
        return finished.out

    def _run(self, arguments: tuple[str, ...], directory: str, seconds: float | None) -> child.Finished:
        environment = hardening.environment(self.remote, self.context.environ) | dict(self.variables)
        with hardening.trusting(self.remote) as config:
            if config is not None:
                environment["GIT_CONFIG_GLOBAL"] = f"/proc/self/fd/{config}"
            return child.run(
                ["git", *hardening.settings(self.remote), *arguments],
                environment=environment,
                directory=directory,
                stop=self.context.stop,
                seconds=seconds,
                keep_open=(*self.keep_open, *([] if config is None else [config])),
            )
