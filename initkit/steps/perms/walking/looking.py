"""Looks at entries, and writes nothing; what looking and changing have in common is `acting`."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from initkit.steps.perms.differing import difference
from initkit.steps.perms.walking.acting import Acting, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.steps.perms.asked.wanted import Wanted
    from initkit.steps.perms.walking.acting import Batch


class Looking(Acting):
    """Nothing is written."""

    def plain(self, batch: Batch) -> list[str]:
        """See `Acting`."""
        folder, _, names, wanted = batch
        fine = self._fine.setdefault(wanted, set())
        self.tally.seen += len(names)
        folders = []
        for name in names:
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                if self.once_more(batch, name, error):
                    folders.append(name)
                continue
            if key_of(found) in fine or self.learnt(fine, found, wanted):
                continue
            if not stat.S_ISDIR(found.st_mode) and not self.is_odd(found):
                self.held(-1, found, wanted, partial(self.path_of, batch, name))
            elif self.odd(batch, name, found):
                folders.append(name)
        return folders

    def differing(self, fd: int, found: os.stat_result, wanted: Wanted, path: Callable[[], str]) -> None:  # noqa: ARG002 - see `Changing`
        """See `Acting`."""
        self.differs(difference(found, wanted), path)
