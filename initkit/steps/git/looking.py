"""What there is to do: what is published, next to what the remote has; nothing is written here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.outcome import Pending, Satisfied
from initkit.steps.git.asked.values import is_sha
from initkit.steps.git.beside import Beside
from initkit.steps.git.calling.refs import resolve
from initkit.steps.git.work import shown

if TYPE_CHECKING:
    from initkit.core.outcome import Finding
    from initkit.core.step import Context
    from initkit.steps.git.publish.layout import Layout
    from initkit.steps.git.publish.record import Record
    from initkit.steps.git.work import Work


def look(work: Work, context: Context) -> Finding:
    """What would change.

    Where nothing is published and nobody waits for the answer, the remote is not asked: whoever fetches asks it.

    Raises:
        InitkitError: the remote cannot be asked, or something stands in the way.
        OSError: what is published cannot be looked at.
    """
    asked = work.asked
    layout = work.unobstructed()
    published = layout.published()
    if published is None and not context.looking and not is_sha(asked.ref):
        return Pending(f"would check out {asked.ref}", (), {"repository": str(asked.repository), "ref": asked.ref})
    looking: list[Beside[str]] = []
    with work.reached(context) as git:
        # what is published is looked through while the remote is asked, whose answer takes longer
        wanted = resolve(
            git, asked.ref, lambda: looking.append(Beside(lambda: _fault(work, layout, published, context)))
        )
    sha = wanted.sha
    if published is None or published.key != work.key(sha):
        now = f" (now {shown(published.sha)})" if published else ""
        return Pending(f"would check out {work.spoken(sha)}{now}", (), work.facts(sha))
    if found := looking[0].result() if looking else _fault(work, layout, published, context):
        return Pending(f"would check out {work.spoken(sha)} ({found})", (), work.facts(sha))
    if chore := _chore(work, layout, published, context):
        return Pending(f"would {chore}", (), work.facts(sha))
    return Satisfied(work.spoken(sha), work.facts(sha))


def _fault(work: Work, layout: Layout, published: Record | None, context: Context) -> str:
    """What is wrong with what is published, if it is what these options shape."""
    if published is None or not published.key.endswith(work.shape):
        return ""
    return layout.fault(work.asked.verify, context)


def _chore(work: Work, layout: Layout, published: Record, context: Context) -> str:
    """What is to do besides, where the content is up to date."""
    if work.asked.record and not work.record_file().says(work.told(layout, published)):
        return f"write the record {work.asked.record}"
    teller = work.teller()
    if teller is not None and teller.owes(published):
        return f"run {teller.name}"
    return "remove what was published before" if layout.overdue(context) else ""
