"""Asks the `git` program for one thing at a time; what is asked, and why, is known to `refs` and `checkout`."""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.record import Record
from initkit.core.values import show_duration
from initkit.steps.git.calling import child, hardening
from initkit.steps.git.calling.failures import from_os, translate
from initkit.steps.git.calling.kept import TooMuch
from initkit.steps.git.calling.limits import for_objects
from initkit.steps.git.calling.stall import Stalled
from initkit.steps.git.calling.trace import Heard, hearing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from initkit.core.step import Context
    from initkit.steps.git.access.access import Access
    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.calling.limits import Limits


class Program(Record):
    """The `git` program, hardened, for one remote.

    Attributes:
        remote: the only place that it may reach.
        access: by what it is reached.
        context: PATH, and whether the end was asked for.
        keep_open: descriptors that every child inherits, a lock's above all: where this run is killed, the lock stays
            held until the last child of it is gone too.
        variables: for the environment, besides what reaches the remote.
        largest: bytes of the largest file that git may write; 0 for no limit.
        limits: all that git may take; None for what suits `largest`.
    """

    remote: Remote
    access: Access
    context: Context
    keep_open: tuple[int, ...] = ()
    variables: Mapping[str, str] = MappingProxyType({})
    largest: int = 0
    limits: Limits | None = None

    def ask(
        self,
        task: str,
        *arguments: str,
        directory: str = "/",
        seconds: float | None = None,
        heard: Heard | None = None,
        begun: Callable[[], object] | None = None,
    ) -> bytes:
        """What ``git ARGUMENTS`` prints.

        Args:
            task: what it is good for, for the message.
            arguments: a sub-command and its arguments.
            directory: where it runs.
            seconds: how long it may take; None for work that no timeout cuts off: only if nothing of it moves for a
                minute it is ended.
            heard: told what is answered over HTTP.
            begun: called once git runs.

        Raises:
            InitkitError: it failed, by `failures.translate`.
        """
        heard = heard or Heard()
        with self._translating(task):
            try:
                finished = self._run(arguments, directory, seconds, heard, begun)
                while finished.code and heard.location and self.access.follow(heard.location):
                    finished = self._run(arguments, directory, seconds, heard)
            except child.Overdue:
                after = show_duration(round(seconds or 0.0, 1))
                advice = "check the network, or allow more --attempt-timeout"
                raise TemporaryError(task, f"no answer within {after}", advice) from None
            except Stalled:
                after = show_duration(hardening.STALLED_AFTER)
                raise TemporaryError(task, f"it stalled: nothing came for {after}", "check the network") from None
            except TooMuch:
                cause = f"the answer is larger than {child.MOST >> 20} MiB"
                raise PermanentError(task, cause, "check the repository: nothing sound answers so much") from None
            self._refuse_failure(task, finished, heard)
            return finished.out

    def each(self, task: str, *arguments: str, directory: str = "/") -> Generator[bytes, None, None]:
        """The records, each ended by a NUL, that ``git ARGUMENTS`` prints, as they come.

        Closing the iterator ends git. Arguments and errors are those of `ask`; work that no timeout cuts off.
        """
        with self._translating(task), self._given() as given:
            environment, keep_open = given
            blocks = child.stream(
                self._argv(arguments),
                environment=environment,
                directory=directory,
                stop=self.context.stop,
                keep_open=keep_open,
                limits=self.limits or for_objects(self.largest),
                ended=lambda finished: self._refuse_failure(task, finished, None),
            )
            rest = b""
            with closing(blocks):
                for block in blocks:
                    *whole, rest = (rest + block).split(b"\0")
                    if len(rest) > child.MOST:
                        cause = f"a name in it is longer than {child.MOST >> 20} MiB"
                        raise PermanentError(task, cause, "have it taken out of the repository")
                    yield from whole

    def _run(
        self,
        arguments: tuple[str, ...],
        directory: str,
        seconds: float | None,
        heard: Heard,
        begun: Callable[[], object] | None = None,
    ) -> child.Finished:
        with self._given() as (environment, keep_open), self._hearing(heard) as (variables, pipe, ears):
            return child.run(
                self._argv(arguments),
                environment=environment | variables,
                directory=directory,
                stop=self.context.stop,
                seconds=seconds,
                stalled_after=math.inf if ears and not self._may_ask else hardening.STALLED_AFTER,
                keep_open=(*keep_open, *pipe),
                limits=self.limits or for_objects(self.largest),
                most=child.MOST,
                ears=ears,
                begun=begun,
            )

    @contextmanager
    def _hearing(self, heard: Heard) -> Iterator[tuple[dict[str, str], tuple[int, ...], dict[int, child.Hear]]]:
        """Variables, inherited descriptors and ears for what is answered over HTTP, where git watches for stalls."""
        if self.remote.scheme not in {"http", "https"}:
            yield {}, (), {}
            return
        with hearing() as (reading, variables, writing):
            yield variables, (writing,), {reading: heard.add}

    @property
    def _may_ask(self) -> bool:
        """Whether git may ask a program, on which it has no eye."""
        return "GIT_ASKPASS" in self.access.variables

    def _argv(self, arguments: tuple[str, ...]) -> list[str]:
        return ["git", *hardening.settings(self.remote, self.access.settings), *arguments]

    @contextmanager
    def _given(self) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
        """The environment and the descriptors of a child."""
        environment = hardening.environment(self.context.environ)
        environment |= dict(self.access.variables) | dict(self.variables)
        keep_open = (*self.keep_open, *self.access.descriptors)
        with hardening.trusting(self.remote) as config:
            if config is None:
                yield environment, keep_open
            else:
                yield environment | {"GIT_CONFIG_GLOBAL": f"/proc/self/fd/{config}"}, (*keep_open, config)

    @contextmanager
    def _translating(self, task: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if error.filename != "git":
                raise from_os(task, error) from error
            raise PermanentError(task, "there is no program git on PATH", "install git in the image") from error
        except OSError as error:
            raise from_os(task, error) from error

    def _refuse_failure(self, task: str, finished: child.Finished, heard: Heard | None) -> None:
        if finished.code:
            said = finished.err
            if finished.code < 0:
                said += f"\nfatal: git died of signal {-finished.code}"
            raise translate(task, said, heard, self.context.clock.wall())
