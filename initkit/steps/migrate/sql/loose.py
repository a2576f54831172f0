"""Files that run outside transactions: what is recorded before each statement, and what follows from a failure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, Stopped
from initkit.db.sqlfiles.forbidden import head
from initkit.db.sqlfiles.lexer import significant
from initkit.db.sqlfiles.splitter import shown
from initkit.db.sqlfiles.unfinished import goes_on, is_one_index
from initkit.steps.migrate.sql.work import ledger_is_gone

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from initkit.core.step import Context
    from initkit.db.ledger import Left, Row
    from initkit.db.sqlfiles.files import Script
    from initkit.db.sqlfiles.lexer import Dialect
    from initkit.db.sqlfiles.splitter import Statement
    from initkit.steps.migrate.sql.session import Session

    Understood = Callable[[Statement | None], AbstractContextManager[None]]

_TIDYING = 8.0  # seconds: a run that is asked to end has 10
# these may have committed some of their work before they failed, or leave something behind
_STEPWISE = {"call", "do"}


class Loose:
    """One file outside transactions.

    Args:
        session: to run it by.
        script: the file.
        understood: turns a driver's error, in a statement, into ours.
        context: of the running step.
    """

    def __init__(self, session: Session, script: Script, understood: Understood, context: Context) -> None:
        self._session = session
        self._script = script
        self._understood = understood
        self._context = context
        self._begun: list[Left] = []
        self._is_under_way = False

    def run(self, row: Row) -> None:
        """Run it; `row` is what is to be recorded of it.

        Raises:
            TemporaryError: nothing is left of it, or what is left is undone by the next run.
            PermanentError: it failed; where something is left, the message says what.
        """
        try:
            for statement in self._script.statements():
                self._run(statement, row)
        except Stopped:
            self._tidy(row)
            raise
        except InitkitError as error:
            self._tidy(row)
            if not goes_on(self._begun, self._script.dialect):
                raise self._left_behind(error) from error
            raise

    @property
    def made(self) -> list[Left]:
        """The statements that were run."""
        return list(self._begun)

    def _run(self, statement: Statement, row: Row) -> None:
        self._context.stop.check()
        with self._understood(statement):
            left = self._session.intent(statement)
            if self._begun and not self._session.ledger.exists():
                raise ledger_is_gone(row)
            with self._session.transaction():
                self._session.ledger.write(row.but(state="started", left=(*self._begun, left)))
            self._begun.append(left)
            self._is_under_way = True
            self._session.run(statement)
            self._is_under_way = False
            if self._session.is_whole(left):
                return
        advice = "see why it was not made whole, and run again"
        raise PermanentError(self._task, f"line {statement.line}: the index {left.index} is not valid", advice)

    @property
    def _task(self) -> str:
        return f"apply {self._script.file}"

    def _tidy(self, row: Row) -> None:
        """Undo what the only statement begun has left, and forget it; else leave all to the next run."""
        # stopped, and not by a signal: the lock is lost, and what is there may be another's work by now
        is_locked = self._context.stop.signum is not None or not self._session.work.is_stopped
        if len(self._begun) != 1 or not is_locked or not self._session.is_connected():
            return
        left = self._begun[0]
        has_failed = self._is_under_way and fails_whole(left.statement, self._script.dialect)
        if not left.index and not has_failed:
            return
        try:
            self._session.settle()
            self._session.undo(left, seconds=_TIDYING)
            with self._session.transaction():
                self._session.ledger.remove(row.revision)
        except self._session.errors as error:
            self._context.voice.warn(f"cannot undo what {self._script.file} has begun: {str(error).strip()}")
        else:
            self._begun.clear()

    def _left_behind(self, error: InitkitError) -> PermanentError:
        done = "; ".join(shown(left.statement) for left in self._begun[:-1])
        advice = "undo that by hand, mend the file, and run once with --repair"
        if not done:
            done = f"perhaps some of {shown(self._begun[-1].statement)}"
        return PermanentError(
            self._task, error.cause, f"{error.advice}; {advice}" if error.advice else advice, done=done
        )


def fails_whole(statement: str, dialect: Dialect) -> bool:
    """Whether nothing is left of a statement that failed."""
    words = {token.text.lower() for token in significant(statement, dialect) if token.kind == "word"}
    return not words.intersection({"concurrently"}) and head(statement, dialect)[0] not in _STEPWISE


def recover(session: Session, row: Row, dialect: Dialect, context: Context, *, repair: bool) -> None:
    """Undo what a run before left half done, so that its file is run again; `repair`: a person says that it is undone.

    Raises:
        PermanentError: a person must; the message names the file and what it left.
    """
    if is_one_index(row.left):
        with session.work.under_way():  # it waits for all who use the table: a signal must be able to end it
            session.undo(row.left[0], seconds=math.inf)
        context.voice.note(
            f"{row.name} was left half done by {row.applied_by}: its index {row.left[0].index} is undone"
        )
    elif goes_on(row.left, dialect):
        context.voice.note(f"{row.name} was left half done by {row.applied_by}: it is run again")
    elif repair:
        context.voice.note(f"{row.name} is run again: --repair says that what it left is undone")
    else:
        raise _half_done(row)
    with session.transaction():
        session.ledger.remove(row.revision)


def _half_done(row: Row) -> PermanentError:
    *done, last = (shown(left.statement) for left in row.left)
    cause = f"{row.applied_by or 'a run'} was stopped in the middle of it, outside transactions, at {last}"
    advice = "see whether that was done, undo what there is of this file, and run once with --repair"
    return PermanentError(f"apply {row.name}", cause, advice, done="; ".join(done))
