from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from fix_seed_sqlite import SqliteDesk

Row = dict[str, Any]
DEFAULTS: Row = {"a": None, "n": None, "d": "usual"}
VALUES = {
    "a": st.none() | st.sampled_from(["", "x", "X", "0", "1.0", " ", "ä", "a,b", '"', "\n"]),
    "n": st.none() | st.integers(-2, 2),
    "d": st.none() | st.sampled_from(["usual", "other"]),
}
HOW = st.sampled_from(["upsert", "insert-missing", "replace", "prune"])


@st.composite
def files(draw: st.DrawFn) -> list[Row]:
    """Objects with a key of two columns, each with some of the others."""
    keys = draw(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("pq")), unique=True, max_size=6))
    return [
        {"k": k, "l": l} | {name: draw(VALUES[name]) for name in sorted(draw(st.sets(st.sampled_from(list(VALUES)))))}
        for k, l in keys  # noqa: E741 - the second column's name
    ]


def expected(table: dict[Any, Row], rows: list[Row], how: str) -> tuple[dict[Any, Row], Counts]:
    """What a file makes of a table, by the plainest means."""
    found = {key: dict(row) for key, row in table.items()}
    inserted = updated = deleted = 0
    for row in rows:
        key = (row["k"], row["l"])
        if key not in table:
            found[key] = {"k": key[0], "l": key[1], **DEFAULTS, **row}
            inserted += 1
        elif how != "insert-missing" and found[key] != {**found[key], **row}:
            found[key] |= row
            updated += 1
    if how in {"replace", "prune"}:
        gone = table.keys() - {(row["k"], row["l"]) for row in rows}
        deleted = len(gone)
        found = {key: row for key, row in found.items() if key not in gone}
    return found, Counts(inserted, updated, deleted, len(rows) - inserted - updated)


def test_files_make_of_a_table_what_a_dictionary_would_become(desk: SqliteDesk) -> None:
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["", " without rowid"]), st.lists(st.tuples(files(), HOW), min_size=1, max_size=4))
    def check(form: str, runs: list[tuple[list[Row], str]]) -> None:
        columns = "k integer not null, l text not null, a text, n integer, d text default 'usual'"
        desk.execute(f"drop table if exists t; create table t ({columns}, primary key (l, k)){form}")
        table: dict[Any, Row] = {}
        for rows, how in runs:
            desk.write("t.ndjson", "".join(json.dumps(row) + "\n" for row in rows))
            way = {"how": "upsert", "prune": True} if how == "prune" else {"how": how}
            table, counts = expected(table, rows, how)
            assert desk.compare("t.ndjson", **way) == counts
            assert desk.load("t.ndjson", **way) == counts
            names = ("k", "l", "a", "n", "d")
            there = [dict(zip(names, row, strict=True)) for row in desk.rows(f"select {', '.join(names)} from t")]
            assert {(row["k"], row["l"]): row for row in there} == table
            stamp = desk.stamp()
            assert desk.load("t.ndjson", **way) == Counts(unchanged=len(rows))
            assert desk.stamp() == stamp

    check()


def test_replacing_without_a_key_leaves_exactly_the_rows_of_the_file(desk: SqliteDesk) -> None:
    row = st.tuples(VALUES["a"], VALUES["n"])

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(row, max_size=6), min_size=1, max_size=4))
    def check(runs: list[list[tuple[Any, Any]]]) -> None:
        desk.execute("drop table if exists t; create table t (a text collate nocase, n integer)")
        before: list[tuple[Any, Any]] = []
        for rows in runs:
            desk.write("t.ndjson", "".join(json.dumps({"a": a, "n": n}) + "\n" for a, n in rows))
            rest = list(before)
            for one in rows:
                if one in rest:
                    rest.remove(one)
            kept = len(before) - len(rest)
            counts = desk.load("t.ndjson", how="replace")
            assert counts == Counts(len(rows) - kept, 0, len(rest), kept)
            assert sorted(desk.rows("select * from t"), key=repr) == sorted(rows, key=repr)
            before = rows

    check()
