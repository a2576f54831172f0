"""A walk over one root, with all that belongs to it; which roots are walked is known to `run`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from initkit.steps.perms import kernel, mounts
from initkit.steps.perms.asked.wanted import Terms
from initkit.steps.perms.denied.causes import shown
from initkit.steps.perms.walking.acting import Enough
from initkit.steps.perms.walking.changing import Changing
from initkit.steps.perms.walking.crew import Crew
from initkit.steps.perms.walking.looking import Looking
from initkit.steps.perms.walking.walk import Walk

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.perms.asked.task import Task
    from initkit.steps.perms.roots import Root
    from initkit.steps.perms.walking.acting import Acting
    from initkit.steps.perms.walking.job import Job
    from initkit.steps.perms.walking.pool import Pool
    from initkit.steps.perms.walking.tally import Tally


class Walking:
    """A walk over one root."""

    def __init__(self, root: Root, task: Task, tally: Tally, context: Context, *, changing: bool) -> None:
        """Nothing is done yet; `tally` is where it will be counted."""
        self._root = root
        self._task = task
        self._tally = tally
        self._context = context
        self._changing = changing
        self._enough = not changing and not context.looking
        self._terms = _terms(root, task)

    def run(self) -> bool:
        """Walk; whether all of it was.

        Raises:
            Stopped: the end was asked for.
            TemporaryError: another process has ended before its work was done.
        """
        voice = self._context.voice
        each = voice.detail if voice.detailed else None
        act = Changing if self._changing else Looking
        acting = act(self._terms, self._tally, enough=self._enough, each=each)
        try:
            if stat.S_ISDIR(self._root.found.st_mode):
                self._walk(acting)
            else:
                self._alone(acting)
        except Enough:
            return False
        return True

    def _alone(self, acting: Acting) -> None:
        wanted = self._task.places.root().wanted
        if wanted is None:
            acting.tally.excluded += 1
        else:
            acting.single(self._root.parent, self._root.name, wanted, lambda: "")

    def _walk(self, acting: Acting) -> None:
        path = shown(self._terms.path)
        crew = Crew(acting.tally, self._context, path, self._job)
        walk = crew.walk = Walk(acting, self._task.places, crew)
        whole = False
        try:
            walk.begin(self._root.parent, self._root.name)
            crew.run()
            whole = True
        except Enough:
            whole = True
            raise
        finally:
            walk.close()
            crew.close(whole=whole)
            self._context.voice.done(path)

    def _job(self, pool: Pool, index: int) -> Job:
        from initkit.steps.perms.walking.job import Job  # noqa: PLC0415 - only large trees have workers

        return Job(self._terms, self._task.places, self._changing, self._enough, pool.lines, index)


def _terms(root: Root, task: Task) -> Terms:
    return Terms(
        path=root.path,
        device=root.found.st_dev,
        mount=_mount(root) if task.one_file_system else None,
        owner=root.found.st_uid,
        one_file_system=task.one_file_system,
        hard_links=task.hard_links,
        mounted=task.one_file_system and mounts.is_anything_below(root.path),
        keep_going=task.keep_going,
    )


def _mount(root: Root) -> int | None:
    try:
        fd = os.open(root.name, os.O_PATH | os.O_NOFOLLOW, dir_fd=root.parent)
    except OSError:
        return None  # it is gone again, which the walk will meet
    try:
        return kernel.mount_id(fd)
    finally:
        os.close(fd)
