from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest
from fix_clock import RecordingVoice, make_context
from fix_seed import CUSTOMERS, ORDERS, run

from initkit.core.errors import PermanentError, SuspectError
from initkit.core.outcome import Outcome, Pending, Satisfied, Status

if TYPE_CHECKING:
    from fix_seed import Shop


def datasets(outcome: Outcome) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", outcome.facts["datasets"])


def test_a_folder_is_loaded_parents_first(full_shop: Shop) -> None:
    outcome = full_shop.seed()
    assert outcome.status is Status.CHANGED
    assert outcome.detail == "2 datasets loaded: customers 3 rows, orders 2 rows"
    facts = [{name: value for name, value in one.items() if name != "seconds"} for one in datasets(outcome)]
    counts = {"updated": 0, "deleted": 0, "unchanged": 0, "mode": "once"}
    assert facts == [
        {"dataset": "seed/customers.csv", "table": "customers", "inserted": 3, "bytes": len(CUSTOMERS), **counts},
        {"dataset": "seed/orders.ndjson", "table": "orders", "inserted": 2, "bytes": len(ORDERS), **counts},
    ]
    assert full_shop.names() == ["Ada", "Grace", "Edsger"]
    found = full_shop.sql.rows("select customer_id, quantity, note from orders order by id")
    assert found == [(3, 1, None), (1, 12, None)]


def test_children_given_first_are_loaded_last(full_shop: Shop) -> None:
    folder = full_shop.folder
    outcome = full_shop.seed(folder / "orders.ndjson", folder / "customers.csv")
    assert outcome.detail == "2 datasets loaded: customers 3 rows, orders 2 rows"


def test_the_second_run_writes_nothing(full_shop: Shop) -> None:
    full_shop.seed()
    before = full_shop.sql.stamp()
    outcome = full_shop.seed()
    assert (outcome.status, outcome.detail) == (Status.OK, "2 datasets up to date")
    assert [one["skipped"] for one in datasets(outcome)] == ["up to date", "up to date"]
    again = full_shop.step().apply(make_context())
    assert again.status is Status.OK
    assert again.detail == "2 datasets up to date"
    assert full_shop.sql.stamp() == before
    assert full_shop.names() == ["Ada", "Grace", "Edsger"]


def test_check_says_what_would_be_loaded_and_writes_nothing(full_shop: Shop) -> None:
    before, tables = full_shop.sql.stamp(), full_shop.tables()
    finding = full_shop.look()
    assert isinstance(finding, Pending)
    assert finding.detail == "2 datasets to load"
    assert finding.changes == ("customers: 3 to insert", "orders: 2 to insert")
    assert full_shop.sql.stamp() == before
    assert full_shop.tables() == tables
    full_shop.seed()
    before = full_shop.sql.stamp()
    assert isinstance(full_shop.step().check(make_context()), Satisfied)
    assert full_shop.sql.stamp() == before


def test_check_finds_a_ragged_row_before_anything_is_loaded(shop: Shop) -> None:
    shop.write("customers.csv", "id,name,email\n1,Ada\n")
    with pytest.raises(PermanentError, match=r"line 2: expected 3 fields as in the header, got 2; quote values"):
        shop.look()


def test_a_new_file_is_loaded_beside_what_was_loaded_before(full_shop: Shop) -> None:
    full_shop.seed()
    more = full_shop.write("more/customers.csv", "id,name,email\n4,Alan,alan@example.org\n")
    outcome = full_shop.seed(full_shop.folder, more)
    assert outcome.detail == "1 dataset loaded: more/customers.csv 1 row; 2 up to date"
    assert full_shop.ledger() == [
        ("more/customers.csv", full_shop.resolved("customers"), "once", 1),
        ("seed/customers.csv", full_shop.resolved("customers"), "once", 3),
        ("seed/orders.ndjson", full_shop.resolved("orders"), "once", 2),
    ]


def test_a_volume_that_is_mounted_elsewhere_is_not_loaded_again(full_shop: Shop) -> None:
    full_shop.seed()
    full_shop.folder = full_shop.folder.rename(full_shop.folder.with_name("elsewhere"))
    assert full_shop.seed().status is Status.OK
    assert full_shop.names() == ["Ada", "Grace", "Edsger"]


def test_changed_content_is_refused_and_says_what_to_do(full_shop: Shop) -> None:
    full_shop.seed()
    path = full_shop.write("customers.csv", CUSTOMERS + "4,Alan,alan@example.org\n")
    said = rf"^cannot seed customers from {path}: the file has changed since it was loaded once, at 20.* UTC; put new"
    with pytest.raises(PermanentError, match=said):
        full_shop.step().check(make_context())
    with pytest.raises(PermanentError, match=said):
        full_shop.step().apply(make_context())
    assert len(full_shop.names()) == 3


def test_changed_content_can_be_ignored(full_shop: Shop) -> None:
    full_shop.seed()
    full_shop.write("customers.csv", CUSTOMERS + "4,Alan,alan@example.org\n")
    assert full_shop.seed(on_change="ignore").status is Status.OK
    assert len(full_shop.names()) == 3


def test_changed_content_can_be_upserted(full_shop: Shop) -> None:
    full_shop.seed()
    full_shop.write("customers.csv", CUSTOMERS.replace("Ada", "Ada L.") + "4,Alan,alan@example.org\n")
    outcome = full_shop.seed(on_change="upsert")
    assert outcome.detail == "1 dataset loaded: customers 1 inserted, 1 updated, 2 unchanged; 1 up to date"
    assert full_shop.seed(on_change="fail").status is Status.OK
    assert full_shop.names() == ["Ada L.", "Grace", "Edsger", "Alan"]


def test_nothing_stays_when_the_last_dataset_is_bad(full_shop: Shop) -> None:
    full_shop.write("orders.ndjson", ORDERS + '{"id": 3, "customer_id": 77, "item": "Ink"}\n')
    with pytest.raises(PermanentError, match=r"orders.ndjson into orders: line 3, column customer_id\W.*77") as caught:
        full_shop.seed()
    assert "add the row that it refers to" in str(caught.value)
    assert full_shop.names() == []
    assert "initkit_seed" not in full_shop.tables()


def test_a_missing_table_may_be_created_late(full_shop: Shop) -> None:
    full_shop.write("custmers.csv", CUSTOMERS)
    said = "there is no table custmers; did you mean 'customers'[?]; run initkit migrate first"
    with pytest.raises(SuspectError, match=said):
        full_shop.step().check(make_context())
    with pytest.raises(SuspectError, match=said):
        full_shop.step().apply(make_context())


def test_ten_replicas_at_once_load_once(full_shop: Shop) -> None:
    outcomes: list[Outcome] = []
    step = full_shop.step()
    threads = [
        threading.Thread(target=lambda: outcomes.append(run(step, make_context(voice=RecordingVoice()))))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.status for outcome in outcomes) == [Status.CHANGED] + [Status.OK] * 9
    assert full_shop.names() == ["Ada", "Grace", "Edsger"]
    assert len(full_shop.ledger()) == 2


def test_a_header_alone_loads_no_rows_and_is_recorded(shop: Shop) -> None:
    shop.write("customers.csv", "id,name,email\n")
    shop.write("orders.ndjson", "")
    assert shop.seed().detail == "2 datasets loaded: customers 0 rows, orders 0 rows"
    assert shop.seed().status is Status.OK


def test_columns_may_stand_in_any_order_and_be_left_out(shop: Shop) -> None:
    shop.write("customers.csv", "email,name,id\nada@example.org,Ada,1\n")
    shop.seed()
    assert shop.sql.rows("select id, name, email from customers") == [(1, "Ada", "ada@example.org")]
    assert shop.sql.rows("select cast(created_at as text) from customers") == [("2026-01-01",)]


def test_an_empty_field_is_null_and_a_quoted_one_is_the_empty_string(shop: Shop) -> None:
    shop.write("customers.csv", "id,name,email\r\n1,Ada,a\r\n")
    shop.write("orders.csv", '\ufeffid,customer_id,item,note\r\n1,1,"",\r\n2,1,"a ""b"",\r\nc",""\r\n')
    shop.seed()
    assert shop.sql.rows("select item, note from orders order by id") == [("", None), ('a "b",\r\nc', "")]


def test_keys_that_some_objects_lack_take_the_default(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    lines = []
    for number in range(1, 7):
        quantity = ', "quantity": 5' if number % 3 == 0 else ""
        lines.append(f'{{"id": {number}, "customer_id": 1, "item": "x"{quantity}}}')
    shop.write("orders.ndjson", "\n".join(lines))
    shop.seed()
    assert [row[0] for row in shop.sql.rows("select quantity from orders order by id")] == [1, 1, 5, 1, 1, 5]


def test_names_that_need_quoting_work(shop: Shop) -> None:
    shop.sql.execute('create table "Odd ""table" (id integer primary key, "a %s b" text)')
    path = shop.write('Odd "table.csv', "id,a %s b\n1,x\n")
    shop.seed(path)
    changed = shop.write('Odd "table.csv', "id,a %s b\n1,y\n")
    shop.seed(changed, mode="upsert")
    assert shop.sql.rows('select "a %s b" from "Odd ""table"') == [("y",)]


def test_rows_that_refer_to_later_rows_of_their_own_table_are_loaded(shop: Shop) -> None:
    shop.sql.execute("create table staff (id integer primary key, boss integer references staff (id))")
    shop.write("staff.csv", "id,boss\n1,3\n2,1\n3,\n")
    assert shop.seed().detail == "1 dataset loaded: staff 3 rows"


def test_a_cycle_of_deferrable_constraints_is_loaded(shop: Shop) -> None:
    shop.sql.execute(
        "create table a (id integer primary key, b_id integer);"
        "create table b (id integer primary key, a_id integer references a (id) deferrable initially immediate);"
    )
    if shop.dialect == "postgres":
        shop.sql.execute("alter table a add foreign key (b_id) references b (id)")
    else:
        shop.sql.execute("drop table a; create table a (id integer primary key, b_id integer references b (id))")
    shop.write("a.csv", "id,b_id\n1,2\n")
    shop.write("b.csv", "id,a_id\n2,1\n")
    assert shop.seed().status is Status.CHANGED
    shop.write("a.csv", "id,b_id\n1,2\n3,\n")
    shop.write("b.csv", "id,a_id\n2,1\n4,77\n")
    with pytest.raises(PermanentError, match=r"b.csv into b: line 3, column a_id\W.*77"):
        shop.seed(mode="upsert")
