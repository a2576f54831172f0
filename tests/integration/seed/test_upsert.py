from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_seed import CUSTOMERS

from initkit.core.errors import PermanentError
from initkit.core.outcome import Pending, Status

if TYPE_CHECKING:
    from fix_seed import Shop


def test_new_rows_are_inserted_and_differing_ones_updated(shop: Shop) -> None:
    shop.sql.execute("insert into customers (id, name, email) values (1, 'Ada', 'ada@example.org'), (2, 'G.', 'g@x')")
    shop.write("customers.csv", CUSTOMERS)
    outcome = shop.seed(mode="upsert")
    assert outcome.status is Status.CHANGED
    assert outcome.detail == "1 dataset loaded: customers 1 inserted, 1 updated, 1 unchanged"
    assert outcome.facts["datasets"] == [
        {
            "dataset": "seed/customers.csv",
            "table": "customers",
            "rows": 3,
            "inserted": 1,
            "updated": 1,
            "unchanged": 1,
        }
    ]
    assert shop.names() == ["Ada", "Grace", "Edsger"]


def test_a_file_that_was_upserted_is_not_read_into_the_table_again(full_shop: Shop) -> None:
    full_shop.seed(mode="upsert")
    before = full_shop.sql.stamp()
    assert full_shop.seed(mode="upsert").detail == "2 datasets up to date"
    assert full_shop.sql.stamp() == before


def test_a_file_that_was_loaded_once_is_up_to_date_for_upsert(full_shop: Shop) -> None:
    full_shop.seed()
    assert full_shop.seed(mode="upsert").status is Status.OK


def test_check_announces_a_changed_file(full_shop: Shop) -> None:
    full_shop.seed(mode="upsert")
    full_shop.write("customers.csv", CUSTOMERS + "4,Alan,alan@example.org\n")
    finding = full_shop.step(mode="upsert").check(make_context())
    assert finding == Pending("1 dataset to load", ("customers: 4 rows from customers.csv",))


def test_unchanged_rows_are_not_written(postgres_shop: Shop) -> None:
    postgres_shop.write("customers.csv", CUSTOMERS)
    postgres_shop.seed()
    versions = "select id, xmin::text, xmax::text, ctid::text from customers order by id"
    before = postgres_shop.sql.rows(versions)
    postgres_shop.write("customers.csv", CUSTOMERS.replace("Grace", "Grace H."))
    assert postgres_shop.seed(mode="upsert").detail.endswith("0 inserted, 1 updated, 2 unchanged")
    after = postgres_shop.sql.rows(versions)
    assert [row for row in after if row in before] == [before[0], before[2]]


def test_a_file_that_only_looks_different_changes_no_row(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.seed()
    shop.write("customers.csv", 'id,email,name\r\n01,ada@example.org,"Ada"\r\n')
    outcome = shop.seed(mode="upsert")
    assert outcome.status is Status.OK
    assert outcome.detail == "1 dataset compared: customers 0 inserted, 0 updated, 1 unchanged"


def test_columns_that_an_object_does_not_mention_stay_as_they_are(full_shop: Shop) -> None:
    full_shop.seed()
    full_shop.write(
        "orders.ndjson",
        '{"id": 1, "note": "fragile"}\n{"id": 2, "quantity": 7}\n{"id": 3, "customer_id": 2, "item": "Ink"}\n',
    )
    assert full_shop.seed(mode="upsert").detail.endswith("orders 1 inserted, 2 updated, 0 unchanged")
    found = full_shop.sql.rows("select item, quantity, note from orders order by id")
    assert found == [("Pen", 1, "fragile"), ("Gear", 7, None), ("Ink", 1, None)]


def test_null_and_the_empty_string_differ(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.write("orders.csv", 'id,customer_id,item,note\n1,1,a,""\n2,1,b,\n3,1,c,\n')
    shop.seed()
    shop.write("orders.csv", 'id,customer_id,item,note\n1,1,a,\n2,1,b,""\n3,1,c,\n')
    assert shop.seed(mode="upsert").detail.endswith("orders 0 inserted, 2 updated, 1 unchanged")
    assert shop.sql.rows("select note from orders order by id") == [(None,), ("",), (None,)]


def test_a_key_of_several_columns_and_a_table_of_keys_alone_work(shop: Shop) -> None:
    shop.sql.execute("create table tags (thing integer, tag text, primary key (tag, thing))")
    shop.write("tags.csv", "thing,tag\n1,a\n1,b\n")
    shop.seed()
    shop.write("tags.csv", "thing,tag\n1,a\n2,a\n")
    assert shop.seed(mode="upsert").detail.endswith("tags 1 inserted, 0 updated, 1 unchanged")


def test_the_same_key_twice_is_refused_with_both_lines(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS + '4,"A\nB",x\n2,Alan,alan@example.org\n')
    with pytest.raises(PermanentError, match="line 7, column id: the same key stands in line 3; remove one of them"):
        shop.seed(mode="upsert")
    assert shop.names() == []


def test_a_key_that_is_null_is_refused_with_its_line(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS + ",Alan,alan@example.org\n")
    with pytest.raises(PermanentError, match="line 5, column id: the primary key is NULL"):
        shop.seed(mode="upsert")


def test_a_file_without_the_key_is_refused(shop: Shop) -> None:
    shop.write("customers.csv", "name,email\nAda,ada@example.org\n")
    with pytest.raises(PermanentError, match="there is no id, which the primary key needs; add it, or use --mode once"):
        shop.seed(mode="upsert")


def test_a_table_without_a_primary_key_is_refused(shop: Shop) -> None:
    shop.sql.execute("create table log (line text)")
    shop.write("log.csv", "line\nx\n")
    with pytest.raises(PermanentError, match="the table has no primary key; give it one, or use --mode once"):
        shop.seed(mode="upsert")


def test_a_row_that_breaks_another_constraint_changes_nothing(full_shop: Shop) -> None:
    full_shop.seed()
    full_shop.write("customers.csv", CUSTOMERS + "4,Alan,ada@example.org\n")
    with pytest.raises(PermanentError, match=r"customers: (line 2, )?column email: "):
        full_shop.seed(mode="upsert")
    assert len(full_shop.names()) == 3


def test_a_column_without_case_still_sees_that_case_has_changed(sqlite_shop: Shop) -> None:
    sqlite_shop.sql.execute("create table words (id integer primary key, word text collate nocase)")
    sqlite_shop.write("words.csv", "id,word\n1,ada\n")
    sqlite_shop.seed()
    sqlite_shop.write("words.csv", "id,word\n1,Ada\n")
    assert "1 updated" in sqlite_shop.seed(mode="upsert").detail
    assert sqlite_shop.sql.rows("select word from words") == [("Ada",)]
