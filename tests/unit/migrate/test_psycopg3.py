"""Arguments for other drivers, as psycopg and libpq have them."""

from __future__ import annotations

import ssl

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from initkit.steps.migrate.alembic import dialects
from initkit.steps.migrate.alembic.psycopg3 import translated


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"host": "db", "statement_cache_size": 0, "prepared_statement_cache_size": 0}, {"host": "db"}),
        ({"database": "shop", "timeout": 60}, {"dbname": "shop", "connect_timeout": "60"}),
        ({"timeout": 0.5}, {"connect_timeout": "2"}),
        ({"ssl": "verify-full"}, {"sslmode": "verify-full"}),
        ({"ssl": True}, {"sslmode": "require"}),
        ({"ssl": False}, {"sslmode": "prefer"}),
        ({"ssl": "require", "sslmode": "verify-ca"}, {"sslmode": "verify-ca"}),
        ({"ssl_context": ssl.create_default_context()}, {"sslmode": "require"}),
        ({"server_settings": {"application_name": "shop"}}, {"application_name": "shop"}),
        ({"server_settings": {"search_path": "a, b", "jit": "off"}}, {"options": r"-c search_path=a,\ b -c jit=off"}),
        ({"options": "-c a=1", "server_settings": {"jit": "off"}}, {"options": "-c a=1 -c jit=off"}),
        ({"cursor_factory": object, "client_encoding": "utf8"}, {"client_encoding": "utf8"}),
    ],
)
def test_what_libpq_has_no_word_for_is_translated_or_left_out(
    given: dict[str, object], expected: dict[str, object]
) -> None:
    assert translated(given) == expected


@pytest.mark.parametrize(
    "name",
    [
        "postgres",
        "postgresql",
        "postgresql+psycopg2",
        "postgresql+pg8000",
        "postgresql+psycopg2cffi",
        "postgresql+psycopg",
    ],
)
def test_every_name_of_a_synchronous_driver_leads_to_psycopg(name: str) -> None:
    dialects.register()
    assert create_engine(f"{name}://u@db/shop").dialect.driver == "psycopg"


@pytest.mark.parametrize(
    "name", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"]
)
def test_every_name_leads_to_an_asynchronous_engine_where_one_is_asked_for(name: str) -> None:
    dialects.register()
    dialect = create_async_engine(f"{name}://u@db/shop").dialect
    assert (dialect.driver, dialect.is_async) == ("psycopg", True)


@pytest.mark.parametrize(
    "name", ["mysql", "mysql+mysqldb", "mariadb", "mariadb+mysqldb", "mysql+mysqlconnector", "mysql+pymysql"]
)
def test_every_name_of_a_synchronous_driver_for_mysql_leads_to_pymysql(name: str) -> None:
    dialects.register()
    assert create_engine(f"{name}://u@db/shop").dialect.driver == "pymysql"
