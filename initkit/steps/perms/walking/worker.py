"""Another process over the same tree: it takes parts that are given away until all is done; it is started by `crew`."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.steps.perms.walking.acting import Enough
from initkit.steps.perms.walking.changing import Changing
from initkit.steps.perms.walking.job import packed, read_job
from initkit.steps.perms.walking.looking import Looking
from initkit.steps.perms.walking.pool import Pool
from initkit.steps.perms.walking.sharing import Sharing
from initkit.steps.perms.walking.tally import Tally
from initkit.steps.perms.walking.walk import Walk

if TYPE_CHECKING:
    from initkit.steps.perms.walking.job import Job


class _Over(Exception):  # noqa: N818 - no error
    """All is done, or all are to end."""


class Working(Sharing):
    """A worker's side."""

    def __init__(self, tally: Tally, pool: Pool) -> None:
        super().__init__(tally)
        self.pool: Pool = pool
        self._parent = os.getppid()
        self._poll = select.poll()
        for line in (*pool.readable, sys.stdin.fileno()):
            self._poll.register(line, select.POLLIN)

    def tick(self) -> None:
        """See `Sharing`: it ends with whoever began."""
        if self.pool.is_stopped or os.getppid() != self._parent:
            raise _Over
        self.pool.tell(self.tally.seen, self.tally.differing.count)
        self.collect()

    def rest(self) -> None:
        """See `Sharing`; the end of standard input is the end of whoever began."""
        if any(fd == sys.stdin.fileno() for fd, _ in self._poll.poll()):
            raise _Over


def work(job: Job) -> Tally:
    """Take parts until the end; what was met."""
    tally = Tally(looking=not job.changing)
    acting = (Changing if job.changing else Looking)(job.terms, tally, enough=job.enough)
    pool = Pool(job.lines, job.number)
    sharing = Working(tally, pool)
    walk = sharing.walk = Walk(acting, job.places, sharing)
    try:
        while part := sharing.next(until_whole=False):
            walk.take(part)
            walk.run()
    except _Over:
        pass
    except Enough:
        pool.stop()
        pool.wake(0)
    return tally


def main() -> None:
    """A worker's whole life: a job from standard input, what was met to standard output."""
    found: Tally | str
    try:
        found = work(read_job(sys.stdin.buffer))
    except Exception:  # noqa: BLE001 - whatever it is, it is for the parent to tell
        import traceback  # noqa: PLC0415 - hardly ever needed

        found = traceback.format_exc()
    with suppress(OSError):  # nobody may want to know any more
        os.write(sys.stdout.fileno(), packed(found))
    os._exit(0)
