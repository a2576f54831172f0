"""Objects, by whatever format they came, to rows: which columns they name, and what is text in them."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from initkit.steps.seed.content.expanding import expanded_value
from initkit.steps.seed.content.faults import bad_row, refuse_columns, refuse_missing
from initkit.steps.seed.content.reading import Batch, ByColumn
from initkit.steps.seed.content.values import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.tables import Table

Object = dict[str, Any]
MOST_ROWS = 1000  # of a batch
_LARGEST = 1 << 20  # characters of a batch


class Found(NamedTuple):
    """An object in a file: the line where it begins, how many characters it has at most, and whether NUL may be one."""

    object: Object
    line: int
    size: int
    has_nul: bool = False


class _Shape(NamedTuple):
    """What the names in an object mean: the columns that they are, and in which place of a row each is, -1 for none."""

    given: frozenset[str]
    places: tuple[int, ...]


class Objects:
    """Makes rows of objects; what they name is looked at once for all that name the same.

    Attributes:
        dataset: where they come from.
        columns: all that the table has and that can be written.
    """

    def __init__(self, dataset: Dataset, table: Table, environ: Mapping[str, str], *, complete: bool) -> None:
        self.dataset = dataset
        self.columns = table.writable
        self._table = table
        self._environ = environ
        self._complete = complete
        self._renamed = dict(dataset.form.renamed)
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def gathered(self, found: Iterable[Found]) -> Iterator[Batch]:
        """The rows of objects that come one by one.

        Raises:
            PermanentError: as `batches`.
        """
        kept: list[Found] = []
        size = 0
        for one in found:
            kept.append(one)
            size += one.size
            if len(kept) == MOST_ROWS or size > _LARGEST:
                yield from self._gathered(kept)
                kept, size = [], 0
        if kept:
            yield from self._gathered(kept)

    def _gathered(self, found: list[Found]) -> Iterator[Batch]:
        objects, lines, _, nuls = zip(*found, strict=True)
        return self.batches(objects, lines, has_nul=any(nuls))

    def batches(self, objects: Sequence[Object], lines: Sequence[int], *, has_nul: bool = False) -> Iterator[Batch]:
        """Their rows.

        Args:
            objects: some 1,000.
            lines: where each begins.
            has_nul: whether a NUL character may be in one.

        Raises:
            PermanentError: something is named that is not in the table, or cannot be text.
        """
        if self.dataset.form.expand:
            objects = [
                {name: self._expanded(value, line, name) for name, value in found.items()}
                for found, line in zip(objects, lines, strict=True)
            ]
        keys = list(map(tuple, objects))
        shapes = [self._shape(names, lines[keys.index(names)]) for names in dict.fromkeys(keys)]
        rows = self._uniform(objects, shapes[0]) if len(shapes) == 1 else self._various(objects, keys)
        if has_nul:
            self._refuse_nul(rows, lines)
        if len({shape.given for shape in shapes}) == 1:
            yield Batch(shapes[0].given, rows, lines)
            return
        givens = [self._shapes[names].given for names in keys]
        for given, found in groupby(zip(givens, rows, lines, strict=True), key=itemgetter(0)):
            _, some, places = zip(*found, strict=True)
            yield Batch(given, some, places)

    def _shape(self, names: tuple[str, ...], line: int) -> _Shape:
        if names in self._shapes:
            return self._shapes[names]
        dataset, table = self.dataset, self._table
        meant = [self._renamed.get(name, name) for name in names]
        refuse_columns(dataset, table, [name for name in meant if name], line)
        known = [table.columns[name].name if name else "" for name in meant]
        given = frozenset(known) - {""}
        if len(given) < len([name for name in known if name]):
            twice = next(name for name in known if name and known.count(name) > 1)
            raise bad_row(dataset, line, "it is named twice", column=twice)
        if not given:
            raise bad_row(dataset, line, "it names no column")
        if self._complete:
            refuse_missing(dataset, table, given, line)
        places = {name: place for place, name in enumerate(self.columns)}
        self._shapes[names] = _Shape(given, tuple(places.get(name, -1) for name in known))
        return self._shapes[names]

    def _uniform(self, objects: Sequence[Object], shape: _Shape) -> ByColumn:
        found = dict(zip(shape.places, zip(*map(dict.values, objects), strict=True), strict=True))
        return self._rows([found.get(place) for place in range(len(self.columns))], len(objects))

    def _various(self, objects: Sequence[Object], keys: list[tuple[str, ...]]) -> ByColumn:
        columns: list[list[Any]] = [[None] * len(objects) for _ in self.columns]
        for number, (found, names) in enumerate(zip(objects, keys, strict=True)):
            for place, value in zip(self._shapes[names].places, found.values(), strict=True):
                if place >= 0:
                    columns[place][number] = value
        return self._rows(columns, len(objects))

    def _rows(self, columns: Sequence[Sequence[Any] | None], count: int) -> ByColumn:
        nothing = [None] * count
        known = [self._table.columns[name] for name in self.columns]
        pairs = zip(columns, known, strict=True)
        found = [nothing if values is None else texts(values, column) for values, column in pairs]
        return ByColumn(found)

    def _refuse_nul(self, rows: Sequence[Sequence[str | None]], lines: Sequence[int]) -> None:
        for row, line in zip(rows, lines, strict=True):
            for value, column in zip(row, self.columns, strict=True):
                if value and "\0" in value:
                    raise bad_row(self.dataset, line, "it holds a NUL character", column=column, advice="remove it")

    def _expanded(self, value: Any, line: int, column: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        if isinstance(value, str):
            # what is typed by how it is written stays so
            return type(value)(expanded_value(value, self.dataset, line, column, self._environ))
        if isinstance(value, list):
            return [self._expanded(item, line, column) for item in value]
        if isinstance(value, dict):
            return {name: self._expanded(item, line, column) for name, item in value.items()}
        return value
