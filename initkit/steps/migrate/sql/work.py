"""Statements that another thread can end; what is then known of their work is others' concern."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, TemporaryError
from initkit.db.ledger import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.db.ledger import Row
    from initkit.db.sqlfiles.splitter import Statement

_AGAIN = 0.3  # seconds between two attempts to end what is under way


class Work:
    """The statements of one session, one after the other.

    Attributes:
        is_stopped: whether no more of them are to be begun.
    """

    def __init__(self) -> None:
        self.is_stopped = False
        self._idle = threading.Event()
        self._idle.set()
        self._cancelling = threading.Lock()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """While a statement runs.

        Raises:
            TemporaryError: the work was stopped before it.
        """
        self._idle.clear()  # first: `stop` sets its mark first, too, so that one of both sees the other
        try:
            if self.is_stopped:
                raise TemporaryError("apply migrations", "the work was stopped")
            yield
        finally:
            with self._cancelling:  # one that is on its way would end what tidies up
                self._idle.set()

    def stop(self, cancel: Callable[[], object]) -> None:
        """End the statement under way; none is begun from now on.

        Args:
            cancel: asks for it. Asked once, it may come before the statement that it is to end.
        """
        self.is_stopped = True
        while not self._idle.is_set():
            with self._cancelling, suppress(Exception):  # the connection may be gone, and the statement with it
                if not self._idle.is_set():
                    cancel()
            self._idle.wait(_AGAIN)


def ended_by(statement: Statement) -> PermanentError:
    """A statement has ended the transaction that it was to be part of."""
    cause = f"line {statement.line}: {statement.shown} ended the transaction"
    return PermanentError("apply migrations", cause, "remove it: initkit runs the file in one transaction")


def ledger_is_gone(row: Row) -> PermanentError:
    """A file has dropped what it is to be recorded in."""
    cause = f"it drops {TABLE}, or the schema that it lies in, where it is to be recorded"
    return PermanentError(f"apply {row.name}", cause, "leave both where they are, and drop what else there is")
