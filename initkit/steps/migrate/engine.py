"""What the step asks of whatever applies migrations; each engine has a room or a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from initkit.db.dsn import Database
    from initkit.db.revisions import Revision, Standing, VersionTable


class Applied(Record):
    """A revision that was applied, and the seconds that it took."""

    revision: Revision
    seconds: float


class Guard(Protocol):
    """The migration lock, held; see the room `guard`.

    Attributes:
        waited: seconds waited for it.
        tag: the ``application_name`` that every session carries which changes something under this lock.
        key: the lock's number.
        database: which is migrated; another one than was asked for where a variable leads past a pooler.
    """

    waited: float
    tag: str
    key: int
    database: Database

    def watching(self, stop_work: Callable[[], object]) -> AbstractContextManager[None]:
        """While the block runs, see that the lock is still held, and say who blocks our sessions.

        Where it is lost, `stop_work` is called once, in another thread; the block's end then raises a `TemporaryError`
        that says so.
        """
        ...

    def blocker(self) -> str:
        """Who was last seen to block a session of ours, for messages; empty where nobody was."""
        ...


class Engine(Protocol):
    """One project of migrations on one database, for one attempt."""

    @property
    def table(self) -> VersionTable:
        """Where the database says what is applied; it gives the lock its key."""
        ...

    @property
    def applied(self) -> Sequence[Applied]:
        """What this attempt has applied so far; each counts once it is committed."""
        ...

    def quick(self) -> Standing | None:
        """How far the database is, where that is certain without running anybody's code; else None.

        Raises:
            InitkitError: the database cannot be reached, or the migrations cannot be read.
        """
        ...

    def look(self) -> Standing | None:
        """How far it is; None where somebody's code must write before it can be asked. It only reads."""
        ...

    def recover(self, guard: Guard) -> None:
        """Under the lock: undo, or finish, what a run before left half done outside transactions.

        Raises:
            PermanentError: a person must; the message names the revision and what it left.
        """
        ...

    def upgrade(self, standing: Standing | None, guard: Guard) -> None:
        """Under the lock: apply what is pending.

        Args:
            standing: as just looked at; None where that could not be told.
            guard: the lock.

        Raises:
            TemporaryError: it failed, and all that was not recorded is known to be rolled back.
            PermanentError: a person must act.
        """
        ...

    def verify(self) -> None:
        """On a fresh connection: see that all is recorded, and nothing is left half done.

        Raises:
            PermanentError: it is not.
        """
        ...

    def offline(self, start: str | None) -> str:
        """The SQL of what is pending, or of everything after the revision `start` (``base``: of all) without a look.

        Raises:
            UsageError: this engine or project cannot.
        """
        ...
