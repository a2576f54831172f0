"""Dialects for psycopg 3 that take what people give to psycopg2, pg8000 and asyncpg; SQLAlchemy loads them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg

if TYPE_CHECKING:
    from collections.abc import Mapping

# What libpq has no word for, and psycopg 3 no need of:
# https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#module-sqlalchemy.dialects.postgresql.asyncpg
# https://magicstack.github.io/asyncpg/current/api/index.html#connection
_DROPPED = {
    "async_fallback", "async_creator_fn", "command_timeout", "connection_class", "connection_factory", "cursor_factory",
    "direct_tls", "loop", "max_cacheable_statement_size", "max_cached_statement_lifetime",
    "prepared_statement_cache_size", "prepared_statement_name_func", "record_class", "ssl_context",
    "statement_cache_size", "tcp_keepalive",
}  # fmt: skip
_RENAMED = {"database": "dbname", "timeout": "connect_timeout"}


def translated(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of another driver's ``connect`` as psycopg's, and libpq's, have them."""
    found = {_RENAMED.get(name, name): value for name, value in given.items() if name not in _DROPPED}
    if "connect_timeout" in found:
        found["connect_timeout"] = str(max(2, round(float(found["connect_timeout"]))))
    if "ssl" in found:
        found.setdefault("sslmode", _sslmode(found.pop("ssl")))
    if given.get("ssl_context"):
        found.setdefault("sslmode", "require")
    settings = found.pop("server_settings", None) or {}
    if "application_name" in settings:
        found["application_name"] = settings["application_name"]
    rest = [f"-c {name}={_escaped(str(value))}" for name, value in settings.items() if name != "application_name"]
    if rest:
        found["options"] = " ".join([*([found["options"]] if found.get("options") else []), *rest])
    return {name: value for name, value in found.items() if value is not None}


def _sslmode(value: object) -> str:
    """That of asyncpg's ``ssl``: a mode's name, or True or an SSLContext."""
    if isinstance(value, str):
        return {"true": "require", "false": "disable"}.get(value.lower(), value)
    return "require" if value else "prefer"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


class Psycopg3(PGDialect_psycopg):
    """psycopg 3, for who writes for psycopg2 or pg8000."""

    supports_statement_cache = True

    def __init__(
        self,
        executemany_mode: object = None,  # noqa: ARG002 - psycopg2's, which psycopg 3 has no need of
        executemany_batch_page_size: object = None,  # noqa: ARG002 - as above
        executemany_values_page_size: object = None,  # noqa: ARG002 - as above
        **others: Any,  # noqa: ANN401 - the dialect's own
    ) -> None:
        super().__init__(**others)  # type: ignore[no-untyped-call]

    def connect(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy has it
        """Connect."""
        return super().connect(*arguments, **translated(named))

    @classmethod
    def get_async_dialect_cls(cls, url: object) -> type[PGDialectAsync_psycopg]:  # noqa: ARG003 - SQLAlchemy's
        """The one for ``create_async_engine``."""
        return AsyncPsycopg3


class AsyncPsycopg3(PGDialectAsync_psycopg):
    """psycopg 3, asynchronous, for who writes for asyncpg."""

    supports_statement_cache = True

    def connect(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy has it
        """Connect."""
        return super().connect(*arguments, **translated(named))

    @classmethod
    def get_async_dialect_cls(cls, url: object) -> type[PGDialectAsync_psycopg]:  # noqa: ARG003 - SQLAlchemy's
        """Itself."""
        return cls
