"""Walks over all roots: to look, or to change what differs; how one root is walked is known to `walking`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.perms import policy, stamp
from initkit.steps.perms.asked.wanted import Wanted
from initkit.steps.perms.denied.causes import shown
from initkit.steps.perms.policy import STAMP
from initkit.steps.perms.roots import objection_to, opened
from initkit.steps.perms.system import belongs_to_system
from initkit.steps.perms.walking.tally import Tally

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.perms.asked.task import Task
    from initkit.steps.perms.roots import Root


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
    if blind := policy.blind(root, task.places.root().wanted, task.policy):
        context.voice.warn(blind, path=path)


def _looked(root: Root, task: Task, tally: Tally, context: Context) -> bool:
    """Look at one root; whether to go on."""
    if _stands(root, task, tally):
        return True
    found = Tally(looking=True)
    whole = _walked(root, task, found, context, changing=False)
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
    whole = _walked(root, task, done, context, changing=True)
    if task.policy == STAMP and whole and not done.failures:
        _stamp(root, task, done, context)
    tally.merge(done)
    return whole


def _walked(root: Root, task: Task, tally: Tally, context: Context, *, changing: bool) -> bool:
    from initkit.steps.perms.walking.rooted import Walking  # noqa: PLC0415 - a policy may spare it

    return Walking(root, task, tally, context, changing=changing).run()


def _stamp(root: Root, task: Task, done: Tally, context: Context) -> None:
    """Write the stamp, and count it where that is all that was to be done."""
    due = policy.stamp_due(root, task.digest, task.policy) if done.is_clean else None
    note = stamp.finish(root, task.digest)
    _note(note, context)
    if due and note is None:
        done.besides.add(f"wrote {due}")


def _stands(root: Root, task: Task, tally: Tally) -> bool:
    """Whether the policy says that there is nothing to do."""
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
