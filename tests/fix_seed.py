"""A shop's database, in PostgreSQL and in SQLite, and seed files to fill it with."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import psycopg
import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.outcome import Outcome, Satisfied
from initkit.steps.seed.step import Seed

if TYPE_CHECKING:
    from pathlib import Path

    from initkit.core.step import Context

SHOP = """
create table customers (
    id integer primary key, name text not null, email text not null unique, created_at date default '2026-01-01');
create table orders (
    id integer primary key, customer_id integer not null references customers (id), item text not null,
    quantity integer not null default 1 check (quantity > 0), price numeric(10, 2), note text, shipped boolean);
"""
CUSTOMERS = "id,name,email\n1,Ada,ada@example.org\n2,Grace,grace@example.org\n3,Edsger,edsger@example.org\n"
ORDERS = (
    '{"id": 1, "customer_id": 3, "item": "Pen", "price": 1.10}\n'
    '{"id": 2, "customer_id": 1, "item": "Gear", "quantity": 12, "note": null, "shipped": true}\n'
)


class Sql(Protocol):
    """One of the two databases."""

    url: str

    def execute(self, script: str) -> None: ...

    def rows(self, query: str) -> list[tuple[Any, ...]]: ...

    def stamp(self) -> object:
        """Something that differs once anything was written."""
        ...


class Postgres:
    def __init__(self, url: str) -> None:
        self.url = url

    def execute(self, script: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(script)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchall()

    def stamp(self) -> object:
        tables = [row[0] for row in self.rows("select relname from pg_class where relkind = 'r' and oid >= 16384")]
        return {table: self.rows(f'select xmin::text, ctid::text, xmax::text from "{table}"') for table in tables}


class Sqlite:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def execute(self, script: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(script)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()

    def stamp(self) -> object:
        return hashlib.sha256(self.path.read_bytes()).hexdigest(), sorted(self.path.parent.glob(self.path.name + "*"))


@dataclass
class Shop:
    """A database with two empty tables, and a folder for seed files."""

    sql: Sql
    folder: Path

    @property
    def dialect(self) -> str:
        return "sqlite" if isinstance(self.sql, Sqlite) else "postgres"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def step(self, *paths: object, **given: object) -> Seed:
        chosen: dict[str, object] = {"paths": [str(path) for path in paths or (self.folder,)], "url": self.sql.url}
        return assemble(Seed, chosen | {name.replace("_", "-"): value for name, value in given.items()})

    def seed(self, *paths: object, context: Context | None = None, **given: object) -> Outcome:
        return run(self.step(*paths, **given), context or make_context())

    def names(self) -> list[Any]:
        return [row[0] for row in self.sql.rows("select name from customers order by id")]

    def ledger(self) -> list[tuple[Any, ...]]:
        return self.sql.rows("select dataset, table_name, mode, rows from initkit_seed order by dataset")

    def tables(self) -> set[str]:
        if self.dialect == "sqlite":
            return {row[0] for row in self.sql.rows("select name from sqlite_master where type = 'table'")}
        return {row[0] for row in self.sql.rows("select relname from pg_class where relkind = 'r' and oid >= 16384")}


def run(step: Seed, context: Context) -> Outcome:
    """One attempt, as the runner makes it."""
    finding = step.check(context)
    if isinstance(finding, Satisfied):
        return Outcome.ok(finding.detail, finding.facts)
    return step.apply(context)


@pytest.fixture
def seed_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "seed"
    folder.mkdir()
    return folder


@pytest.fixture
def postgres_shop(postgres_url: str, seed_folder: Path) -> Shop:
    shop = Shop(Postgres(postgres_url), seed_folder)
    shop.sql.execute(SHOP)
    return shop


@pytest.fixture
def sqlite_shop(tmp_path: Path, seed_folder: Path) -> Shop:
    shop = Shop(Sqlite(tmp_path / "shop.db"), seed_folder)
    shop.sql.execute(SHOP)
    return shop


@pytest.fixture(params=["postgres", "sqlite"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """The same shop in each database."""
    return cast("Shop", request.getfixturevalue(f"{request.param}_shop"))


@pytest.fixture
def full_shop(shop: Shop) -> Shop:
    """The shop with seed files beside it, not yet loaded; alphabetically the child comes first."""
    shop.write("customers.csv", CUSTOMERS)
    shop.write("a.txt", "not a dataset")
    shop.write("orders.ndjson", ORDERS)
    return shop
