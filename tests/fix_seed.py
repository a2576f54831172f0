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
from initkit.core.outcome import Finding, Outcome, Pending, Satisfied
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
        """Something that differs once anything was written, even the same values."""
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
        tables = self.rows(
            "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = relnamespace"
            " where relkind in ('r', 'm') and c.oid >= 16384 and nspname not like 'pg%' order by 1"
        )
        return {name: self.rows(f"select ctid::text, xmin::text, xmax::text from {name}") for (name,) in tables}


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

    def look(self, *paths: object, **given: object) -> Finding:
        """What ``--check`` finds."""
        return self.step(*paths, **given).check(make_context(looking=True))

    def lines(self, *paths: object, **given: object) -> list[str]:
        """What ``--check`` says of each dataset, as far as anything is to be done."""
        finding = self.look(*paths, **given)
        return list(finding.changes) if isinstance(finding, Pending) else [finding.detail]

    def names(self) -> list[Any]:
        return [row[0] for row in self.sql.rows("select name from customers order by id")]

    def ledger(self) -> list[tuple[Any, ...]]:
        return self.sql.rows("select dataset, table_name, mode, rows from initkit_seed order by dataset")

    def resolved(self, table: str) -> str:
        """A table's name as the ledger has it."""
        return f"{'main' if self.dialect == 'sqlite' else 'public'}.{table}"

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
