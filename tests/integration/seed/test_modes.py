from __future__ import annotations

from typing import Any

import pytest
from fix_clock import make_context
from fix_seed import CUSTOMERS, Shop

from initkit.core.errors import PermanentError
from initkit.core.outcome import Outcome, Satisfied, Status

MODES = ["once", "upsert", "insert-missing", "replace", "if-empty"]
CHANGED = "id,name,email\n2,Grace H.,grace@example.org\n4,Alan,alan@example.org\n1,Ada,ada@example.org\n"


def stored(shop: Shop) -> list[tuple[object, ...]]:
    return shop.sql.rows("select id, name from customers order by id")


@pytest.mark.parametrize("mode", MODES)
def test_the_second_run_of_every_mode_writes_nothing(full_shop: Shop, mode: str) -> None:
    assert full_shop.seed(mode=mode).status is Status.CHANGED
    before = full_shop.sql.stamp()
    for _ in range(2):
        outcome = full_shop.seed(mode=mode)
        assert (outcome.status, outcome.detail) == (Status.OK, "2 datasets up to date")
        assert isinstance(full_shop.look(mode=mode), Satisfied)
    assert full_shop.sql.stamp() == before


@pytest.mark.parametrize(
    ("mode", "more", "lines", "names"),
    [
        ("upsert", {}, "1 to insert, 1 to update", ["Ada", "Grace H.", "Edsger", "Alan"]),
        ("upsert", {"prune": "yes"}, "1 to insert, 1 to update, 1 to delete", ["Ada", "Grace H.", "Alan"]),
        ("insert-missing", {}, "1 to insert", ["Ada", "Grace", "Edsger", "Alan"]),
        ("replace", {}, "1 to insert, 1 to update, 1 to delete", ["Ada", "Grace H.", "Alan"]),
        ("once", {"on_change": "upsert"}, "1 to insert, 1 to update", ["Ada", "Grace H.", "Edsger", "Alan"]),
    ],
)
def test_a_look_says_what_the_run_then_does(
    shop: Shop, mode: str, more: dict[str, Any], lines: str, names: list[str]
) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.seed()
    shop.write("customers.csv", CHANGED)
    before = shop.sql.stamp()
    assert shop.lines(mode=mode, **more) == [f"customers: {lines}"]
    assert shop.sql.stamp() == before
    said = lines.replace("to insert", "inserted").replace("to update", "updated").replace("to delete", "deleted")
    unchanged = {"insert-missing": 2}.get(mode, 1)
    assert shop.seed(mode=mode, **more).detail == f"1 dataset loaded: customers {said}, {unchanged} unchanged"
    assert shop.names() == names
    assert isinstance(shop.look(mode=mode, **more), Satisfied)
    assert shop.seed(mode=mode, **more).status is Status.OK


def test_what_is_not_empty_is_left_alone(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.sql.execute("insert into customers (id, name, email) values (9, 'Somebody', 's@example.org')")
    assert shop.seed(mode="if-empty").status is Status.OK
    assert shop.names() == ["Somebody"]
    finding = shop.look(mode="if-empty")
    assert isinstance(finding, Satisfied)
    shop.sql.execute("delete from customers")
    assert shop.lines(mode="if-empty") == ["customers: 3 to insert"]
    assert shop.seed(mode="if-empty").detail == "1 dataset loaded: customers 3 rows"


def test_two_files_fill_an_empty_table_together(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    more = shop.write("more/customers.csv", "id,name,email\n4,Alan,alan@example.org\n")
    outcome = shop.seed(shop.folder, more, mode="if-empty")
    assert outcome.detail == "2 datasets loaded: seed/customers.csv 3 rows, more/customers.csv 1 row"
    assert shop.seed(shop.folder, more, mode="if-empty").status is Status.OK


@pytest.mark.parametrize("given", [{"mode": "replace"}, {"mode": "upsert", "prune": "yes"}])
def test_two_files_that_would_delete_each_others_rows_are_refused(shop: Shop, given: dict[str, Any]) -> None:
    shop.write("customers.csv", CUSTOMERS)
    more = shop.write("more/customers.csv", "id,name,email\n4,Alan,alan@example.org\n")
    with pytest.raises(PermanentError, match=r"customers.csv are for the same table, customers; replace, and prune"):
        shop.seed(shop.folder, more, **given)
    assert shop.names() == []


def test_the_same_content_twice_in_one_run_is_loaded_once(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    more = shop.write("more/customers.csv", CUSTOMERS)
    looked = shop.lines(shop.folder, more)
    assert looked == ["seed/customers.csv: 3 to insert", "more/customers.csv: up to date"]
    assert shop.seed(shop.folder, more).detail == "1 dataset loaded: seed/customers.csv 3 rows; 1 up to date"
    assert shop.seed(shop.folder, more).status is Status.OK


@pytest.mark.parametrize("mode", ["upsert", "insert-missing", "replace"])
def test_a_key_may_be_another_than_the_primary_one(shop: Shop, mode: str) -> None:
    shop.sql.execute("insert into customers (id, name, email) values (70, 'A.', 'ada@example.org')")
    shop.write("customers.csv", "id,name,email\n70,Ada,ada@example.org\n2,Grace,grace@example.org\n")
    shop.seed(mode=mode, key="email")
    ada = "A." if mode == "insert-missing" else "Ada"
    assert stored(shop) == [(2, "Grace"), (70, ada)]


def test_an_unknown_column_in_the_key_is_told_with_what_was_meant(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    with pytest.raises(
        PermanentError, match=r"table customers has no column 'emial', which is to be its key; did you m"
    ):
        shop.seed(mode="upsert", key="emial")
    with pytest.raises(PermanentError, match="which is to be its key; its columns are id, name, email, created_at"):
        shop.seed(mode="upsert", key="xyz")


@pytest.mark.parametrize("mode", ["upsert", "insert-missing"])
def test_a_mode_that_needs_a_key_says_so(shop: Shop, mode: str) -> None:
    shop.sql.execute("create table log (line text)")
    shop.write("log.csv", "line\nx\n")
    with pytest.raises(
        PermanentError, match="the table has no primary key; say by --key which columns a row is known by"
    ):
        shop.seed(mode=mode)


def test_rows_without_a_key_are_replaced_as_a_whole(shop: Shop) -> None:
    shop.sql.execute("create table log (line text, number integer)")
    shop.sql.execute("insert into log values ('a', 1), ('a', 1), ('b', 2), ('c', 3)")
    shop.write("log.csv", "line,number\na,1\nb,2\nb,2\nd,\n")
    assert shop.lines(mode="replace") == ["log: 2 to insert, 2 to delete"]
    assert shop.seed(mode="replace").detail == "1 dataset loaded: log 2 inserted, 2 deleted, 2 unchanged"
    assert shop.sql.rows("select line, number from log order by line") == [("a", 1), ("b", 2), ("b", 2), ("d", None)]
    assert shop.seed(mode="replace").status is Status.OK


def test_what_others_refer_to_by_cascade_is_not_deleted(shop: Shop) -> None:
    shop.sql.execute(
        "create table notes (id integer primary key, customer integer references customers (id) on delete cascade)"
    )
    shop.sql.execute("insert into customers (id, name, email) values (1, 'Ada', 'a'), (7, 'Gone', 'g')")
    shop.sql.execute("insert into notes values (1, 7)")
    shop.write("customers.csv", "id,name,email\n1,Ada,a\n")
    choices: list[dict[str, Any]] = [{"mode": "replace"}, {"mode": "upsert", "prune": "yes"}]
    for given in choices:
        with pytest.raises(PermanentError, match="notes"):
            shop.seed(**given)
    assert (shop.names(), shop.sql.rows("select id from notes")) == (["Ada", "Gone"], [(1,)])


def test_order_goes_before_foreign_keys(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.write("orders.csv", "id,customer_id,item\n1,1,Pen\n")
    shop.write(
        "after.sql", "insert into orders (id, customer_id, item) select 2, id, 'Ink' from customers where id = 2;"
    )
    shop.write("before.sql", "insert into customers (id, name, email) values (9, 'First', 'f');")
    shop.write("seed.yaml", "defaults: {mode: if-empty}\nfiles: {'*.sql': {mode: once}, customers.csv: {order: 1}}")
    assert shop.lines() == [
        "orders: 1 to insert",
        "seed/after.sql: to run",
        "seed/before.sql: to run",
        "customers: 3 to insert",
    ]


def test_sql_runs_once(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    path = shop.write(
        "more.sql", "-- after the tables\ninsert into customers (id, name, email)\n  values (4, 'Alan; T.', 'alan');\n"
    )
    assert shop.lines() == ["customers: 3 to insert", "seed/more.sql: to run"]
    assert shop.seed().detail == "2 datasets loaded: customers 3 rows, seed/more.sql 1 statement"
    assert shop.seed().status is Status.OK
    assert shop.names() == ["Ada", "Grace", "Edsger", "Alan; T."]
    path.write_text("delete from customers;")
    with pytest.raises(
        PermanentError, match=r"cannot seed SQL from .*more.sql: the file has changed since it was loaded"
    ):
        shop.seed()
    assert shop.seed(files=[{"file": "more.sql", "on-change": "ignore"}]).status is Status.OK


def test_the_same_sql_under_two_names_runs_once(shop: Shop) -> None:
    for name in ("one.sql", "two.sql"):
        shop.write(name, "insert into customers (id, name, email) values (4, 'Alan', 'alan');")
    assert shop.seed().detail == "1 dataset loaded: seed/one.sql 1 statement; 1 up to date"
    assert shop.names() == ["Alan"]


def test_sql_that_is_wrong_is_told_with_its_line_and_undoes_all(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.write("more.sql", "delete from customers where id = 1;\n\ninsert into nowhere values (1);\n")
    with pytest.raises(PermanentError, match=r"more.sql.*line 3.*nowhere"):
        shop.seed()
    assert shop.names() == []


def test_a_file_that_is_read_otherwise_has_changed(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.seed()
    with pytest.raises(PermanentError, match="the way in which the file is read has changed since it was loaded once"):
        shop.seed(nulls=["Ada"])


def test_a_set_is_loaded_after_what_is_common(shop: Shop) -> None:
    shop.write("common/customers.csv", CUSTOMERS)
    shop.write("prod/orders.csv", "id,customer_id,item\n1,1,Pen\n")
    shop.write("test/orders.csv", "id,customer_id,item\n1,1,Toy\n")
    assert shop.seed(env="prod").detail == "2 datasets loaded: customers 3 rows, orders 1 row"
    assert shop.sql.rows("select item from orders") == [("Pen",)]


def test_values_of_the_environment_come_in_only_where_a_file_asks_for_them(shop: Shop) -> None:
    shop.write("customers.csv", "id,name,email\n1,${NAME},$$\n")
    context = make_context(environ={"NAME": "Ada"})
    shop.seed(context=context)
    assert shop.sql.rows("select name, email from customers") == [("${NAME}", "$$")]
    assert shop.seed(context=context, mode="upsert", expand="yes").status is Status.CHANGED
    assert shop.sql.rows("select name, email from customers") == [("Ada", "$")]


def test_the_same_rows_come_from_every_format(shop: Shop) -> None:
    contents = {
        "customers.csv": 'id;name;email\n1;Ada;a\n2;0640;"x;y"\n',
        "customers.tsv": "id\tname\temail\n1\tAda\ta\n2\t0640\tx;y\n",
        "customers.ndjson": '{"id": 1, "name": "Ada", "email": "a"}\n{"id": 2, "name": "0640", "email": "x;y"}\n',
        "customers.json": '[{"id": 1, "name": "Ada", "email": "a"},\n {"id": 2, "name": "0640", "email": "x;y"}]',
        "customers.yaml": "- {id: 1, name: Ada, email: a}\n- id: 2\n  name: 0640\n  email: x;y\n",
    }
    outcomes: list[Outcome] = []
    for name, content in contents.items():
        path = shop.write(name, content)
        outcomes.append(shop.seed(path, mode="replace"))
    assert [one.status for one in outcomes] == [Status.CHANGED] + [Status.OK] * 4
    assert stored(shop) == [(1, "Ada"), (2, "0640")]
