"""The process that begins a walk: it does all of it, and has others help where that is worth it.

A second interpreter costs some 20 ms; a tree that is walked in that time is walked by one process alone.
"""

from __future__ import annotations

import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.errors import TemporaryError
from initkit.steps.perms.walking.acting import Enough
from initkit.steps.perms.walking.cores import cores
from initkit.steps.perms.walking.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.core.step import Context
    from initkit.steps.perms.walking.job import Job
    from initkit.steps.perms.walking.others import Other
    from initkit.steps.perms.walking.pool import Pool
    from initkit.steps.perms.walking.tally import Tally

_WORTH = 4096  # entries seen before others are called
_TOLD = 0.2  # seconds between two words on how far it is
_DESCRIPTORS = 256  # that a process may have at least: one that helps has none left to lose a part for want of them
_LOOK = 1.0  # seconds between two looks at whether the others are alive


class Crew(Sharing):
    """The side of the process that began."""

    def __init__(self, tally: Tally, context: Context, name: str, job: Callable[[Pool, int], Job]) -> None:
        """Begin alone.

        Args:
            tally: where this process counts.
            context: of the step.
            name: of what is walked over, for its progress.
            job: what a worker is to be told.
        """
        super().__init__(tally)
        self._context = context
        self._name = name
        self._job = job
        self._others: list[Other] = []
        self._poll: select.epoll | None = None
        self._worth = _WORTH
        self._told = context.clock.now()

    def run(self) -> None:
        """Walk until all is done.

        Raises:
            Enough: the walk need not go on.
            Stopped: the end was asked for.
            TemporaryError: another process has ended before its work was done.
        """
        walk = self.walk
        if walk is None:
            return
        with self._context.stop.in_flight():
            walk.run()
            while walk.is_waiting and (part := self.next(until_whole=True)):
                walk.take(part)
                walk.run()

    def tick(self) -> None:
        """See `Sharing`."""
        self._context.stop.check()
        if self.pool is None and self.tally.seen >= self._worth:
            self._call()
        if self.pool is not None:
            if self.pool.is_stopped:
                raise Enough
            self.pool.tell(self.tally.seen, self.tally.differing.count)
            self.collect()
        now = self._context.clock.now()
        if now - self._told >= _TOLD:
            self._told = now
            self._tell()

    def _tell(self) -> None:
        seen, changed = self.pool.told() if self.pool else (self.tally.seen, self.tally.differing.count)
        what = "differ" if self.tally.looking else "changed"
        self._context.voice.progress(self._name, f"{seen} entries seen, {changed} {what}")

    def rest(self) -> None:
        """See `Sharing`."""
        poll, pool = self._poll, self.pool
        if poll is None or pool is None:
            return
        with self._context.stop.calling(lambda: pool.wake(0)):
            events = self._context.clock.poll(poll, _LOOK)
        ended = {fd for fd, _ in events} - set(pool.readable)
        if ended and not pool.is_stopped:
            self._raise(ended)

    def _call(self) -> None:
        """Start the others; where that cannot be done, one does it all as well."""
        import resource  # noqa: PLC0415 - small trees never need it

        from initkit.steps.perms.walking.pool import MOST, Pool  # noqa: PLC0415 - as above

        self._worth = sys.maxsize
        count = 1 if self._context.voice.detailed else min(cores(), MOST)  # others only count what they do
        if count == 1 or not sys.executable or resource.getrlimit(resource.RLIMIT_NOFILE)[0] < _DESCRIPTORS:
            return
        try:
            poll = select.epoll()
            pool = Pool.opened(count)
        except OSError:
            return
        self._poll = poll
        self.pool = pool
        with suppress(OSError):
            self._start(pool, count)
        for fd in (*pool.readable, *(other.answer for other in self._others)):
            poll.register(fd, select.EPOLLIN)

    def _start(self, pool: Pool, count: int) -> None:
        from initkit.steps.perms.walking.others import start  # noqa: PLC0415 - small trees never need it

        for index in range(1, count):
            job = self._job(pool, index).packed()
            self._others.append(start(job, pool.lines.all, self._context.environ))

    def close(self, *, whole: bool) -> None:
        """End the others.

        Args:
            whole: whether what they counted is wanted.

        Raises:
            TemporaryError: one has ended before its work was done.
        """
        pool = self.pool
        if pool is None:
            return
        pool.stop()
        try:
            for index, other in enumerate(self._others, start=1):
                pool.wake(index)
                if not pool.has_begun(index):
                    other.kill()  # it is still starting, and was given nothing
                elif whole:
                    self._merge(other.told())
        finally:
            for other in self._others:
                other.end()
            if self._poll is not None:
                self._poll.close()
            pool.close()
            self.pool = None

    def _raise(self, ended: set[int]) -> None:
        for other in self._others:
            if other.answer in ended:
                self._merge(other.told())

    def _merge(self, answer: bytes) -> None:
        """Count what another has met.

        Raises:
            TemporaryError: it was killed.
            RuntimeError: it has met what was not foreseen.
        """
        from initkit.steps.perms.walking.job import unpacked  # noqa: PLC0415 - small trees never need it

        if not answer:
            advice = "look for a limit of memory that was reached; the next attempt goes on where this one was"
            raise TemporaryError("walk with several processes", "one of them was killed", advice)
        found = unpacked(answer)
        if isinstance(found, str):
            raise RuntimeError(found)  # noqa: TRY004 - a text tells of what was not foreseen
        self.tally.merge(found)
