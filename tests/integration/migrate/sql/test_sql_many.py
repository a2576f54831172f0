"""SQL files with many runs at once, and with runs that are killed at any instant."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
from fix_guard import SOON, comes, eventually
from fix_program import environment

if TYPE_CHECKING:
    from fix_sqlfiles import SqlFolder

LOOSE = "-- initkit: no-transaction\n"
REPLICAS = 6  # there are fifty in test_fifty.py
OURS = "from pg_stat_activity where datname = current_database() and"
AT_WORK = f"select 1 {OURS} query like 'select pg_sleep%' and state = 'active'"


def fill(sql: SqlFolder, count: int) -> list[str]:
    """Migrations that fail when they are run twice, every fourth of them an index that is made concurrently."""
    sql.add("0001_log.sql", "create table log (number integer primary key);")
    for number in range(2, count + 1):
        if number % 4 == 0 and not sql.is_sqlite:
            text = f"{LOOSE}create index concurrently i{number} on log (number, ({number}));"
        else:
            text = f"create table t{number} (id int);\ninsert into log values ({number});"
        sql.add(f"{number:04}_step.sql", text)
    return [f"{number:04}" for number in range(1, count + 1)]


def start(sql: SqlFolder) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "initkit", "migrate", str(sql.path), "--url", sql.url]
    return subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_many_replicas_at_once_apply_each_file_once(sql: SqlFolder) -> None:
    versions = fill(sql, 12)
    programs = [start(sql) for _ in range(REPLICAS)]
    outputs = [program.communicate(timeout=120)[0] for program in programs]
    assert [program.returncode for program in programs] == [0] * REPLICAS, outputs
    assert sql.ledger() == [(version, "applied") for version in versions]
    assert sum("revisions applied" in output for output in outputs) == 1


def test_runs_that_are_killed_at_random_instants_converge(pg: SqlFolder) -> None:
    versions = fill(pg, 12)
    chance = random.Random(4)
    for _ in range(10):  # at instants spread evenly, and to the same schema: test_kills.py
        program = start(pg)
        try:
            program.wait(chance.uniform(0.25, 0.7))
        except subprocess.TimeoutExpired:
            program.kill()
        program.communicate()
    program = start(pg)
    output = program.communicate(timeout=120)[0]
    assert program.returncode == 0, output
    assert pg.ledger() == [(version, "applied") for version in versions]
    assert pg.rows("select number from log order by 1") == [(n,) for n in range(2, 13) if n % 4]
    assert pg.rows("select count(*) from pg_index where not indisvalid") == [(0,)]
    left = f"select 1 {OURS} application_name like 'initkit/%'"
    eventually(lambda: not pg.rows(left), "the end of all sessions", SOON)


def test_a_lost_lock_ends_the_statement_and_rolls_it_back(pg: SqlFolder) -> None:
    pg.add(
        "1_long.sql",
        "create table t (id int);\nselect pg_sleep(60) where not exists (select from pg_class where relname = 'go');",
    )
    program = start(pg)
    try:
        eventually(lambda: pg.rows(AT_WORK), "the statement")
        pg.do("create table go (id int)")
        pg.do(f"select pg_terminate_backend(pid) {OURS} application_name like 'initkit/%#lock'")
        output = program.communicate(timeout=60)[0]
    finally:
        program.kill()
    assert program.returncode == 0, output
    assert "the session that holds it was ended" in output
    assert pg.ledger() == [("1", "applied")]


def test_a_killed_statement_leaves_the_server_within_seconds(pg: SqlFolder) -> None:
    pg.add("1_long.sql", "select pg_sleep(60);")
    program = start(pg)
    eventually(lambda: pg.rows(AT_WORK), "the statement")
    program.kill()
    program.communicate()
    assert comes(lambda: not pg.rows(AT_WORK), SOON)


def test_sessions_that_migrate_carry_the_tag_and_its_settings(pg: SqlFolder) -> None:
    pg.add(
        "1_who.sql",
        "create table who as select current_setting('application_name') as name, current_setting('lock_timeout') as "
        "locks, current_setting('statement_timeout') as statements;\nset lock_timeout = '1min';",
    )
    pg.add(
        "2_who.sql", "insert into who select current_setting('application_name'), current_setting('lock_timeout'), '';"
    )
    with psycopg.connect(pg.url, autocommit=True) as connection:
        connection.execute(
            "alter role postgres in database " + connection.info.dbname + " set statement_timeout = '7s'"
        )
    program = subprocess.run(
        [sys.executable, "-m", "initkit", "migrate", str(pg.path), "--url", pg.url],
        env=environment({"HOSTNAME": "shop-7d9f-abcde"}),
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert program.returncode == os.EX_OK, program.stderr
    (name, locks, statements), (_, again, _) = pg.rows("select * from who")
    assert name.startswith("initkit/")
    assert name.endswith("/shop-7d9f-abcde")
    assert (locks, statements, again) == ("5s", "0", "5s")
