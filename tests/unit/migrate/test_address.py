"""A database's address as SQLAlchemy and env.py get it; libpq must read the same out of it again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from initkit.core.errors import PermanentError
from initkit.db.dsn import Database, find
from initkit.steps.migrate.alembic.address import environment, sqlalchemy_url


def postgres(address: str) -> Database:
    return find(address, "--url") if "://" in address else Database("postgres", address, "--url")


def arguments(address: str) -> dict[str, object]:
    dialect: Any = PGDialect_psycopg  # SQLAlchemy has no types for it
    _, options = dialect().create_connect_args(make_url(sqlalchemy_url(postgres(address))))
    return dict(options)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgres://u:p@db:5433/shop", {"user": "u", "password": "p", "host": "db", "port": 5433, "dbname": "shop"}),
        ("postgresql+psycopg2://u@db/shop", {"user": "u", "host": "db", "dbname": "shop"}),
        ("postgresql://u:p%25zz%3A%40@db/shop", {"user": "u", "password": "p%zz:@", "host": "db", "dbname": "shop"}),
        ("host=db user=u password='a b%41'", {"user": "u", "password": "a b%41", "host": "db"}),
        ("postgresql://u@[::1]:5/shop", {"user": "u", "host": "::1", "port": 5, "dbname": "shop"}),
        ("postgresql:///shop?host=/run/pg&user=u", {"user": "u", "host": "/run/pg", "dbname": "shop"}),
        ("postgresql://u@%2Frun%2Fpg/shop", {"user": "u", "host": "/run/pg", "dbname": "shop"}),
        ("postgresql://a:1,b:2/shop", {"host": "a,b", "port": "1,2", "dbname": "shop"}),
        ("postgresql://db/shop?sslmode=require", {"host": "db", "dbname": "shop", "sslmode": "require"}),
        ("service=shop", {"service": "shop"}),
        ("host=db port=7 dbname='a b%41/?'", {"host": "db", "port": 7, "dbname": "a b%41/?"}),
        ("port=7 user='o@b:c'", {"port": "7", "user": "o@b:c"}),
    ],
)
def test_what_libpq_understands_reaches_the_driver(address: str, expected: dict[str, object]) -> None:
    found = arguments(address)
    assert {name: found[name] for name in expected} == expected


def test_no_address_leaves_everything_to_libpqs_variables() -> None:
    assert sqlalchemy_url(postgres("")) == "postgresql+psycopg://"


def test_sqlite_keeps_its_path() -> None:
    assert sqlalchemy_url(find("sqlite:////vol/x.db", "--url")) == "sqlite:////vol/x.db"
    assert sqlalchemy_url(find("sqlite:///x.db", "--url")) == "sqlite:///x.db"


def test_an_address_that_libpq_cannot_read_is_permanent() -> None:
    with pytest.raises(PermanentError, match="--url"):
        sqlalchemy_url(postgres("postgresql://db/shop?nonsense=1"))


def environ_for(address: str, given: dict[str, str]) -> dict[str, str]:
    return environment(postgres(address), given, 2.5)


def test_database_url_is_left_as_it_is_where_it_says_the_same() -> None:
    given = {"DATABASE_URL": "postgres://u:p@db/shop"}
    assert environ_for("postgresql://u:p@db/shop", given)["DATABASE_URL"] == given["DATABASE_URL"]
    assert environ_for("postgresql://u:p@other/shop", given)["DATABASE_URL"] == "postgresql://u:p@other/shop"
    assert environ_for("postgresql://u@db/shop", {"DATABASE_URL": "mysql://x"})["DATABASE_URL"].startswith("p")


@pytest.mark.parametrize("name", ["SQLALCHEMY_DATABASE_URI", "SHOP_DB"])
def test_other_variables_hold_the_url_too_and_stay_where_they_say_the_same(name: str) -> None:
    here = postgres("postgresql://u:p@db/shop")
    for given, expected in [("postgresql+asyncpg://u:p@db/shop", "postgresql+asyncpg://u:p@db/shop"),
                            ("postgresql://u:p@other/shop", "postgresql://u:p@db/shop")]:  # fmt: skip
        assert environment(here, {name: given}, 2.5, export=("SHOP_DB",))[name] == expected
    assert environment(here, {}, 2.5, export=("SHOP_DB",))[name] == "postgresql://u:p@db/shop"


def test_mysql_runs_on_pymysql_and_its_variable_names_no_driver() -> None:
    here = find("mariadb+asyncmy://u:p%40@db:3307/shop", "--url")
    assert sqlalchemy_url(here) == "mysql+pymysql://u:p%40@db:3307/shop"
    assert environment(here, {}, 2.5)["DATABASE_URL"] == "mysql://u:p%40@db:3307/shop"


def test_the_sessions_name_and_patience_are_defaults_only() -> None:
    ours, theirs = environ_for("", {}), environ_for("", {"PGAPPNAME": "mine", "PGCONNECT_TIMEOUT": "60"})
    assert (ours["PGAPPNAME"], ours["PGCONNECT_TIMEOUT"]) == ("initkit/migrate", "3")
    assert (theirs["PGAPPNAME"], theirs["PGCONNECT_TIMEOUT"]) == ("mine", "60")
