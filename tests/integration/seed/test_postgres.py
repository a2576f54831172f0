from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_guard import eventually
from fix_seed import CUSTOMERS

from initkit.core.errors import PermanentError, SuspectError, TemporaryError, TimedOutError, UsageError
from initkit.core.outcome import Satisfied
from initkit.db.postgres import lock_key

if TYPE_CHECKING:
    from fix_seed import Shop


def test_an_identity_column_that_is_always_generated_can_be_upserted(postgres_shop: Shop) -> None:
    postgres_shop.sql.execute("create table b (id int generated always as identity primary key, x text)")
    postgres_shop.write("b.csv", "id,x\n5,five\n")
    postgres_shop.seed(mode="upsert")
    postgres_shop.write("b.csv", "id,x\n5,FIVE\n6,six\n")
    assert "1 inserted, 1 updated" in postgres_shop.seed(mode="upsert").detail


def test_a_schema_in_the_files_name_is_the_tables(postgres_shop: Shop) -> None:
    postgres_shop.sql.execute("create schema other; create table other.customers (id int primary key)")
    postgres_shop.write("other.customers.csv", "id\n1\n2\n")
    postgres_shop.write("public.customers.csv", CUSTOMERS)
    assert postgres_shop.seed().detail == "2 datasets loaded: other.customers 2 rows, public.customers 3 rows"


def test_a_cycle_that_cannot_wait_is_refused(postgres_shop: Shop) -> None:
    postgres_shop.sql.execute(
        "create table a (id int primary key, b int); create table b (id int primary key, a int references a);"
        "alter table a add foreign key (b) references b"
    )
    postgres_shop.write("a.csv", "id,b\n1,\n")
    postgres_shop.write("b.csv", "id,a\n1,\n")
    with pytest.raises(PermanentError, match=r"foreign keys form a cycle: (a -> b -> a|b -> a -> b); make one of"):
        postgres_shop.seed()


def test_another_holder_of_the_lock_is_named_at_the_deadline(postgres_shop: Shop) -> None:
    postgres_shop.write("customers.csv", CUSTOMERS)
    with psycopg.connect(postgres_shop.sql.url, application_name="another") as other:
        other.execute("select pg_advisory_lock(%s)", (lock_key("seed"),))
        voice = RecordingVoice()
        with pytest.raises(TimedOutError, match=r"cannot acquire the seed lock: held by pid \d+ \(another from local"):
            postgres_shop.seed(context=make_context(timeout=0.5, voice=voice))
        assert voice.missed[0][0] == "the seed lock"


def test_a_ledger_that_is_locked_is_told_by_a_look_as_well(postgres_shop: Shop) -> None:
    postgres_shop.write("customers.csv", CUSTOMERS)
    postgres_shop.seed()
    with psycopg.connect(postgres_shop.sql.url, application_name="another") as other:
        other.execute("lock table initkit_seed, customers in access exclusive mode")
        with pytest.raises(
            TemporaryError, match=r"read the table initkit_seed: it is locked by pid \d+ \(another from"
        ):
            postgres_shop.step().check(make_context(timeout=0.5))
    assert isinstance(postgres_shop.step().check(make_context(timeout=0.5)), Satisfied)


def test_what_another_replica_committed_is_seen_under_any_default_isolation(postgres_shop: Shop) -> None:
    name = postgres_shop.sql.rows("select current_database()")[0][0]
    postgres_shop.sql.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")
    postgres_shop.write("customers.csv", CUSTOMERS)
    step = postgres_shop.step()
    voice = RecordingVoice()
    context = make_context(voice=voice)
    with psycopg.connect(postgres_shop.sql.url) as other:
        other.execute("select pg_advisory_lock(%s)", (lock_key("seed"),))
        details: list[str] = []
        late = threading.Thread(target=lambda: details.append(step.apply(context).detail))
        late.start()
        eventually(lambda: voice.missed, "waiting for the lock")
        other.execute(
            "create table initkit_seed (dataset text, table_name text, sha256 text, options text, mode text,"
            " rows bigint, seeded_at timestamptz, primary key (dataset, table_name))"
        )
        other.execute(
            "insert into initkit_seed values (%s, %s, %s, '{}', 'once', 3, now())",
            ("seed/customers.csv", "public.customers", hashlib.sha256(CUSTOMERS.encode()).hexdigest()),
        )
        other.commit()
        other.execute("select pg_advisory_unlock_all()")
    late.join()
    assert details == ["1 dataset up to date"]


def test_a_role_that_may_not_create_the_ledger_is_suspect(postgres_shop: Shop) -> None:
    name = postgres_shop.sql.rows("select current_database()")[0][0]
    postgres_shop.write("customers.csv", CUSTOMERS)
    with psycopg.connect(postgres_shop.sql.url, autocommit=True) as connection:
        connection.execute(f"create role seeder_{name}; grant insert, select on customers to seeder_{name}")
        connection.execute(f"alter database {name} set role = seeder_{name}")
        try:
            with pytest.raises(SuspectError, match="permission denied for schema public"):
                postgres_shop.seed()
        finally:
            connection.execute(f"drop owned by seeder_{name}; drop role seeder_{name}")


def test_no_address_is_a_usage_error(postgres_shop: Shop) -> None:
    postgres_shop.write("customers.csv", CUSTOMERS)
    step = postgres_shop.step(url_env="SHOP_URL")
    assert step.database({}).address
    with pytest.raises(UsageError, match="SHOP_URL is not set"):
        replace(step, url=None).check(make_context())
