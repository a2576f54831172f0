from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_guard import eventually
from fix_migrations import at_work

from initkit.core.errors import PermanentError
from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fix_seed_postgres import Loaded, Seeding

    from initkit.steps.seed.store import How

PEOPLE = "create table people (id int primary key, name text not null, email text unique, age int default 18)"
FILE = "id,name,email\n1,Ada,ada@x\n2,Grace,grace@x\n3,Edsger,edsger@x\n"


@pytest.fixture
def people(seeding: Seeding) -> Seeding:
    seeding.sql(PEOPLE)
    return seeding


@pytest.mark.parametrize("how", ["upsert", "insert-missing", "replace"])
@pytest.mark.parametrize("before", ["", "insert into people values (2, 'G', 'g@x', 1), (9, 'Old', null, 1)"])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_second_run_writes_nothing(people: Seeding, how: How, before: str, form: str) -> None:
    if before:
        people.sql(before)
    lines = (
        '{"id": 1, "name": "Ada"}\n{"name": "Grace", "id": 2, "email": "grace@x"}\n{"id": 3, "name": "E", "age": 3}\n'
    )
    given = people.csv("people", FILE, how) if form == "csv" else people.ndjson("people", lines, how)
    first = people.load(given)[0]
    assert first.changed
    assert first.rows == 3
    stamp = people.stamp()
    assert people.compare(given) == Counts(unchanged=3)
    assert people.load(given) == [Counts(unchanged=3)]
    assert people.stamp() == stamp


@pytest.mark.parametrize(
    ("how", "prune", "counts", "names"),
    [
        ("upsert", False, Counts(2, 1, 0, 0), ["Ada", "Grace", "Edsger", "Old"]),
        ("upsert", True, Counts(2, 1, 1, 0), ["Ada", "Grace", "Edsger"]),
        ("replace", False, Counts(2, 1, 1, 0), ["Ada", "Grace", "Edsger"]),
        ("insert-missing", False, Counts(2, 0, 0, 1), ["Ada", "G", "Edsger", "Old"]),
    ],
)
def test_a_look_counts_what_a_load_does(
    people: Seeding,
    how: How,
    prune: bool,  # noqa: FBT001 - a parameter of the test
    counts: Counts,
    names: list[str],
) -> None:
    people.sql("insert into people values (2, 'G', 'g@x', 1), (9, 'Old', null, 1)")
    given = people.csv("people", FILE, how, prune=prune)
    stamp = people.stamp()
    assert people.compare(given) == counts
    assert people.stamp() == stamp
    assert people.load(given) == [counts]
    assert people.rows("select name from people order by id") == [(name,) for name in names]
    assert people.rows("select age from people where id = 2") == [(1,)]


def test_a_large_table_and_a_small_one_are_merged_alike(people: Seeding) -> None:
    people.sql("insert into people select n, 'n' || n, n || '@x', n from generate_series(1, 20000) n")
    changed = "id,name,email\n" + "".join(f"{n},{'N' if n % 100 == 0 else 'n'}{n},{n}@x\n" for n in range(1, 20101))
    given = people.csv("people", changed)
    assert people.compare(given) == Counts(100, 201 - 1, 0, 19800)
    assert people.load(given) == [Counts(100, 200, 0, 19800)]
    people.sql("delete from people where id > 10; update people set name = 'other' where id = 1")
    assert people.load(given) == [Counts(20090, 1, 0, 9)]
    assert people.load(given) == [Counts(unchanged=20100)]


def test_rows_that_mention_other_columns_change_only_those(people: Seeding) -> None:
    people.sql("insert into people values (1, 'Ada', 'ada@x', 36), (2, 'Grace', 'grace@x', 85)")
    lines = "".join(f'{{"id": {n}, "{"age" if n % 2 else "email"}": {n}, "name": "n"}}\n' for n in range(1, 101))
    assert people.load(people.ndjson("people", lines)) == [Counts(98, 2, 0, 0)]
    assert people.rows("select * from people where id in (1, 2, 99, 100) order by id") == [
        (1, "n", "ada@x", 1),
        (2, "n", "2", 85),
        (99, "n", None, 99),
        (100, "n", "100", 18),
    ]
    assert people.load(people.ndjson("people", lines)) == [Counts(unchanged=100)]


def test_rows_that_leave_out_this_and_that_default_are_all_inserted(people: Seeding) -> None:
    ages = {True: ', "age": 5', False: ""}
    lines = "".join(f'{{"id": {n}, "name": "n"{ages[n % 3 > 0]}}}\n' for n in range(1, 3001))
    assert people.load(people.ndjson("people", lines, "insert")) == [Counts(inserted=3000)]
    assert people.rows("select age, count(*) from people group by 1 order by 1") == [(5, 2000), (18, 1000)]
    people.sql("truncate people")
    assert people.load(people.ndjson("people", lines, "upsert")) == [Counts(inserted=3000)]
    assert people.rows("select age, count(*) from people group by 1 order by 1") == [(5, 2000), (18, 1000)]


def test_a_table_without_a_key_is_replaced_as_a_multiset(seeding: Seeding) -> None:
    seeding.sql(
        "create table bag (n serial, a text, j json);"
        """insert into bag (a, j) values ('x', '1'), ('x', '1'), ('x', '1'), (null, '{"a": 1}'), ('gone', null)"""
    )
    given = seeding.ndjson(
        "bag", '{"a": "x", "j": 1}\n{"a": null, "j": {"a": 1}}\n{"a": "", "j": null}\n{"a": "x", "j": 1}\n', "replace"
    )
    assert seeding.compare(given) == Counts(1, 0, 2, 3)
    assert seeding.load(given) == [Counts(1, 0, 2, 3)]
    assert seeding.rows("select n, a from bag order by n") == [(1, "x"), (2, "x"), (4, None), (6, "")]
    stamp = seeding.stamp()
    assert seeding.load(given) == [Counts(unchanged=4)]
    assert seeding.stamp() == stamp


def test_a_table_without_a_key_cannot_tell_rows_with_different_defaults_apart(seeding: Seeding) -> None:
    seeding.sql("create table bag (a text, b int default 1); insert into bag values ('x', 1)")
    with pytest.raises(PermanentError, match="leave out different columns"):
        seeding.load(seeding.ndjson("bag", '{"a": "x"}\n{"a": "y", "b": 2}\n', "replace"))


def test_rows_are_known_by_the_columns_that_are_named(people: Seeding) -> None:
    people.sql("insert into people values (7, 'A', 'ada@x', 36)")
    assert people.load(people.csv("people", "name,email\nAda,ada@x\n", key=["email"])) == [Counts(updated=1)]
    assert people.rows("select id, name from people") == [(7, "Ada")]


def test_a_key_without_an_index_counts_where_it_is_unique(seeding: Seeding) -> None:
    seeding.sql(
        "create table t (a text, b text); insert into t values ('x', '1'), ('y', '2'), (null, 'n'), (null, 'n')"
    )
    given = seeding.csv("t", "a,b\nx,one\nz,three\n", key=["a"])
    assert seeding.load(given) == [Counts(1, 1, 0, 0)]
    assert seeding.load(given) == [Counts(unchanged=2)]
    seeding.sql("insert into t values ('y', '3')")
    for attempt in (seeding.load, seeding.compare):
        with pytest.raises(PermanentError, match="the key a is not unique in the table: y stands there more than once"):
            attempt(given)


def test_a_key_of_a_deferrable_constraint_counts(seeding: Seeding) -> None:
    seeding.sql("create table t (id int primary key deferrable, x text); insert into t values (1, 'a')")
    assert seeding.load(seeding.csv("t", "id,x\n1,b\n2,c\n")) == [Counts(1, 1, 0, 0)]


@pytest.mark.parametrize("rows", [0, 5])
def test_a_file_without_rows_changes_nothing_but_what_is_pruned(people: Seeding, rows: int) -> None:
    people.sql(f"insert into people select n, 'n' from generate_series(1, {rows}) n")
    assert people.load(people.csv("people", "id,name\n", "upsert")) == [Counts()]
    assert people.load(people.csv("people", "id,name\n", "replace")) == [Counts(deleted=rows)]


@contextmanager
def waiting_load(
    people: Seeding, given: Loaded, theirs: str, voice: RecordingVoice | None = None
) -> Iterator[list[Counts]]:
    """A load that waits for what another session has written; after the block that is committed, and the load ends."""
    found: list[Counts] = []
    thread = threading.Thread(target=lambda: found.extend(people.load(given, context=make_context(voice=voice))))
    with psycopg.connect(people.url) as other:
        other.execute(theirs.encode())
        thread.start()
        eventually(lambda: at_work(people.url, "people", blocked=True), "that it waits")
        yield found
        other.commit()
        thread.join()


@pytest.mark.parametrize("how", ["upsert", "insert-missing"])
def test_a_key_that_another_session_inserts_meanwhile_is_no_error(people: Seeding, how: How) -> None:
    """The other's row is not visible when we look, and there when we insert."""
    people.sql("insert into people values (50, 'x', null, 1)")
    theirs = "insert into people values (2, 'Theirs', 'theirs@x', 1)"
    with waiting_load(people, people.csv("people", FILE, how), theirs) as found:
        assert found == []
    expected = [("Ada", 18), ("Grace" if how == "upsert" else "Theirs", 1), ("Edsger", 18)]
    assert people.rows("select name, age from people where id < 9 order by id") == expected
    assert [counts.deleted for counts in found] == [0]


def test_a_row_that_another_session_changes_meanwhile_is_updated_all_the_same(people: Seeding) -> None:
    people.sql("insert into people select n, 'n', n || '@x', n from generate_series(1, 1000) n")
    lines = "id,name,email\n" + "".join(f"{n},m,{n}@x\n" for n in range(1, 1001))
    with waiting_load(people, people.csv("people", lines), "update people set age = 99 where id = 500") as found:
        assert found == []
    assert people.rows("select count(*) from people where name = 'm'") == [(1000,)]
    assert people.rows("select age from people where id = 500") == [(99,)]


def test_progress_is_shown_until_the_database_has_merged(people: Seeding) -> None:
    people.sql("insert into people values (2, 'G', 'g@x', 1)")
    voice = RecordingVoice()
    with waiting_load(people, people.csv("people", FILE), "update people set age = 99 where id = 2", voice):
        assert voice.progressed[-1][1] == "3 rows, 0 MB read; the database merges them"
        assert voice.dones == []
