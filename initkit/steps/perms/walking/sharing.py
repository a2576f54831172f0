"""How one process shares a walk with others: what it gives and takes, and when it waits; the lines are `pool`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initkit.steps.perms.walking.folder import Folder
    from initkit.steps.perms.walking.pool import Part, Pool
    from initkit.steps.perms.walking.tally import Tally
    from initkit.steps.perms.walking.walk import Walk


class Sharing:
    """One process's side; without a pool it does everything by itself."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.pool: Pool | None = None
        self.walk: Walk | None = None

    def tick(self) -> None:
        """So much has been done: begin to share, tell how far it is; raises what is to end the walk."""
        raise NotImplementedError

    def is_wanted(self) -> bool:
        """Whether someone has nothing to do."""
        return self.pool is not None and self.pool.is_wanted()

    def has_failed(self) -> bool:
        """Whether something could not be done, by whoever."""
        return bool(self.tally.failures) or (self.pool is not None and self.pool.has_failed)

    def give(self, owner: Folder, names: list[str], *, folders: bool) -> bool:
        """Give some of what is in a folder away; whether it was taken. That folder waits until it is done."""
        return self.pool is not None and self.pool.give(owner, names, folders=folders)

    def done(self, token: bytes) -> None:
        """What was given to this walk is done."""
        if self.pool is not None:
            if self.tally.failures:
                self.pool.fail()
            self.pool.done(token)

    def collect(self) -> None:
        """Have folders go on whose parts others have done."""
        if self.pool is not None and self.walk is not None and self.pool.has_mail:
            for folder in self.pool.returned():
                self.walk.returned(folder)

    def next(self, *, until_whole: bool) -> Part | None:
        """Wait for a part that another gives away.

        Args:
            until_whole: whether to stop waiting, with None, once no folder of this walk waits for others.
        """
        pool, walk = self.pool, self.walk
        if pool is None or walk is None:
            return None
        try:
            while True:
                pool.set_idle(idle=True)
                self.tick()
                if until_whole and not walk.is_waiting:
                    return None
                part = pool.taken()
                if part is not None:
                    return part
                self.rest()
        finally:
            pool.set_idle(idle=False)

    def rest(self) -> None:
        """Wait until there may be something to do."""
        raise NotImplementedError
