"""Walks over all roots: to look, or to change what differs; how one root is walked is known to `walking`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from initkit.steps.perms import kernel, mounts, policy, stamp
from initkit.steps.perms.asked.wanted import Terms, Wanted
from initkit.steps.perms.denied.causes import shown
from initkit.steps.perms.policy import ALWAYS, STAMP
from initkit.steps.perms.roots import objection_to, opened
from initkit.steps.perms.system import belongs_to_system
from initkit.steps.perms.walking.acting import Enough
from initkit.steps.perms.walking.changing import Changing
from initkit.steps.perms.walking.crew import Crew
from initkit.steps.perms.walking.looking import Looking
from initkit.steps.perms.walking.tally import Tally
from initkit.steps.perms.walking.walk import Walk

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.perms.asked.task import Task
    from initkit.steps.perms.roots import Root
    from initkit.steps.perms.walking.job import Job
    from initkit.steps.perms.walking.pool import Pool


def look(task: Task, context: Context) -> Tally:
    """Count what differs; nothing is written.

    What is found is whole where it is for a person (`Context.looking`); otherwise the first difference is enough.
    """
    tally = Tally(looking=True)
    paths = [path for path in task.paths if not _is_missing(path, task, tally, context)]
    if tally.besides.count and not context.looking:
        return tally
    with opened(paths, really=task.really) as roots:
        for root in roots:
            _warn(root, task, context)
        for root in roots:
            if not _looked(root, task, tally, context):
                break
    return tally


def change(task: Task, context: Context) -> Tally:
    """Change what differs, and count it; what is refused is counted, and does not end the walk."""
    tally = Tally()
    if task.create:
        from initkit.steps.perms.making.create import create  # noqa: PLC0415 - seldom asked for

        wanted = task.places.root().wanted or Wanted()
        for path in task.paths:
            if create(path, wanted, context, really=task.really):
                tally.besides.add(f"made {shown(path)}")
    with opened(task.paths, really=task.really) as roots:
        for root in roots:
            if not _changed(root, task, tally, context):
                break
    return tally


def _is_missing(path: str, task: Task, tally: Tally, context: Context) -> bool:
    """Whether a root has yet to be made."""
    if not task.create:
        return False
    from initkit.steps.perms.making.create import missing  # noqa: PLC0415 - seldom asked for

    new = missing(path, really=task.really)
    for folder in new:
        tally.besides.add(f"make {shown(folder)}")
    if new and belongs_to_system(new[-1]):
        path = shown(new[-1])
        context.voice.warn(f"{path} is made because of --really: it belongs to the system", path=path)
    return bool(new)


def _warn(root: Root, task: Task, context: Context) -> None:
    """Say what `really` allows, and where a policy can never find that there is nothing to do."""
    path = shown(root.path)
    if task.really and (objection := objection_to(root)):
        context.voice.warn(f"{path} is set because of --really: {objection}", path=path)
    if task.policy != ALWAYS and (blind := policy.blind(root, task.places.root().wanted, task.policy)):
        context.voice.warn(blind, path=path)


def _looked(root: Root, task: Task, tally: Tally, context: Context) -> bool:
    """Look at one root; whether to go on."""
    if _stands(root, task, tally):
        return True
    found = Tally(looking=True)
    whole = Walking(root, task, found, context, changing=False).run()
    if whole and found.is_clean and (due := policy.stamp_due(root, _digest(task), task.policy)):
        found.besides.add(f"write {due}")
    tally.merge(found)
    return whole


def _changed(root: Root, task: Task, tally: Tally, context: Context) -> bool:
    """Change what differs in one root; whether to go on."""
    if _stands(root, task, tally):
        return True
    _note(stamp.begin(root, task.digest), context)
    done = Tally()
    whole = Walking(root, task, done, context, changing=True).run()
    if task.policy == STAMP and whole and not done.failures:
        _stamp(root, task, done, context)
    tally.merge(done)
    return whole


def _stamp(root: Root, task: Task, done: Tally, context: Context) -> None:
    """Write the stamp, and count it where that is all that was to be done."""
    due = policy.stamp_due(root, task.digest, task.policy) if done.is_clean else None
    note = stamp.finish(root, task.digest)
    _note(note, context)
    if due and note is None:
        done.besides.add(f"wrote {due}")


def _stands(root: Root, task: Task, tally: Tally) -> bool:
    """Whether the policy says that there is nothing to do."""
    if task.policy == ALWAYS:
        return False
    found = policy.stands(root, task.places.root().wanted, _digest(task), task.policy)
    if found is None:
        return False
    tally.notes.append(found)
    return True


def _digest(task: Task) -> str:
    return task.digest if task.policy == STAMP else ""


def _note(text: str | None, context: Context) -> None:
    if text is not None:
        context.voice.note(text)


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
        acting = (Changing if self._changing else Looking)(self._terms, self._tally, enough=self._enough)
        try:
            if stat.S_ISDIR(self._root.found.st_mode):
                self._walk(acting)
            else:
                self._alone(acting)
        except Enough:
            return False
        return True

    def _alone(self, acting: Changing | Looking) -> None:
        wanted = self._task.places.root().wanted
        if wanted is None:
            acting.tally.excluded += 1
        else:
            acting.single(self._root.parent, self._root.name, wanted, lambda: "")

    def _walk(self, acting: Changing | Looking) -> None:
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
