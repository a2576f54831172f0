from __future__ import annotations

import pytest
from fix_seed import CUSTOMERS, Shop

from initkit.core.errors import PermanentError


def refused(shop: Shop, mode: str = "once") -> str:
    """The message, once it is clear that nothing was loaded and none of the row's other values is shown."""
    with pytest.raises(PermanentError) as caught:
        shop.seed(mode=mode)
    assert shop.names() == []
    assert "initkit_seed" not in shop.tables()
    assert "canary" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(shop.folder))
    return str(caught.value)


def test_a_value_of_the_wrong_type_is_told_with_line_and_column(shop: Shop) -> None:
    path = shop.write("customers.csv", 'id,name,email\n1,"Ada\nL.",canary\nfour,Alan,canary\n')
    said = refused(shop)
    assert said.startswith(f"cannot load {path} into customers: line 4, column id, value 'four': ")
    assert "integer" in said or "whole number" in said


def test_null_where_none_is_allowed_is_told_with_line_and_column(shop: Shop) -> None:
    shop.write("customers.csv", "id,name,email\n1,Ada,canary\n2,,canary\n")
    said = refused(shop)
    assert "line 3, column name: " in said
    assert 'in CSV the empty string is ""' in said


def test_a_row_that_is_there_already_is_told_with_its_line(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS + "2,canary,canary\n")
    said = refused(shop)
    assert "line 5, column id" in said
    assert "; remove " in said


def test_a_check_constraint_is_told_with_its_line(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.write("orders.ndjson", '\n{"id": 1, "customer_id": 1, "item": "canary", "quantity": 0}\n')
    assert "orders: line 2: " in refused(shop)


def test_a_huge_value_is_cut(shop: Shop) -> None:
    shop.write("customers.csv", f"id,name,email\n{'x' * 1_000_000},Ada,canary\n")
    assert "line 2, column id, value 'xxx" in refused(shop)


def test_a_megabyte_in_one_field_is_loaded(shop: Shop) -> None:
    shop.write("customers.csv", f'id,name,email\n1,"{"x" * 1_000_000}",a\n')
    shop.seed()
    assert shop.sql.rows("select length(name) from customers") == [(1_000_000,)]


def test_a_number_that_is_too_great_is_told(shop: Shop) -> None:
    shop.write("customers.csv", "id,name,email\n99999999999999999999,Ada,canary\n")
    assert "line 2, column id, value '99999999999999999999': " in refused(shop)


def test_unknown_columns_are_told_with_what_was_meant(shop: Shop) -> None:
    shop.write("customers.csv", "id,nmae,email\n1,canary,canary\n")
    assert "line 1: table customers has no column 'nmae'; did you mean 'name'?" in refused(shop)
    shop.write("customers.csv", "id,zzz,qqq\n")
    assert "has no columns 'zzz', 'qqq'; its columns are id, name, email, created_at" in refused(shop)


def test_an_unknown_key_is_told_with_its_line(shop: Shop) -> None:
    (shop.folder / "customers.csv").unlink(missing_ok=True)
    shop.write("customers.ndjson", '{"id": 1, "name": "canary", "email": "c"}\n{"id": 2, "e-mail": "canary"}\n')
    assert "line 2: table customers has no column 'e-mail'; did you mean 'email'?" in refused(shop)


def test_a_column_that_the_database_computes_is_refused(shop: Shop) -> None:
    shop.sql.execute("create table t (a integer, b integer generated always as (a * 2) stored)")
    shop.write("t.csv", "a,b\n1,2\n")
    assert "line 1: the database computes b itself; leave it out of the file" in refused(shop)
    shop.write("t.csv", "a\n1\n")
    shop.seed()
    assert shop.sql.rows("select a, b from t") == [(1, 2)]


def test_a_nul_character_in_json_is_refused_by_postgresql(postgres_shop: Shop) -> None:
    postgres_shop.write(
        "customers.ndjson", '{"id": 1, "name": "a", "email": "a"}\n{"id": 2, "name": "a\\u0000b", "email": "canary"}\n'
    )
    said = refused(postgres_shop)
    assert "NUL" in said


def test_what_a_trigger_says_is_told_with_the_line(postgres_shop: Shop) -> None:
    postgres_shop.sql.execute(
        "create function no_two() returns trigger language plpgsql as "
        "$$ begin if new.id = 2 then raise exception 'no twos here'; end if; return new; end $$;"
        "create trigger no_two before insert on customers for each row execute function no_two()"
    )
    postgres_shop.write("customers.csv", CUSTOMERS)
    assert "line 3: no twos here" in refused(postgres_shop)


def test_a_bad_row_in_a_later_batch_is_told_with_its_line(postgres_shop: Shop) -> None:
    lines = ['{"id": 1, "name": "x", "email": "1"}', '{"id": 2, "name": "x", "email": "2", "created_at": "2026-01-02"}']
    lines += ['{"id": 3, "name": "x", "email": "3"}', '{"id": "four", "name": "x", "email": "4"}']
    postgres_shop.write("customers.ndjson", "\n".join(lines))
    assert "line 4, column id, value 'four': " in refused(postgres_shop)


def test_a_bad_row_is_told_in_upsert_too(shop: Shop) -> None:
    shop.write("customers.csv", "id,name,email\n1,Ada,canary\nfour,Alan,canary\n")
    assert "line 3, column id, value 'four': " in refused(shop, mode="upsert")


def test_a_column_for_numbers_takes_no_words_in_sqlite(sqlite_shop: Shop) -> None:
    sqlite_shop.write("customers.csv", CUSTOMERS)
    sqlite_shop.write("orders.csv", "id,customer_id,item,price,shipped\n1,1,x,1.5,yes\n2,1,x,cheap,no\n")
    assert "line 3, column price, value 'cheap': expected a number" in refused(sqlite_shop)
    sqlite_shop.write("orders.csv", "id,customer_id,item,price,shipped\n1,1,x,1.5,yes\n2,1,x,2,perhaps\n")
    assert "line 3, column shipped, value 'perhaps': expected true or false" in refused(sqlite_shop)
    sqlite_shop.write("orders.csv", "id,customer_id,item,price,shipped\n1,1,x,1.5,yes\n2,1,x,2,no\n")
    sqlite_shop.seed()
    assert sqlite_shop.sql.rows("select price, shipped from orders order by id") == [(1.5, 1), (2, 0)]
