"""A PostgreSQL database and files, loaded by the store itself, without the step around it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_seed import Postgres

from initkit.db.dsn import Database
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.dataset import Dataset, Form
from initkit.steps.seed.postgres import store
from initkit.steps.seed.store import Loading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fix_pg_clusters import Cluster

    from initkit.core.step import Context
    from initkit.steps.seed.dataset import Format
    from initkit.steps.seed.store import Counts, How, Store

_FORMATS: dict[str, Format] = {".csv": "csv", ".ndjson": "ndjson", ".sql": "sql"}


class Loaded:
    """What a test gives to be loaded."""

    def __init__(self, table: str, path: Path, how: How, key: Sequence[str], *, prune: bool, form: Form) -> None:
        self.dataset = Dataset(str(path), table, _FORMATS[path.suffix], form=form)
        self.how: How = how
        self.key = tuple(key)
        self.prune = prune

    def loading(self, opened: Store, context: Context) -> Loading:
        table = opened.table(self.dataset.table)
        assert table is not None
        content = Content(self.dataset, context)
        return Loading(content, table, self.how, self.key or table.key, self.prune)


class Seeding(Postgres):
    """A database of one test's own, a folder for files, and the store."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url)
        self.folder = folder
        self._number = 0

    def sql(self, script: str) -> None:
        self.execute(script)

    def file(self, name: str, content: str | bytes) -> Path:
        self._number += 1
        path = self.folder / f"{self._number}-{name}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def csv(
        self,
        table: str,
        content: str | bytes,
        how: How = "upsert",
        key: Sequence[str] = (),
        *,
        prune: bool = False,
        form: Form = Form(),  # noqa: B008 - it is immutable
    ) -> Loaded:
        return Loaded(table, self.file("x.csv", content), how, key, prune=prune, form=form)

    def ndjson(
        self, table: str, content: str, how: How = "upsert", key: Sequence[str] = (), *, prune: bool = False
    ) -> Loaded:
        return Loaded(table, self.file("x.ndjson", content), how, key, prune=prune, form=Form())

    def load(self, *given: Loaded, context: Context | None = None) -> list[Counts]:
        """Load all of them in one transaction, as the step does."""
        context = context or make_context()
        with store.writing(Database("postgres", self.url, "the test"), context) as opened:
            loadings = [one.loading(opened, context) for one in given]
            counts = [opened.load(one) for one in loadings]
            opened.settle(loadings)
        return counts

    def compare(self, given: Loaded, context: Context | None = None) -> Counts:
        context = context or make_context()
        with store.reading(Database("postgres", self.url, "the test"), context) as opened:
            return opened.compare(given.loading(opened, context))

    def run(self, script: str, context: Context | None = None) -> int:
        context = context or make_context()
        dataset = Dataset(str(self.file("x.sql", script)), "", "sql")
        with store.writing(Database("postgres", self.url, "the test"), context) as opened:
            return opened.run(Content(dataset, context))


@pytest.fixture
def seeding(postgres_url: str, tmp_path: Path) -> Seeding:
    return Seeding(postgres_url, tmp_path)


@pytest.fixture
def debian_seeding(german: Cluster, tmp_path: Path) -> Iterator[Seeding]:
    """On a server with all that a distribution's package brings: citext, collations by ICU, XML."""
    name = f"seed_{uuid.uuid4().hex[:12]}"
    with german.connect(database="postgres") as connection:
        connection.execute(f"create database {name}")
        yield Seeding(german.url(database=name), tmp_path)
        connection.execute(f"drop database {name} with (force)")
