"""Watches what env.py connects to and executes through SQLAlchemy: its sessions' settings, and what ends them."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from initkit.steps.migrate.alembic import drivers, kinds
from initkit.steps.migrate.guard.session import apply_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from initkit.core.step import Context
    from initkit.steps.migrate.alembic.drivers import Raw
    from initkit.steps.migrate.alembic.undertaking import Undertaking

_PAUSE = 0.2  # seconds between two cancels: one that comes before its statement has begun is lost
_READS = re.compile(r"\s*(?:select|pragma|explain|with|vacuum|attach|detach|begin|commit|savepoint)\b", re.IGNORECASE)
# without effect, or refused, inside a transaction: https://www.sqlite.org/pragma.html#pragma_foreign_keys
_ENDS_TRANSACTION = re.compile(
    r"\s*(?:pragma\s+(?:\w+\.)?(?:foreign_keys|journal_mode)\s*[=(]|vacuum|attach|detach)", re.IGNORECASE
)
_LOCK_TIMEOUT = "lock_timeout"


class Statements:
    """What env.py has connected to, and what it executes there.

    Attributes:
        places: ``host:port/name`` or the file of each connection that there was.
        homes: the database of each, to be compared.
    """

    def __init__(
        self, context: Context, settings: Mapping[str, str], undertaking: Undertaking, *, read_only: bool
    ) -> None:
        self.places: set[str] = set()
        self.homes: set[drivers.Home] = set()
        self._context = context
        self._settings = dict(settings) | ({"default_transaction_read_only": "on"} if read_only else {})
        self._undertaking = undertaking
        self._read_only = read_only
        self._open: dict[int, Raw] = {}
        self._engines: set[Any] = set()
        self._patient: set[int] = set()
        self._lock = threading.Lock()
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Listen to all engines, also those that the user's modules make."""
        from sqlalchemy import Engine, event  # noqa: PLC0415 - only where alembic runs
        from sqlalchemy.pool import Pool  # noqa: PLC0415 - only where alembic runs

        listeners: list[tuple[type, str, Callable[..., None]]] = [
            (Pool, "connect", self._connected),
            (Pool, "checkout", self._checked_out),
            (Pool, "checkin", self._checked_in),
            (Engine, "before_cursor_execute", self._before_execute),
            (Engine, "after_cursor_execute", self._after_execute),
            (Engine, "handle_error", self._failed),
            (Engine, "commit", lambda connection: self._undertaking.commits(_raw(connection))),
            (Engine, "rollback", lambda connection: self._undertaking.rolled_back(_raw(connection))),
        ]
        for listener in listeners:
            event.listen(*listener)
        try:
            with self._context.stop.calling(self._cancel_all):
                yield
        finally:
            self._done.set()
            self._leave()

    def _leave(self) -> None:
        """Close what env.py left in its pools: the server need not find out that we are gone."""
        for engine in self._engines:
            if not engine.dialect.is_async:  # its own loop is gone by now, and its sessions with it
                with suppress(Exception):  # somebody may have ended one, and each driver says so in its own way
                    engine.dispose()

    def _connected(self, connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's
        raw = drivers.raw_of(connection)
        kind = drivers.dialect_of(raw)
        if kind == "postgres":
            refused = apply_settings(connection, self._settings, raw.info.server_version)
            if refused:
                self._context.voice.detail(f"the server does not let us set {', '.join(refused)}")
        elif kind == "sqlite" and self._read_only:
            raw.execute("pragma query_only = 1")
        elif kind == "mysql" and self._read_only:
            with raw.cursor() as cursor:
                cursor.execute("set session transaction read only")

    def _checked_out(self, connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - any driver's
        raw = drivers.raw_of(connection)
        self.places.add(drivers.place_of(raw))
        self.homes.add((drivers.dialect_of(raw), drivers.name_of(raw)))
        with self._lock:
            self._open[id(raw)] = raw

    def _checked_in(self, connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's, or None
        with self._lock:
            self._open.pop(id(drivers.raw_of(connection)), None)

    def _before_execute(self, connection: Any, _cursor: object, statement: str, *_more: object) -> None:  # noqa: ANN401
        self._context.stop.check()
        self._engines.add(connection.engine)
        raw = _raw(connection)
        self._undertaking.executes(raw, statement)
        kind = drivers.dialect_of(raw)
        if kind == "sqlite":
            self._begin_sqlite(raw, statement)
        elif kind == "postgres" and kinds.is_concurrent(statement) and drivers.is_autocommit(raw):
            self._be_patient(raw)

    def _be_patient(self, raw: Raw) -> None:
        """Let a statement wait that keeps nobody out: cut off, it would leave an invalid index behind."""
        if drivers.setting(raw, _LOCK_TIMEOUT) == self._settings.get(_LOCK_TIMEOUT):  # else it is the user's own
            drivers.set_setting(raw, _LOCK_TIMEOUT, "0")
            self._patient.add(id(raw))

    def _restore(self, raw: Raw) -> None:
        if id(raw) in self._patient:
            self._patient.discard(id(raw))
            with suppress(Exception):  # the connection may be what failed
                drivers.set_setting(raw, _LOCK_TIMEOUT, self._settings[_LOCK_TIMEOUT])

    def _after_execute(self, connection: Any, *_more: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        self._restore(_raw(connection))

    def _failed(self, context: Any) -> None:  # noqa: ANN401 - SQLAlchemy's ExceptionContext
        if context.connection is not None:
            with suppress(Exception):  # an invalidated connection has none of the driver's any more
                self._restore(_raw(context.connection))
        if context.statement:
            self._undertaking.failed(context.statement, context.original_exception)

    def _begin_sqlite(self, raw: Raw, statement: str) -> None:
        """Put DDL into the transaction too, which the driver begins for DML only.

        A killed run would otherwise leave tables of a revision that the version table does not name, and the next run
        would fail at them for ever.
        """
        if raw.isolation_level is None:  # somebody else begins and ends, or nobody
            return
        if raw.in_transaction:
            if _ENDS_TRANSACTION.match(statement):
                self._undertaking.commits(raw)
                raw.commit()
        elif not _READS.match(statement):
            raw.execute("begin immediate")

    def _cancel_all(self) -> None:
        while True:
            with self._lock:
                connections = list(self._open.values())
            for connection in connections:
                with suppress(Exception):  # it may have ended meanwhile, each driver says so in its own way
                    drivers.cancel(connection)
            if self._done.wait(_PAUSE):
                return


def _raw(connection: Any) -> Raw:  # noqa: ANN401 - SQLAlchemy's
    return drivers.raw_of(connection.connection.dbapi_connection)
