from __future__ import annotations

from typing import TYPE_CHECKING, cast

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
    (facts,) = cast("list[dict[str, object]]", outcome.facts["datasets"])
    assert (facts["mode"], facts["inserted"], facts["updated"], facts["unchanged"]) == ("upsert", 1, 1, 1)
    assert shop.ledger() == [("seed/customers.csv", shop.resolved("customers"), "upsert", 3)]
    assert shop.names() == ["Ada", "Grace", "Edsger"]


def test_what_was_changed_in_the_table_is_put_right_again(full_shop: Shop) -> None:
    full_shop.seed(mode="upsert")
    full_shop.sql.execute("update customers set name = 'Nobody' where id = 2; delete from orders where id = 1")
    outcome = full_shop.seed(mode="upsert")
    assert outcome.detail == "2 datasets loaded: customers 1 updated, 2 unchanged, orders 1 inserted, 1 unchanged"
    assert full_shop.names() == ["Ada", "Grace", "Edsger"]


def test_a_file_that_was_loaded_once_is_up_to_date_for_upsert(full_shop: Shop) -> None:
    full_shop.seed()
    assert full_shop.seed(mode="upsert").status is Status.OK


def test_check_announces_a_changed_file(full_shop: Shop) -> None:
    full_shop.seed(mode="upsert")
    full_shop.write("customers.csv", CUSTOMERS + "4,Alan,alan@example.org\n")
    assert full_shop.lines(mode="upsert") == ["customers: 1 to insert", "orders: up to date"]


def test_a_look_that_is_to_be_cheap_leaves_comparing_to_the_work(full_shop: Shop) -> None:
    full_shop.seed()
    finding = full_shop.step(mode="upsert").check(make_context())
    assert isinstance(finding, Pending)
    assert finding.detail == "2 datasets to compare"


def test_unchanged_rows_are_not_written(postgres_shop: Shop) -> None:
    postgres_shop.write("customers.csv", CUSTOMERS)
    postgres_shop.seed()
    versions = "select id, xmin::text, xmax::text, ctid::text from customers order by id"
    before = postgres_shop.sql.rows(versions)
    postgres_shop.write("customers.csv", CUSTOMERS.replace("Grace", "Grace H."))
    assert postgres_shop.seed(mode="upsert").detail.endswith("customers 1 updated, 2 unchanged")
    after = postgres_shop.sql.rows(versions)
    assert [row for row in after if row in before] == [before[0], before[2]]


def test_a_file_that_only_looks_different_changes_no_row(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.seed()
    shop.write("customers.csv", 'id,email,name\r\n01,ada@example.org,"Ada"\r\n')
    outcome = shop.seed(mode="upsert")
    assert outcome.status is Status.OK
    assert outcome.detail == "1 dataset up to date"
    assert "updated" not in str(shop.lines(mode="upsert"))


def test_columns_that_an_object_does_not_mention_stay_as_they_are(full_shop: Shop) -> None:
    full_shop.seed()
    full_shop.write(
        "orders.ndjson",
        '{"id": 1, "note": "fragile"}\n{"id": 2, "quantity": 7}\n{"id": 3, "customer_id": 2, "item": "Ink"}\n',
    )
    assert full_shop.seed(mode="upsert").detail.endswith("orders 1 inserted, 2 updated; 1 up to date")
    found = full_shop.sql.rows("select item, quantity, note from orders order by id")
    assert found == [("Pen", 1, "fragile"), ("Gear", 7, None), ("Ink", 1, None)]


def test_null_and_the_empty_string_differ(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.write("orders.csv", 'id,customer_id,item,note\n1,1,a,""\n2,1,b,\n3,1,c,\n')
    shop.seed()
    shop.write("orders.csv", 'id,customer_id,item,note\n1,1,a,\n2,1,b,""\n3,1,c,\n')
    assert shop.seed(mode="upsert").detail.endswith("orders 2 updated, 1 unchanged; 1 up to date")
    assert shop.sql.rows("select note from orders order by id") == [(None,), ("",), (None,)]


def test_a_key_of_several_columns_and_a_table_of_keys_alone_work(shop: Shop) -> None:
    shop.sql.execute("create table tags (thing integer, tag text, primary key (tag, thing))")
    shop.write("tags.csv", "thing,tag\n1,a\n1,b\n")
    shop.seed()
    shop.write("tags.csv", "thing,tag\n1,a\n2,a\n")
    assert shop.seed(mode="upsert").detail.endswith("tags 1 inserted, 1 unchanged")


def test_the_same_key_twice_is_refused_with_both_lines(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS + '4,"A\nB",x\n2,Alan,alan@example.org\n')
    with pytest.raises(PermanentError, match=r"line 7, column id\W.*the same key stands in line 3; remove one of them"):
        shop.seed(mode="upsert")
    assert shop.names() == []


def test_a_key_that_is_null_is_refused_with_its_line(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS + ",Alan,alan@example.org\n")
    with pytest.raises(PermanentError, match=r"line 5, column id\W.*the (primary )?key is NULL"):
        shop.seed(mode="upsert")


def test_a_file_without_the_key_is_refused(shop: Shop) -> None:
    shop.write("customers.csv", "name,email\nAda,ada@example.org\n")
    with pytest.raises(PermanentError, match=r"no id, .*; add it, or use --mode once"):
        shop.seed(mode="upsert")


def test_a_row_that_breaks_another_constraint_changes_nothing(full_shop: Shop) -> None:
    full_shop.seed()
    full_shop.write("customers.csv", CUSTOMERS + "4,Alan,ada@example.org\n")
    with pytest.raises(PermanentError, match=r"customers: line 5, column email\W"):
        full_shop.seed(mode="upsert")
    assert len(full_shop.names()) == 3


def test_a_column_without_case_still_sees_that_case_has_changed(sqlite_shop: Shop) -> None:
    sqlite_shop.sql.execute("create table words (id integer primary key, word text collate nocase)")
    sqlite_shop.write("words.csv", "id,word\n1,ada\n")
    sqlite_shop.seed()
    sqlite_shop.write("words.csv", "id,word\n1,Ada\n")
    assert "1 updated" in sqlite_shop.seed(mode="upsert").detail
    assert sqlite_shop.sql.rows("select word from words") == [("Ada",)]


def test_a_key_is_known_however_its_capitals_are_written_where_the_database_knows_it_so(sqlite_shop: Shop) -> None:
    sqlite_shop.write("customers.csv", CUSTOMERS)
    sqlite_shop.seed(mode="upsert", key=["EMAIL"])
    assert sqlite_shop.seed(mode="upsert", key=["Email"]).status == "ok"


def test_two_datasets_that_would_write_the_same_row_to_and_fro_are_refused(shop: Shop) -> None:
    shop.write("common/customers.csv", CUSTOMERS)
    shop.write("prod/customers.csv", "id,name,email\n2,Ada,ada@example.net\n4,Barbara,b@example.org\n")
    with pytest.raises(PermanentError) as caught:
        shop.seed(mode="upsert", env="prod")
    assert str(caught.value) == (
        "cannot load both common/customers.csv and prod/customers.csv: 1 row of the table customers differ between "
        "them; take them out of one, or give the general one mode insert-missing and a higher order"
    )
    assert shop.names() == []
    shop.write("common/seed.yaml", "files: {'*': {mode: insert-missing, order: 1}}\n")
    shop.seed(mode="upsert", env="prod")
    assert shop.names() == ["Ada", "Ada", "Edsger", "Barbara"]
    before = shop.sql.stamp()
    assert shop.seed(mode="upsert", env="prod").status is Status.OK
    assert shop.sql.stamp() == before


def test_two_datasets_of_one_table_that_agree_are_both_loaded(shop: Shop) -> None:
    shop.write("common/customers.csv", CUSTOMERS)
    shop.write("prod/customers.csv", "id,name\n2,Grace\n")
    shop.seed(mode="upsert", env="prod")
    shop.sql.execute("update customers set name = 'Hopper' where id = 2")
    shop.seed(mode="upsert", env="prod")
    assert shop.names() == ["Ada", "Grace", "Edsger"]


def test_a_new_row_without_a_column_that_it_must_have_is_told_so(shop: Shop) -> None:
    shop.sql.execute("insert into customers (id, name, email) values (1, 'Ada', 'ada@example.org')")
    shop.write("customers.csv", "id,name\n1,Ada\n2,Grace\n")
    with pytest.raises(PermanentError, match=r"line 3, column email: .*; add the column, which a new row must have$"):
        shop.seed(mode="upsert")
    assert shop.names() == ["Ada"]
