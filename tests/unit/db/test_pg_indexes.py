"""Names of indexes are read out of the statements that make them."""

from __future__ import annotations

import pytest

from initkit.db.pg.indexes import IndexName, concurrent_index, parse


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("create index concurrently i on t (a)", IndexName("i", "", "t")),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS I ON ONLY S.T USING gin (a);", IndexName("i", "s", "t")),
        ('create index concurrently "I""x" on "S; 1"."T" (a)', IndexName('I"x', "S; 1", "T")),
        ("-- why\ncreate /* so */ index concurrently Ä1 on b (c);;\n", IndexName("Ä1", "", "b")),
        ('create index concurrently "on" on t (a)', IndexName("on", "", "t")),
        ("create index concurrently on t (a)", None),
        ("create index i on t (a)", None),
        ("create index concurrently on on t (a)", None),
        ("drop index concurrently i", None),
        ("create index concurrently i on t (a); select 1", None),
        ("select 'create index concurrently i on t (a)'", None),
        ("", None),
    ],
)
def test_the_name_is_read(statement: str, index: IndexName | None) -> None:
    assert concurrent_index(statement) == index


@pytest.mark.parametrize("index", [IndexName("i", "s"), IndexName('I"x', 'S".1'), IndexName("Ä b")])
def test_a_name_that_is_written_can_be_read(index: IndexName) -> None:
    assert parse(index.sql) == index


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the name of an index"):
        parse("(1)")
