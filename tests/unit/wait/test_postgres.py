"""How a postgres target is written, called, and refused before any attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, UsageError
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from initkit.steps.wait.schemes.postgres import Postgres


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


def target(given: object) -> Postgres:
    node = {"postgres": given} if given is None or isinstance(given, dict) else given
    return cast("Postgres", assemble(Wait, {"targets": [node]}).targets[0])


def refused(given: object) -> str:
    with pytest.raises(Invalid) as caught:
        target(given)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("postgres://app:hunter2@db/shop", "postgres://db:5432/shop"),
        ("postgresql://db:5433", "postgres://db:5433"),
        ("postgres://a:1,b/shop", "postgres://a:1,b:5432/shop"),
        ("postgres:host=db dbname=shop password=hunter2", "postgres://db:5432/shop"),
        ({"url": "host=db dbname=shop"}, "postgres://db:5432/shop"),
        ({"url": "postgresql+psycopg2://db/shop"}, "postgres://db:5432/shop"),
        ("postgres://", "postgres:// (PG* variables)"),
        ("postgres:service=shop", "postgres:// (the service shop)"),
        ("postgres:host=db password=my hunter2", "postgres:// (an address that cannot be read)"),
        (None, "postgres (DATABASE_URL or PG*)"),
        ({"table": "x"}, "postgres (DATABASE_URL or PG*)"),
        ({"url-env": "X"}, "postgres ($X)"),
        ({"url-file": "/x"}, "postgres (/x)"),
    ],
)
def test_names(given: object, name: str) -> None:
    assert target(given).name == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "sqlite:////x"}, "expected a postgres:// URL or key=value words, got a URL of another database"),
        ({"url": "mysql://u:hunter2@db"}, "expected a postgres:// URL or key=value words, got one that begins with"),
        ({"url": "hunter2"}, "expected a postgres:// URL or key=value words, got neither"),
        ("postgres:hunter2", "expected a postgres:// URL or key=value words, got neither"),
        ({"url": "postgres://db", "url-env": "X"}, "expected one of URL, --url-env and --url-file, got 2"),
        ({"expect": "1"}, "expected --query with --expect, got --expect alone"),
        ({"query": " "}, "expected a query in SQL, got ' '"),
        ({"table": "a.b.c"}, "expected a table's name such as shop.orders or \"Orders\", got 'a.b.c'"),
        ({"table": "a b"}, "got 'a b'"),
        ({"table": '"a'}, "expected a table's name"),
        ({"table": "1a"}, "expected a table's name"),
        ({"table": ""}, "expected a table's name"),
    ],
)
def test_what_cannot_be_meant(given: object, message: str) -> None:
    assert message in refused(given)


@pytest.mark.parametrize("table", ["orders", "shop.orders", '"My ""Orders"""', 'shop."Orders"', "größe", "a$1"])
def test_names_of_tables(table: str) -> None:
    assert target({"table": table}).table == table


def prepared(given: object, **environ: str) -> str:
    with pytest.raises(UsageError) as caught:
        target(given).prepare(environ)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_what_the_environment_lacks_is_a_usage_error(tmp_path: Path) -> None:
    assert prepared(None) == (
        "cannot find the target: no address was given; "
        "give a URL, --url-env NAME or --url-file PATH, or set DATABASE_URL or PGHOST"
    )
    assert "the environment variable X is not set; set X" in prepared({"url-env": "X"})
    assert "X: expected a postgres:// URL" in prepared({"url-env": "X"}, X="mysql://u:hunter2@db")
    assert "DATABASE_URL: expected a postgres:// URL" in prepared(None, DATABASE_URL="sqlite:////x")
    assert "invalid sslmode value" in prepared("postgres://db/?sslmode=nonsense")
    assert "write / as %2F" in prepared("postgres://u:a%zhunter2@db/shop")
    target({"url-file": str(tmp_path / "late")}).prepare({})
    target(None).prepare({"DATABASE_URL": "postgres://u@db"})
    target(None).prepare({"PGHOST": "db", "PGPASSWORD": "hunter2"})
    target("postgres://").prepare({})


@pytest.mark.parametrize("url", ["host=db password=my hunter2", "postgres://u:a%zhunter2@d"])
def test_an_address_that_libpq_cannot_read_is_told_without_its_password(url: str) -> None:
    given: Any = {"url": url}
    with pytest.raises(PermanentError) as caught:
        target(given).probe(make_context())
    assert "hunter2" not in str(caught.value)
    assert "write / as %2F" in str(caught.value)
