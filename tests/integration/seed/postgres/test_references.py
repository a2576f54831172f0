from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.errors import PermanentError
from initkit.db.dsn import Database
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.dataset import Dataset
from initkit.steps.seed.postgres import store
from initkit.steps.seed.store import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fix_seed_postgres import Seeding

    from initkit.steps.seed.store import How

SHOP = """
create table customers (id int primary key, name text unique);
create table orders (id int primary key, customer int references customers);
insert into customers values (1, 'a'), (2, 'b'), (3, 'c'); insert into orders values (10, 1), (11, 3);
"""


@pytest.mark.parametrize("mode", ["prune", "replace"])
def test_rows_that_others_refer_to_are_not_deleted(seeding: Seeding, mode: str) -> None:
    seeding.sql(SHOP)
    how: How = "replace" if mode == "replace" else "upsert"
    given = seeding.csv("customers", "id,name\n1,a\n2,b\n", how, prune=mode == "prune")
    assert seeding.compare(given) == Counts(deleted=1, unchanged=2)
    with pytest.raises(PermanentError, match=r"cannot be deleted: .*still referenced from table.*orders"):
        seeding.load(given)
    assert seeding.rows("select count(*) from customers") == [(3,)]


@pytest.mark.parametrize("action", ["cascade", "set null", "set default"])
def test_deleting_never_changes_the_rows_of_others(seeding: Seeding, action: str) -> None:
    seeding.sql(SHOP)
    seeding.sql(
        "alter table orders drop constraint orders_customer_fkey;"
        f"alter table orders add foreign key (customer) references customers on delete {action}"
    )
    given = seeding.csv("customers", "id,name\n2,b\n", "upsert", prune=True)
    said = "2 rows are not in the file, and deleting them would change 2 rows of public.orders; delete those first"
    with pytest.raises(PermanentError, match=said):
        seeding.load(given)
    assert seeding.rows("select * from orders order by id") == [(10, 1), (11, 3)]
    seeding.sql("delete from orders")
    assert seeding.load(given) == [Counts(deleted=2, unchanged=1)]


def test_rows_of_a_partition_that_refer_to_what_goes_are_seen(seeding: Seeding) -> None:
    seeding.sql(
        "create table a (id int primary key) partition by range (id); create table a1 partition of a default;"
        "create table b (id int, a int references a on delete cascade) partition by range (id);"
        "create table b1 partition of b default; insert into a values (1), (2); insert into b values (1, 1)"
    )
    for table in ("a", "a1"):
        with pytest.raises(PermanentError, match=r"1 rows are not in the file.*would change 1 rows of public.b"):
            seeding.load(seeding.csv(table, "id\n2\n", "upsert", prune=True))


def test_parents_and_children_are_replaced_together(seeding: Seeding) -> None:
    seeding.sql(SHOP)
    parents = seeding.csv("customers", "id,name\n2,b\n4,d\n", "replace")
    children = seeding.csv("orders", "id,customer\n11,2\n12,4\n", "replace")
    assert seeding.load(parents, children) == [Counts(1, 0, 2, 1), Counts(1, 1, 1, 0)]
    assert seeding.rows("select id from customers order by id") == [(2,), (4,)]
    stamp = seeding.stamp()
    assert seeding.load(parents, children) == [Counts(unchanged=2), Counts(unchanged=2)]
    assert seeding.stamp() == stamp


def test_a_tree_in_one_table_is_loaded_and_pruned(seeding: Seeding) -> None:
    seeding.sql("create table tree (id int primary key, parent int references tree on delete cascade)")
    given = seeding.csv("tree", "id,parent\n4,2\n2,1\n1,\n3,1\n", "replace")
    assert seeding.load(given) == [Counts(inserted=4)]
    assert seeding.load(given) == [Counts(unchanged=4)]
    assert seeding.load(seeding.csv("tree", "id,parent\n1,\n3,1\n", "replace")) == [Counts(deleted=2, unchanged=2)]
    seeding.sql("insert into tree values (3, 1) on conflict do nothing")
    assert seeding.load(seeding.csv("tree", "id,parent\n3,8\n8,1\n")) == [Counts(1, 1, 0, 0)]
    for how in ("insert", "upsert"):
        with pytest.raises(PermanentError, match="line 4, column parent, value '9'"):
            seeding.load(seeding.csv("tree", "id,parent\n16,\n17,16\n18,9\n", how))


def test_a_row_takes_over_the_unique_value_of_one_that_goes(seeding: Seeding) -> None:
    seeding.sql("create table t (id int primary key, name text unique); insert into t values (1, 'a'), (2, 'b')")
    assert seeding.load(seeding.csv("t", "id,name\n2,b\n3,a\n", "replace")) == [Counts(1, 0, 1, 1)]


def test_foreign_keys_over_two_columns_are_blamed(seeding: Seeding) -> None:
    seeding.sql(
        "create table p (a int, b int, primary key (a, b)); insert into p values (1, 1);"
        "create table c (id int primary key, x int, y int, foreign key (x, y) references p)"
    )
    with pytest.raises(PermanentError, match=r"line 4, column x, y: .*\(x, y\)=\(1, 2\) is not present"):
        seeding.load(seeding.csv("c", "id,x,y\n1,1,1\n2,,2\n3,1,2\n", "insert"))


def test_rows_that_cannot_be_read_twice_are_blamed_as_well_as_can_be(seeding: Seeding) -> None:
    seeding.sql("create table p (id int primary key); create table c (id int primary key, p int references p, x int)")
    for content, how, said in (
        ("id,p,x\n1,,1\n2,,x\n", "insert", "line 3, column x"),
        ("id,p,x\n1,,1\n2,,x\n", "upsert", "line 3, column x"),
        ("id,p,x\n1,,1\n1,,2\n", "upsert", "line 3, column id: the same key stands in line 2"),
        ("id,p,x\n1,,1\n2,7,2\n", "insert", r"column p: .*\(p\)=\(7\) is not present"),
        ("id,p,x\n1,,1\n2,7,2\n", "upsert", r"line 3, column p: .*\(p\)=\(7\) is not present"),
    ):
        with _standard_input(content):
            given = seeding.csv("c", "")
            given.dataset = replace(given.dataset, path="-")
            given.how = how  # type: ignore[assignment]
            with pytest.raises(PermanentError, match=said):
                seeding.load(given)


@contextmanager
def _standard_input(content: str) -> Iterator[None]:
    read, write = os.pipe()
    os.write(write, content.encode())
    os.close(write)
    kept = os.dup(0)
    os.dup2(read, 0)
    os.close(read)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_a_row_of_sql_that_refers_to_nothing_is_not_blamed_on_a_dataset(seeding: Seeding) -> None:
    seeding.sql(
        "create table s (id int primary key);"
        "create table orders (id int primary key, s int references s deferrable initially deferred)"
    )
    sql = Dataset(str(seeding.file("x.sql", "insert into orders values (1, 5)")), "", "sql")

    def seed() -> None:
        with store.writing(Database("postgres", seeding.url, "the test"), make_context()) as opened:
            loading = seeding.csv("s", "id\n1\n").loading(opened, make_context())
            opened.load(loading)
            opened.run(Content(sql, make_context()))
            opened.settle([loading])

    with pytest.raises(PermanentError, match=r"^cannot seed: insert or update on table .orders. violates foreign key"):
        seed()


def test_a_row_of_a_partition_that_breaks_a_deferred_constraint_is_its_tables(seeding: Seeding) -> None:
    seeding.sql(
        "create table t (id int, x int, unique (id) deferrable initially deferred) partition by range (id);"
        "create table t_1 partition of t for values from (0) to (100); create table other (id int primary key)"
    )
    with pytest.raises(PermanentError, match=r"^cannot load .* into t: column id: duplicate key value .*\(id\)=\(1\)"):
        seeding.load(seeding.csv("other", "id\n1\n"), seeding.csv("t", "id,x\n1,1\n1,2\n", "insert"))
