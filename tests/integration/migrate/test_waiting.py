"""What the step does when another session holds a lock, and when time runs out meanwhile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_guard import Acting

from initkit.core.assemble import assemble
from initkit.core.clock import SystemClock
from initkit.core.errors import TemporaryError
from initkit.core.outcome import Satisfied, Status
from initkit.core.stop import Stop
from initkit.steps.migrate.guard import watch
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from fix_alembic import Builder


def step_for(path: object, **more: str) -> Migrate:
    return assemble(STEP, {"path": str(path)} | more)


def test_a_locked_version_table_is_told_with_its_holder(postgres_url: str, project: Builder) -> None:
    project.tables("a1")
    step = step_for(project.folder, url=postgres_url)
    step.apply(make_context())
    with psycopg.connect(postgres_url, application_name="another") as other:
        other.execute("lock table alembic_version in access exclusive mode")
        message = r'read the table "alembic_version": it is locked by pid \d+ \(another from local'
        with pytest.raises(TemporaryError, match=message):
            step.check(make_context(attempt_timeout=1.0))
    assert isinstance(step.check(make_context()), Satisfied)


def test_a_migration_that_waits_for_anothers_lock_says_so(
    postgres_url: str, project: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PAUSE", 0.1)
    project.tables("a1")
    step_for(project.folder, url=postgres_url).apply(make_context())
    project.revision("b2", "op.add_column('t_a1', sa.Column('name', sa.Text))")
    with psycopg.connect(postgres_url, application_name="another") as other:
        other.execute("select * from t_a1")
        voice = Acting(other.rollback)
        outcome = step_for(project.folder, url=postgres_url).apply(make_context(voice=voice))
    assert outcome.status is Status.CHANGED
    name, why = voice.missed[0]
    assert (name, voice.founds) == ("the migration under way", [name])
    assert re.fullmatch(r"waits for a lock held by pid \d+ \(another from local, idle in transaction\)", why)


class Leaping(SystemClock):
    leapt = 0.0

    def now(self) -> float:
        return super().now() + self.leapt


class Jumping(RecordingVoice):
    """An hour passes as soon as a revision is under way."""

    def __init__(self, clock: Leaping) -> None:
        super().__init__()
        self.clock = clock

    def note(self, text: str, **facts: object) -> None:
        super().note(text, **facts)
        if text.startswith("applying"):
            self.clock.leapt = 3600.0


def test_a_deadline_that_passes_while_revisions_are_applied_ends_nothing(any_url: str, project: Builder) -> None:
    project.tables("a1", "b2")
    stop = Stop()
    clock = Leaping(stop)
    context = make_context(clock=clock, stop=stop, voice=Jumping(clock))
    assert (
        step_for(project.folder, url=any_url).apply(context).detail.rpartition(" (")[0]
        == "2 revisions applied: (base) → b2 make b2"
    )
    assert context.remaining == 0
