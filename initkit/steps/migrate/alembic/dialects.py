"""Has SQLAlchemy run what people write for other drivers on those that are here; the dialects are in `psycopg3.py`."""

from __future__ import annotations

from importlib.util import find_spec

_PSYCOPG = "initkit.steps.migrate.alembic.psycopg3"
_SYNCHRONOUS = ("psycopg2", "psycopg2cffi", "pg8000")
# the modules behind SQLAlchemy's names: https://docs.sqlalchemy.org/en/20/dialects/mysql.html
_MYSQL = {"mysqldb": "MySQLdb", "mysqlconnector": "mysql", "mariadbconnector": "mariadb"}


def _is_missing(module: str) -> bool:
    return find_spec(module) is None


def register() -> None:
    """Take the names that people write for PostgreSQL and MySQL, as far as their drivers are missing."""
    _register_postgres()
    _register_mysql()


def _register_postgres() -> None:
    from sqlalchemy.dialects import registry  # noqa: PLC0415 - only where alembic runs

    registry.register("postgres", _PSYCOPG, "Psycopg3")  # a name that SQLAlchemy dropped in 1.4
    registry.register("postgres.psycopg", _PSYCOPG, "Psycopg3")
    if _is_missing("psycopg2"):  # SQLAlchemy 2.0 takes that for a URL without a driver
        registry.register("postgresql", _PSYCOPG, "Psycopg3")
    for driver in filter(_is_missing, _SYNCHRONOUS):
        for name in ("postgresql", "postgres"):
            registry.register(f"{name}.{driver}", _PSYCOPG, "Psycopg3")
    if _is_missing("asyncpg"):
        for name in ("postgresql.asyncpg", "postgres.asyncpg"):
            registry.register(name, _PSYCOPG, "AsyncPsycopg3")


def _register_mysql() -> None:
    from sqlalchemy.dialects import registry  # noqa: PLC0415 - only where alembic runs

    registry.register("mysql.pymysql", "initkit.steps.migrate.alembic.pymysql_tls", "Pymysql")
    for name in ("mysql", "mariadb"):
        aliases = [f"{name}.{driver}" for driver, module in _MYSQL.items() if _is_missing(module)]
        if _is_missing("MySQLdb"):
            aliases.append(name)
        for alias in aliases:
            registry.impls[alias] = lambda name=name: registry.load(f"{name}.pymysql")
