"""Watches the connections that env.py opens through SQLAlchemy, so that a signal can end what they do."""

from __future__ import annotations

import re
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.core.step import Context

_PAUSE = 0.2  # seconds between two cancels: one that comes before its statement has begun is lost
_READS = re.compile(r"\s*(?:select|pragma|explain|with|vacuum|attach|detach|begin|commit|savepoint)\b", re.IGNORECASE)
# without effect, or refused, inside a transaction: https://www.sqlite.org/pragma.html#pragma_foreign_keys
_ENDS_TRANSACTION = re.compile(
    r"\s*(?:pragma\s+(?:\w+\.)?(?:foreign_keys|journal_mode)\s*[=(]|vacuum|attach|detach)", re.IGNORECASE
)


class Connections:
    """What env.py has connected to.

    Attributes:
        places: ``host:port/name`` or the file of each connection that there was.
        loose: whether a statement ran outside a transaction since `begin_revision`: it is not rolled back.
    """

    def __init__(self, context: Context, *, read_only: bool) -> None:
        self.places: set[str] = set()
        self.loose = False
        self._context = context
        self._read_only = read_only
        self._open: dict[int, Any] = {}
        self._engines: set[Any] = set()
        self._lock = threading.Lock()
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Listen to all engines, also those that the user's modules made long ago."""
        from sqlalchemy import Engine, event  # noqa: PLC0415 - only where alembic runs
        from sqlalchemy.pool import Pool  # noqa: PLC0415 - only where alembic runs

        listeners: list[tuple[type, str, Callable[..., None]]] = [
            (Pool, "checkout", self._checkout),
            (Pool, "checkin", self._checkin),
            (Engine, "before_cursor_execute", self._before_execute),
        ]
        for listener in listeners:
            event.listen(*listener)
        try:
            with self._context.stop.in_flight(), self._context.stop.calling(self._cancel_all):
                yield
        finally:
            self._done.set()
            for listener in listeners:
                event.remove(*listener)
            self._leave()

    def _leave(self) -> None:
        """Close what env.py left in its pools: no session stays behind while later steps run."""
        for engine in self._engines:
            if not engine.dialect.is_async:  # its own loop is gone by now, and its sessions with it
                engine.dispose()
        self._engines.clear()

    def sessions(self) -> list[int]:
        """PostgreSQL's process ids of those that are open, as far as their driver tells."""
        with self._lock:
            infos = [getattr(raw, "info", None) for raw in self._open.values()]
        return [pid for info in infos if (pid := getattr(info, "backend_pid", None))]

    def begin_revision(self) -> None:
        """From here on `loose` tells of a new revision."""
        self.loose = False

    def _checkout(self, connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - any driver's
        raw = _raw(connection)
        if self._read_only:
            _set_read_only(raw, wanted=True)
        self.places.add(_place(raw))
        with self._lock:
            self._open[id(raw)] = raw

    def _checkin(self, connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's, or None
        raw = _raw(connection)
        with self._lock:
            self._open.pop(id(raw), None)
        if self._read_only and raw is not None:
            with suppress(Exception):  # it may be closed, and then nobody uses it again
                _set_read_only(raw, wanted=False)

    def _before_execute(self, connection: Any, _cursor: object, statement: str, *_more: object) -> None:  # noqa: ANN401
        self._context.stop.check()
        self._engines.add(connection.engine)
        raw = _raw(connection.connection.dbapi_connection)
        if getattr(raw, "autocommit", False) is True:  # a sqlite3 connection may have -1 there
            self.loose = True
        elif isinstance(raw, sqlite3.Connection):
            self._begin_sqlite(raw, statement)

    def _begin_sqlite(self, raw: sqlite3.Connection, statement: str) -> None:
        """Put DDL into the transaction too, which the driver begins for DML only.

        A killed run would otherwise leave tables of a revision that the version table does not name, and the next run
        would fail at them for ever.
        """
        if raw.isolation_level is None:  # somebody else begins and ends, or nobody
            self.loose = True
        elif raw.in_transaction:
            if _ENDS_TRANSACTION.match(statement):
                raw.commit()
                self.loose = True
        elif not _READS.match(statement):
            raw.execute("begin immediate")

    def _cancel_all(self) -> None:
        while True:
            with self._lock:
                connections = list(self._open.values())
            for connection in connections:
                with suppress(Exception):  # it may have ended meanwhile, each driver says so in its own way
                    _cancel(connection)
            if self._done.wait(_PAUSE):
                return


def _raw(connection: Any) -> Any:  # noqa: ANN401 - any driver's
    """The driver's own connection, also behind SQLAlchemy's adapter for asynchronous drivers."""
    return getattr(connection, "driver_connection", connection)


def _set_read_only(raw: Any, *, wanted: bool) -> None:  # noqa: ANN401 - any driver's
    if isinstance(raw, sqlite3.Connection):
        raw.execute(f"pragma query_only = {int(wanted)}")
    elif hasattr(raw, "read_only") and hasattr(raw, "pgconn"):
        raw.read_only = wanted or None


def _place(raw: Any) -> str:  # noqa: ANN401 - any driver's
    if isinstance(raw, sqlite3.Connection):
        file = next((row[2] for row in raw.execute("pragma database_list") if row[1] == "main"), "")
        return str(file) or "a SQLite database in memory"
    info: Any = getattr(raw, "info", None)
    return f"{info.host}:{info.port}/{info.dbname}" if hasattr(info, "dbname") else type(raw).__name__


def _cancel(raw: Any) -> None:  # noqa: ANN401 - any driver's
    if isinstance(raw, sqlite3.Connection):
        raw.interrupt()
    elif type(raw).__name__ == "AsyncConnection":
        raw.cancel()  # cancel_safe is a coroutine there, and the loop is another thread's
    elif hasattr(raw, "cancel_safe"):
        raw.cancel_safe(timeout=2)
