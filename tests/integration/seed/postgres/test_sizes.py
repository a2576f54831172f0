"""Which way a merge goes depends on how large the table is beside the file: small ones go by all of them here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fix_seed_postgres import Seeding

    from initkit.steps.seed.store import How

COUNT = 3000
TABLE = "create table t (id int primary key, name text not null)"


def lines(*more: str, differing: Sequence[int] = ()) -> str:
    rows = [f"{number},{'other' if number in differing else 'n'}{number}" for number in range(1, COUNT + 1)]
    return "\n".join(["id,name", *rows, *more, ""])


@pytest.mark.parametrize(
    ("how", "counts", "first"),
    [
        ("upsert", Counts(inserted=COUNT - 2, updated=1, unchanged=1), "n1"),
        ("insert-missing", Counts(inserted=COUNT - 2, unchanged=2), "there"),
        ("replace", Counts(inserted=COUNT - 2, updated=1, deleted=1, unchanged=1), "n1"),
    ],
)
def test_few_rows_that_are_there_are_merged_with_many_new_ones(
    seeding: Seeding, how: How, counts: Counts, first: str
) -> None:
    seeding.sql(f"{TABLE}; insert into t values (1, 'there'), (2, 'n2'), (9999, 'gone')")
    given = seeding.csv("t", lines(), how)
    assert seeding.compare(given) == counts
    assert seeding.load(given) == [counts]
    assert seeding.rows("select name from t where id in (1, 2) order by id") == [(first,), ("n2",)]
    assert seeding.load(given) == [Counts(unchanged=COUNT)]


@pytest.mark.parametrize("how", ["upsert", "insert-missing"])
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("1,x", f"line {COUNT + 2}, column id, value '1': the same key stands in line 2"),
        ("7,x", f"line {COUNT + 2}, column id, value '7': the same key stands in line 8"),
        (",x", f"line {COUNT + 2}, column id"),
    ],
)
def test_a_bad_key_among_many_new_ones_is_told_with_its_line(seeding: Seeding, how: How, bad: str, said: str) -> None:
    seeding.sql(f"{TABLE}; insert into t values (1, 'there')")
    with pytest.raises(PermanentError, match=said):
        seeding.load(seeding.csv("t", lines(bad), how))
    assert seeding.rows("select id, name from t") == [(1, "there")]


@pytest.mark.parametrize("how", ["upsert", "replace"])
@pytest.mark.parametrize("differing", [[5, 1234, 2999], range(1, COUNT, 2)])
def test_rows_that_differ_in_a_table_as_large_as_the_file_are_updated(
    seeding: Seeding, how: How, differing: Sequence[int]
) -> None:
    seeding.sql(TABLE)
    seeding.load(seeding.csv("t", lines()))
    given = seeding.csv("t", lines(f"{COUNT + 1},new", differing=differing), how)
    assert seeding.load(given) == [Counts(1, len(differing), 0, COUNT - len(differing))]
    found = seeding.rows("select id from t where name like 'other%' order by id")
    assert [row[0] for row in found] == list(differing)
    assert seeding.load(given) == [Counts(unchanged=COUNT + 1)]


def test_a_key_that_stands_twice_is_told_in_a_table_as_large_as_the_file(seeding: Seeding) -> None:
    seeding.sql(TABLE)
    seeding.load(seeding.csv("t", lines()))
    with pytest.raises(PermanentError, match=f"line {COUNT + 2}, column id, value '7': the same key stands in line 8"):
        seeding.load(seeding.csv("t", lines("7,x"), "upsert"))
    assert seeding.rows("select count(*), max(name) from t") == [(COUNT, "n999")]
