"""The order in which content is put there: lock, fetch, write beside what is published, switch, tidy up."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from initkit.core.outcome import Outcome
from initkit.steps.git import remove
from initkit.steps.git.asked.values import is_sha
from initkit.steps.git.beside import Beside
from initkit.steps.git.calling import hardening
from initkit.steps.git.calling.failures import OtherFormatError, RefError
from initkit.steps.git.calling.refs import Wanted, first_guess, resolve
from initkit.steps.git.content.caps import Caps
from initkit.steps.git.content.store import Store
from initkit.steps.git.publish.lock import held
from initkit.steps.git.work import digest, shown

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.git.calling.program import Program
    from initkit.steps.git.content.writing import Workshop
    from initkit.steps.git.publish.layout import Layout
    from initkit.steps.git.publish.record import Record
    from initkit.steps.git.work import Work


def settle(work: Work, context: Context) -> Outcome:
    """Publish what the remote has; one at a time for each DEST.

    Raises:
        InitkitError: it cannot be had, or may not be published.
        OSError: it cannot be written.
    """
    layout = work.unobstructed()
    layout.open()
    with (
        held(layout.lock, context) as lock,
        context.stop.in_flight(),
        work.reached(context, keep_open=(lock,)) as git,
    ):
        return _Settling(work, layout, git).run()


class _Settling:
    """One run, under the lock."""

    def __init__(self, work: Work, layout: Layout, git: Program) -> None:
        self._work = work
        self._asked = work.asked
        self._layout = layout
        self._git = git
        self._context = git.context

    def run(self) -> Outcome:
        self._layout.clear(self._context)
        before = self._layout.published()
        if before is None and not is_sha(self._asked.ref) and self._may_guess():
            with suppress(RefError, OtherFormatError):
                return self._changed(self._brought(first_guess(self._asked.ref)), before)
        wanted = resolve(self._git, self._asked.ref)
        key = self._work.key(wanted.sha)
        verify = self._asked.verify
        if before is not None and before.key == key and not self._layout.fault(verify, self._context):
            return self._tidied(before)  # another replica published, or nothing was new
        return self._changed(self._layout.show(key, verify, self._context) or self._brought(wanted), before)

    def _may_guess(self) -> bool:
        """Whether to fetch without asking first what the ref means, which spares one way there and back.

        A fetch is ended only once nothing has moved for as long as a stall takes: whoever wants to know sooner that
        nobody answers has the remote asked first.
        """
        return min(self._context.attempt_timeout, self._context.remaining) >= hardening.STALLED_AFTER

    def _tidied(self, published: Record) -> Outcome:
        """Do what is to do besides."""
        self._layout.retire(self._context)
        spoken, facts = self._work.spoken(published.sha), self._work.facts(published.sha)
        text = self._work.told(self._layout, published)
        if not self._asked.record or self._work.record_file().says(text):
            return Outcome.ok(spoken, facts)
        self._work.record_file().write(text)
        return Outcome.changed(f"{spoken}, wrote the record", facts)

    def _changed(self, record: Record, before: Record | None) -> Outcome:
        if self._asked.record:
            self._work.record_file().write(self._work.told(self._layout, record))
        self._layout.retire(self._context)
        was = f" (was {shown(before.sha)})" if before and before.sha != record.sha else ""
        facts = self._work.facts(record.sha) | ({"previous_sha": before.sha} if before else {})
        return Outcome.changed(f"{self._work.spoken(record.sha)}{was}", facts)

    def _brought(self, wanted: Wanted) -> Record:
        """Fetch, and publish what came: a tree that is there, or a new one."""
        self._layout.retire(self._context)  # there may be no room before
        loading = Beside(_load)
        workshop = self._workshop()
        store = Store.of(self._git, workshop, wanted)
        sha = store.fetch(wanted, self._asked.depth, self._asked.filter)
        loading.result()
        return self._layout.show(self._work.key(sha), self._asked.verify, self._context) or self._written(
            store, sha, workshop
        )

    def _written(self, store: Store, sha: str, workshop: Workshop) -> Record:
        """Write beside what is published, and publish."""
        from initkit.steps.git.content.writing import write  # noqa: PLC0415 - see `_load`
        from initkit.steps.git.publish.dressing import dress  # noqa: PLC0415 - see `_load`

        tree = self._layout.new_tree()
        try:
            written = write(store, sha, tree, workshop)
            manifest = dress(tree, self._asked.subpath, self._asked, written.time, self._context)
            record = self._work.record(sha, self._context)
            self._context.stop.check()
            self._layout.publish(tree, manifest, record, self._context)
        finally:
            with suppress(OSError):  # the next run clears what stays
                remove.anything(tree)
        return record

    def _workshop(self) -> Workshop:
        from initkit.steps.git.content.writing import Workshop  # noqa: PLC0415 - see `_load`

        asked, git = self._asked, self._git
        caps = Caps(asked.max_files, asked.max_size)
        return Workshop(
            asked,
            self._layout.house,
            digest(asked.link),
            asked.git_dir == "keep",
            caps,
            lambda remote: self._work.reached(git.context, git.keep_open, remote),
        )


def _load() -> None:
    """Load what is needed once the fetch is done, while it is waited for."""
    from initkit.steps.git.content import writing  # noqa: F401, PLC0415 - see above
    from initkit.steps.git.publish import dressing  # noqa: F401, PLC0415 - see above
