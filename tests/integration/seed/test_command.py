"""The program as people run it: exit codes, what it prints, standard input."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_program import INITKIT, environment, initkit
from fix_seed import CUSTOMERS

if TYPE_CHECKING:
    from fix_seed import Shop


def fed(shop: Shop, content: str | bytes, *words: str) -> subprocess.CompletedProcess[str]:
    """Run with something on standard input."""
    command = [*INITKIT, "seed", "-", "--table", "customers", *words]
    data = content.encode() if isinstance(content, str) else content
    ended = subprocess.run(
        command, env=environment({"DATABASE_URL": shop.sql.url}), input=data, capture_output=True, check=False
    )
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def test_check_prints_a_line_for_each_dataset_and_exits_3(full_shop: Shop) -> None:
    env = {"DATABASE_URL": full_shop.sql.url}
    words = ("--check", "seed", str(full_shop.folder), "--mode", "upsert")
    looked = initkit(*words, env=env)
    assert looked.returncode == 3
    assert re.findall(r"^\W*(customers|orders): (.*)$", looked.stdout, re.MULTILINE) == [
        ("customers", "3 to insert"),
        ("orders", "2 to insert"),
    ]
    assert full_shop.names() == []
    assert initkit(*words[1:], env=env).returncode == 0
    assert initkit(*words, env=env).returncode == 0


def test_a_bad_row_is_exit_1_and_told_whole(shop: Shop) -> None:
    path = shop.write("customers.csv", 'id,name,email\n1,"Ada\nL.",a\nfour,Alan,b\n')
    ended = initkit("seed", str(path), env={"DATABASE_URL": shop.sql.url})
    assert ended.returncode == 1
    assert f"cannot load {path} into customers: line 4, column id, value 'four': " in ended.stderr
    assert shop.names() == []


def test_a_missing_table_is_waited_for_and_then_believed(shop: Shop) -> None:
    path = shop.write("nowhere.csv", "id\n1\n")
    ended = initkit("seed", str(path), "--suspect-for", "0", env={"DATABASE_URL": shop.sql.url})
    assert ended.returncode == 1
    assert "there is no table nowhere" in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-", "--table", "t", "--format", "csv"], "if-empty with standard input (-), got once"),
        (["-", "--mode", "upsert"], "expected table and format with standard input (-)"),
        (["/seed", "--prune"], "expected mode upsert with prune, got once"),
        (["/seed", "--mode", "replce"], "--mode: expected one of once, upsert, insert-missing, replace, if-empty"),
        (["/seed", "--delimiter", "ab"], "--delimiter: expected a sign, or one of tab"),
        (["/seed", "--files", "a.csv=onec"], "got 'onec'; did you mean 'once'"),
        ([], "PATH is missing"),
    ],
)
def test_what_cannot_be_meant_is_exit_2(words: list[str], said: str) -> None:
    ended = initkit("seed", *words, env={"DATABASE_URL": "sqlite:////nowhere/shop.db"})
    assert ended.returncode == 2
    assert said in ended.stderr


def test_standard_input_is_loaded(shop: Shop) -> None:
    assert fed(shop, CUSTOMERS, "--format", "csv", "--mode", "upsert").returncode == 0
    again = fed(shop, CUSTOMERS, "--format", "csv", "--mode", "upsert")
    assert (again.returncode, "1 dataset up to date" in again.stderr) == (0, True)
    lines = '{"id": 2, "name": "Grace", "email": "g"}\n{"id": 9, "name": "Alan", "email": "alan"}\n'
    ended = fed(shop, lines, "--format", "ndjson", "--mode", "replace")
    assert "customers 1 inserted, 1 updated, 2 deleted" in ended.stderr
    assert shop.names() == ["Grace", "Alan"]
    assert [row[0] for row in shop.ledger()] == ["stdin"]


def test_compressed_standard_input_is_loaded(shop: Shop) -> None:
    assert fed(shop, gzip.compress(CUSTOMERS.encode()), "--format", "csv", "--mode", "upsert").returncode == 0
    assert shop.names() == ["Ada", "Grace", "Edsger"]


def test_check_looks_at_standard_input_too(shop: Shop) -> None:
    ended = fed(shop, CUSTOMERS, "--format", "csv", "--mode", "upsert", "--check")
    assert (ended.returncode, "customers: 3 to insert" in ended.stdout) == (3, True)
    assert shop.names() == []


def test_a_bad_row_of_standard_input_is_told_with_its_line(shop: Shop) -> None:
    ended = fed(shop, 'id,name,email\n1,"A\nB",a\nx,y,z\n', "--format", "csv", "--mode", "upsert")
    assert ended.returncode == 1
    assert "cannot load standard input into customers: line 4, column id" in ended.stderr


@pytest.mark.parametrize("words", [["--mode", "replace"], ["--mode", "upsert", "--prune"]])
def test_an_empty_standard_input_deletes_nothing(shop: Shop, words: list[str]) -> None:
    shop.sql.execute("insert into customers (id, name, email) values (1, 'Ada', 'a')")
    for looking in ([], ["--check"]):
        ended = fed(shop, "", "--format", "ndjson", *words, *looking)
        assert ended.returncode == 1
        assert "it holds no row, and 1 row would be deleted" in ended.stdout + ended.stderr
    assert shop.names() == ["Ada"]


def test_a_table_that_is_missing_is_not_read_for_a_second_time(shop: Shop) -> None:
    shop.sql.execute("drop table orders; drop table customers")
    ended = fed(shop, CUSTOMERS, "--format", "csv", "--mode", "upsert", "--suspect-for", "0")
    assert (ended.returncode, "there is no table customers" in ended.stderr) == (1, True)


def test_standard_input_is_not_tried_a_second_time(postgres_shop: Shop) -> None:
    with psycopg.connect(postgres_shop.sql.url) as other:
        other.execute("lock table customers in share mode")
        ended = fed(postgres_shop, CUSTOMERS, "--format", "csv", "--mode", "upsert", "--timeout", "1s")
    assert ended.returncode == 1
    assert "load a file: standard input cannot be read a second time" in ended.stderr


def test_a_plan_says_what_the_files_names_do_not(shop: Shop) -> None:
    shop.write("people.txt", "Id|Nom|Courriel|Age\n1|Ada|a|36\n2|-|g|85\n")
    shop.write("orders.csv", "1,1,Pen\n")
    plan = shop.folder.parent / "plan.yaml"
    plan.write_text(f"""
steps:
- seed:
    paths: ["{shop.folder}"]
    mode: upsert
    files:
    - file: people.txt
      format: csv
      table: customers
      columns: {{Id: id, Nom: name, Courriel: email, Age: ~}}
      nulls: ["?"]
    - {{file: orders.csv, columns: [id, customer_id, item], mode: insert-missing}}
""")
    ended = initkit("run", str(plan), env={"DATABASE_URL": shop.sql.url})
    assert ended.returncode == 0, ended.stderr
    assert shop.sql.rows("select id, name, email from customers order by id") == [(1, "Ada", "a"), (2, "-", "g")]
    assert shop.sql.rows("select item from orders") == [("Pen",)]
    plan.write_text(plan.read_text().replace("nulls:", "nuls:"))
    ended = initkit("run", str(plan), env={"DATABASE_URL": shop.sql.url})
    assert (ended.returncode, "plan.yaml:11: steps[0].seed.files[0].nuls: unknown option" in ended.stderr) == (2, True)


def test_what_is_compressed_is_loaded_and_known_again(shop: Shop) -> None:
    path = shop.write("customers.csv.gz", gzip.compress(CUSTOMERS.encode()))
    env = {"DATABASE_URL": shop.sql.url}
    assert initkit("seed", str(path), env=env).returncode == 0
    assert shop.names() == ["Ada", "Grace", "Edsger"]
    path.unlink()
    plain = shop.write("customers.csv", CUSTOMERS)
    assert "up to date" in initkit("seed", str(plain), env=env).stderr, "the content is the same"


def test_the_report_says_what_was_done(full_shop: Shop) -> None:
    report = full_shop.folder.parent / "report.json"
    initkit("seed", str(full_shop.folder), "--report", str(report), env={"DATABASE_URL": full_shop.sql.url})
    (step,) = json.loads(report.read_text())["steps"]
    first, _ = step["facts"]["datasets"]
    assert first.pop("seconds") >= 0
    assert first == {
        "dataset": "seed/customers.csv",
        "table": "customers",
        "mode": "once",
        "inserted": 3,
        "updated": 0,
        "deleted": 0,
        "unchanged": 0,
        "bytes": len(CUSTOMERS),
    }


def test_what_was_loaded_is_known_without_yaml_json_or_a_reader(full_shop: Shop) -> None:
    env = environment({"DATABASE_URL": full_shop.sql.url})
    words = [sys.executable, "-X", "importtime", "-m", "initkit", "seed", str(full_shop.folder)]
    subprocess.run(words, env=env, check=True, capture_output=True)
    again = subprocess.run(words, env=env, check=True, capture_output=True, text=True)
    imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", again.stderr, re.MULTILINE))
    unneeded = {"yaml", "gzip", "initkit.core.document", "initkit.steps.seed.content.separated"}
    assert not imported & unneeded
    assert not any(name.startswith(("rich", "tenacity")) for name in imported)


def test_mistakes_of_a_manifest_are_told_together(shop: Shop) -> None:
    shop.write("customers.csv", CUSTOMERS)
    shop.write("seed.yaml", "files:\n  customers.csv: {mod: once}\n  custmers.csv: {mode: x}\n")
    ended = initkit("seed", str(shop.folder), env={"DATABASE_URL": shop.sql.url})
    assert ended.returncode == 1
    assert "line 2: files.customers.csv.mod: unknown option 'mod'; did you mean 'mode'?" in ended.stderr
    assert "line 3: files.custmers.csv.mode: expected one of once" in ended.stderr


def test_the_set_comes_from_the_environment(shop: Shop) -> None:
    shop.write("common/customers.csv", CUSTOMERS)
    (shop.folder / "prod").mkdir()
    env = {"DATABASE_URL": shop.sql.url, "INITKIT_SEED_ENV": "prod"}
    assert initkit("seed", str(shop.folder), env=env).returncode == 0
    assert shop.names() == ["Ada", "Grace", "Edsger"]
    ended = initkit("seed", str(shop.folder), env=env | {"INITKIT_SEED_ENV": "prd"})
    assert (ended.returncode, "did you mean 'prod'?" in ended.stderr) == (1, True)
