"""How a PostgreSQL address is called in messages: never with its secrets, never with an error, without the driver."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initkit.db.pg.address import UNREADABLE, named, words_of


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("postgresql://app:hunter2@db/shop", "db:5432/shop"),
        ("postgresql://db:5433", "db:5433"),
        ("postgresql://app@db:5433", "db:5433/app"),
        ("postgresql://[::1]:5433/shop", "[::1]:5433/shop"),
        ("postgresql://a,b:2,[::1]/shop", "a:5432,b:2,[::1]:5432/shop"),
        ("postgresql://app:p@ss,word@a:1,b:2/shop", "a:1,b:2/shop"),
        ("postgresql:///shop?host=/run/pg&port=6", "/run/pg:6/shop"),
        ("postgresql://%2Frun%2Fpg/shop", "/run/pg:5432/shop"),
        ("postgresql://", "the local socket:5432"),
        ("", "the local socket:5432"),
        ("host=a,b port=1,2 dbname=shop password=hunter2", "a:1,b:2/shop"),
        ("host=a,b port=9 dbname='my shop'", "a:9,b:9/my shop"),
        (r"host = a dbname = 'it\'s'", "a:5432/it's"),
        ("service=shop user=app", "the service shop"),
        ("hostaddr=10.0.0.7", "10.0.0.7:5432"),
        ("postgresql://u:hunter2/x@db/shop", UNREADABLE),
        ("postgresql://u:hunter2:x@db:y/shop", UNREADABLE),
        ("host=db password='hunter2", UNREADABLE),
        ("host=db password=hunter2 nonsense", UNREADABLE),
        ("host='' dbname=shop", "the local socket:5432/shop"),
    ],
)
def test_names(address: str, name: str) -> None:
    assert named(address, {}) == name


def test_what_is_left_out_comes_from_variables() -> None:
    environ = {"PGHOST": "a,b", "PGPORT": "7", "PGDATABASE": "shop"}
    assert named("", environ) == "a:7,b:7/shop"
    assert named("postgresql://c/x", environ) == "c:7/x"
    assert named("", environ | {"PGSERVICE": "s"}) == "the service s"
    assert named("host=c", {"PGSERVICE": "s", "PGUSER": "app"}) == "c:5432/app"


@given(st.text(), st.sampled_from(["", "postgresql://", "host=", "postgresql://u:"]))
def test_any_text_has_a_name(text: str, prefix: str) -> None:
    assert named(prefix + text, {})
    assert words_of(prefix + text) is None or named(prefix + text, {}) != UNREADABLE


def test_a_name_needs_no_driver() -> None:
    code = "import sys; import initkit.steps.wait.schemes.postgres as p; "
    code += "p.Postgres(url='postgres://a').name; print('psycopg' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == "False"
