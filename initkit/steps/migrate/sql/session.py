"""What applying SQL files asks of a database; `on_postgres` and `on_sqlite` answer. The order is the engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from initkit.core.errors import InitkitError
    from initkit.db.ledger import Ledger, Left
    from initkit.db.sqlfiles.splitter import Statement
    from initkit.steps.migrate.sql.work import Work

KEPT = 500  # characters of a statement outside transactions that the ledger keeps, without strings
LOOSE = "put -- initkit: no-transaction into its first line"
# on PostgreSQL: files are UTF-8, and split by the standard's rules for strings, whatever a role or database has set
READING = {"client_encoding": "UTF8", "standard_conforming_strings": "on"}


class Session(Protocol):
    """A connection that changes things, under the lock.

    Attributes:
        ledger: by this connection, in whatever transaction it has.
        errors: what its driver raises.
        work: its statements, as another thread can end them.
    """

    ledger: Ledger
    errors: type[Exception]
    work: Work

    def refresh(self) -> None:
        """Have the settings that a session begins with, whatever a file before has set."""
        ...

    def begin(self, statements: Sequence[Statement]) -> Sequence[Statement]:
        """Run those of a file that its transaction would make void; return the others."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """A transaction, rolled back by whatever is raised in it."""
        ...

    def run(self, statement: Statement) -> None:
        """Run a statement; it raises a driver's error, or a `TemporaryError` where the work was stopped."""
        ...

    def settle(self) -> None:
        """Be who we were when we connected, so that the ledger can be written."""
        ...

    def stop(self) -> None:
        """Have the statement under way fail, and every later one; from another thread."""
        ...

    def explain(self, error: Exception, task: str, statement: Statement | None, *, loose: bool) -> InitkitError:
        """What a driver's error means, and in which line; `loose` where it was outside transactions."""
        ...

    def is_there_already(self, error: Exception) -> bool:
        """Whether a driver's error says that something of that name is there."""
        ...

    def intent(self, statement: Statement) -> Left:
        """What is to be known of a statement outside transactions before it is begun."""
        ...

    def is_whole(self, left: Left) -> bool:
        """Whether the index that a statement was to make is valid; true for one that makes none."""
        ...

    def undo(self, left: Left, *, seconds: float) -> None:
        """Drop the index that a statement was making, unless it was there before; in so many seconds at most."""
        ...

    def is_connected(self) -> bool:
        """Whether anything can be asked of it still."""
        ...

    def close(self) -> None:
        """End it."""
        ...
