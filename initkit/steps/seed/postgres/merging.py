"""The statements that merge a staging table into a table of PostgreSQL without writing what is unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initkit.steps.seed.staging import KEYS, STAGING
from initkit.steps.seed.tables import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.postgres.catalog import Relation
    from initkit.steps.seed.store import Loading

STAGED = f"pg_temp.{STAGING}"
DELTA = "pg_temp.initkit_delta"
# its columns, next to those of the table, which may be called anything
FRESH, _TAB, _TID = "initkit_fresh", "initkit_tab", "initkit_tid"
Sets = tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Merging:
    """How the rows of a staging table, as ``s``, become rows of a table, as ``t``.

    Attributes:
        sets: the sets of columns that rows mention, each with its number.
        yielding: whether what others do meanwhile is reckoned with: they insert the same key, or change rows that
            have got another place by it.
    """

    loading: Loading
    relation: Relation
    sets: Sets
    yielding: bool = False

    def updating(self, number: int, given: Sequence[str], source: str = STAGED, upto: str = "") -> str:
        """The statement that updates what differs, of the rows with one set of columns; empty where nothing can."""
        others = self._others(given)
        if self.loading.how == "insert-missing" or not others:
            return ""
        values = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in others)
        # by place is faster; that it still is the same row, the key says
        there = f"t.ctid = s.{_TID} and t.tableoid = s.{_TAB} and " if source == DELTA and not self.yielding else ""
        return (
            f"update {self.relation.only} as t set {values} from {source} s "  # noqa: S608 - identifiers are quoted
            f"where {self._of_set(number)}{upto}{there}{self.same_key()} and ({self._differs(others)})"
        )

    def inserting(self, number: int, given: Sequence[str], source: str = STAGED, upto: str = "") -> str:
        """The statement that inserts what is new, of the rows with one set of columns."""
        table = self.loading.table
        # defaults are to be given out in the order of the file
        ordered = " order by s.ctid" if source == STAGED and table.defaults.difference(given) else ""
        which = f"{self._of_set(number)}{upto}{self._is_new(source)}{ordered}"
        return (
            f"insert into {self.relation.identity} as t ({listed(given)}) overriding system value "  # noqa: S608 - as above
            f"select {_of('s', given)} from {source} s where {which}{self._on_conflict(given)}"
        )

    def _is_new(self, source: str) -> str:
        if self.loading.how == "insert":
            return "true"
        if source == DELTA:
            return f"s.{FRESH}"
        return f"not exists (select from {self.relation.only} t where {self.same_key()})"

    def _on_conflict(self, given: Sequence[str]) -> str:
        """What ON CONFLICT costs, three times the time, is not paid where there is no conflict."""
        if self.loading.how == "insert" or not self.yielding:
            return ""
        target = f" on conflict ({listed(self.loading.key)})"
        others = self._others(given)
        if self.loading.how == "insert-missing" or not others:
            return f"{target} do nothing"
        values = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in others)
        return f"{target} do update set {values} where {self._differs(others, 'excluded')}"

    def delta(self) -> str:
        """The statement that gathers what is new or differs, in one pass over both."""
        which = f"where {self._is_fresh()} or {self._any_differs()}"
        return self._gathering(f", {self._is_fresh()} as {FRESH}", f"{self._beside()} {which}")

    def meeting(self) -> str:
        """The statement that gathers the rows whose key is in the table, for where they are few."""
        return self._gathering("", f"join {self.relation.only} t on {self.same_key()}")

    @staticmethod
    def _gathering(more: str, joined: str) -> str:
        return (
            f"create temp table {DELTA} on commit drop as "  # noqa: S608 - as above
            f"select s.*, t.tableoid as {_TAB}, t.ctid as {_TID}{more} from {STAGED} s {joined}"
        )

    def meets_twice(self) -> str:
        """The query for whether two rows of those gathered have the same key."""
        return f"select count(*) <> count(distinct ({_TAB}, {_TID})) from {DELTA}"  # noqa: S608 - constants

    def counting(self) -> str:
        """The query that counts what is new and what differs."""
        return (
            f"select count(*) filter (where {self._is_fresh()}), "  # noqa: S608 - as above
            f"count(*) filter (where not ({self._is_fresh()}) and {self._any_differs()}) "
            f"from {STAGED} s {self._beside()}"
        )

    def moved(self) -> str:
        """The query for the first row that would change an identity column, which no UPDATE can."""
        fixed = [name for name in self.relation.fixed if name not in self.loading.key]
        different = " or ".join(
            f"({self._of_set(number)}({self._differs(names)}))"
            for number, given in self.sets
            if (names := [name for name in given if name in fixed])
        )
        if self.loading.how == "insert-missing" or not different:
            return ""
        return (
            f"select s.ctid::text from {STAGED} s join {self.relation.only} t "  # noqa: S608 - as above
            f"on {self.same_key()} where {different} order by s.ctid limit 1"
        )

    def left(self, columns: str) -> str:
        """The query for the rows of the table whose key is not in the file."""
        return (
            f"select {columns} from {self.relation.only} t "  # noqa: S608 - as above
            f"where not exists (select from {STAGED} s where {self.same_key()})"
        )

    def same_key(self) -> str:
        """That a row of the file and one of the table have the same key."""
        return " and ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in self.loading.key)

    def _beside(self) -> str:
        return f"left join {self.relation.only} t on {self.same_key()}"

    def _is_fresh(self) -> str:
        return f"t.{quoted(self.loading.key[0])} is null"

    def _of_set(self, number: int) -> str:
        return f"s.{KEYS} = {number} and " if len(self.sets) > 1 else ""

    def _others(self, given: Sequence[str]) -> list[str]:
        return [name for name in given if name not in self.loading.key and name not in self.relation.fixed]

    def _any_differs(self) -> str:
        if self.loading.how == "insert-missing":
            return "false"
        found = [
            f"({self._of_set(number)}({self._differs(others)}))"
            for number, given in self.sets
            if (others := self._others(given))
        ]
        return f"({' or '.join(found)})" if found else "false"

    def _differs(self, names: Sequence[str], other: str = "s") -> str:
        by_value = [name for name in names if name not in self.relation.as_text]
        # comparing rows is faster than as many comparisons
        found = [f"({_of('t', by_value)}) is distinct from ({_of(other, by_value)})"] if by_value else []
        found += [
            f't.{quoted(name)}::text collate "C" is distinct from {other}.{quoted(name)}::text collate "C"'
            for name in names
            if name in self.relation.as_text
        ]
        return " or ".join(found)


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{quoted(name)}" for name in names)


@dataclass(frozen=True)
class Difference:
    """What has to be inserted and deleted so that a table without a key holds the same rows as the staging table.

    Rows are the same where they read the same, and as often as there are of them on both sides.
    """

    relation: Relation
    columns: tuple[str, ...]

    def missing(self) -> str:
        """The places in the staging table of the rows that the table lacks."""
        return self._beyond("s.tid", self._numbered(STAGED, "ctid as tid"), self._numbered(self.relation.only, "1"))

    def surplus(self) -> str:
        """The places of the table's rows that the staging table lacks."""
        ours = self._numbered(self.relation.only, "tableoid as tab, ctid as tid")
        return self._beyond("s.tab, s.tid", ours, self._numbered(STAGED, "1"))

    def inserting(self, upto: str = "") -> str:
        """The statement that inserts what is missing."""
        return (
            f"insert into {self.relation.identity} ({listed(self.columns)}) overriding system value "  # noqa: S608 - as above
            f"select {_of('s', self.columns)} from {STAGED} s where {upto}s.ctid in ({self.missing()}) order by s.ctid"
        )

    def _numbered(self, source: str, places: str) -> str:
        row = f'row({listed(self.columns)})::text collate "C"'
        return (
            f"select {places}, {row} as content, "  # noqa: S608 - as above
            f"row_number() over (partition by {row} order by ctid) as number from {source}"
        )

    @staticmethod
    def _beyond(places: str, ours: str, theirs: str) -> str:
        return (
            f"select {places} from ({ours}) s "  # noqa: S608 - as above
            f"where not exists (select from ({theirs}) o where o.content = s.content and o.number = s.number)"
        )
