"""A SQLite file, and datasets that are brought into its tables by the store itself, without the step around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context
from fix_seed import Sqlite

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.dataset import Dataset
from initkit.steps.seed.sqlite import store
from initkit.steps.seed.store import Loading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from initkit.core.step import Context
    from initkit.steps.seed.store import Counts, How, Store


class SqliteDesk(Sqlite):
    """One file, a folder for datasets, and the store."""

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(path)
        self.folder = folder

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(self, *names: str, context: Context | None = None, **given: Any) -> Counts:
        """Load datasets in one transaction; return what the last of them came to."""
        context = context or make_context()
        with store.writing(str(self.path), context) as opened:
            loadings = [self._loading(opened, name, context, **given) for name in names]
            counts = [opened.load(loading) for loading in loadings]
            opened.settle(loadings)
        return counts[-1]

    def compare(self, name: str, **given: Any) -> Counts:
        context = make_context()
        with store.reading(str(self.path), context) as opened:
            return opened.compare(self._loading(opened, name, context, **given))

    def refused(self, *names: str, **given: Any) -> str:
        """The message, once it is clear that nothing was written."""
        self.path.with_name(self.path.name + ".initkit-lock").touch()  # it stays once anything was to be written
        before = self.stamp()
        with pytest.raises(PermanentError) as caught:
            self.load(*names, **given)
        assert self.stamp() == before
        return str(caught.value).replace(f"{self.folder}/", "")

    def _loading(
        self,
        opened: Store,
        name: str,
        context: Context,
        *,
        how: How = "upsert",
        key: Sequence[str] | None = None,
        prune: bool = False,
    ) -> Loading:
        table_name, _, suffix = name.rpartition(".")
        table = opened.table(table_name)
        assert table
        dataset = Dataset(str(self.folder / name), table_name, suffix)  # type: ignore[arg-type] # of the formats' names
        return Loading(Content(dataset, context), table, how, table.key if key is None else tuple(key), prune)


@pytest.fixture
def desk(tmp_path: Path) -> SqliteDesk:
    (tmp_path / "data").mkdir()
    (tmp_path / "seed").mkdir()
    desk = SqliteDesk(tmp_path / "data" / "it.db", tmp_path / "seed")
    desk.execute("create table users (id integer primary key, name text not null, age integer)")
    return desk
