"""Where a database's address comes from, and what is told when it cannot be meant; never its secrets."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any

import pytest

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError, SuspectError, UsageError
from initkit.core.options import Invalid, declared
from initkit.core.redact import KNOWN, MASK, redact
from initkit.db.dsn import Database, DatabaseOptions, find, learn_dsn, needs_user, parse_dsn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


@declared
class Options(DatabaseOptions):
    """A step with a database."""


def options(**given: str) -> Options:
    return assemble(Options, {key.replace("_", "-"): value for key, value in given.items()})


@pytest.mark.parametrize(
    ("text", "dialect", "address"),
    [
        ("postgres://app@db/shop", "postgres", "postgresql://app@db/shop"),
        ("postgresql://db", "postgres", "postgresql://db"),
        ("postgresql+psycopg2://db/shop", "postgres", "postgresql://db/shop"),
        ("POSTGRES://db", "postgres", "postgresql://db"),
        ("host=db dbname=shop", "postgres", "host=db dbname=shop"),
        (" host = 'a b' ", "postgres", "host = 'a b'"),
        ("sqlite:////data/shop.db", "sqlite", "/data/shop.db"),
        ("sqlite:///shop.db", "sqlite", "shop.db"),
        ("sqlite+pysqlite:////data/shop.db?timeout=3", "sqlite", "/data/shop.db"),
    ],
)
def test_addresses_are_read(text: str, dialect: Any, address: str) -> None:
    assert find(parse_dsn(text), "--url") == Database(dialect=dialect, address=address, source="--url")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oracle://db", "expected a postgres:// or sqlite:// URL, got one that begins with oracle://"),
        ("postgre://db", "got one that begins with postgre://; did you mean 'postgres'?"),
        ("db:5432", "expected a postgres:// or sqlite:// URL, or key=value words, got neither"),
        ("", "got neither"),
        ("hunter2", "got neither"),
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        parse_dsn(text)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///?x=y"])
def test_an_sqlite_url_names_a_file(url: str) -> None:
    with pytest.raises(UsageError, match="DATABASE_URL names no file; write sqlite:////absolute/path"):
        find(url, "DATABASE_URL")


def test_the_option_goes_before_the_named_variable_the_file_and_the_usual_variables(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgres://from-file\n")
    environ = {"MINE": "postgres://from-mine", "DATABASE_URL": "postgres://from-usual", "PGHOST": "from-libpq"}

    def host(**given: str) -> tuple[str, str]:
        found = options(**given).database(environ)
        return found.address.removeprefix("postgresql://"), found.source

    everything = {"url": "postgres://from-option", "url_env": "MINE", "url_file": str(file)}
    assert host(**everything) == ("from-option", "--url")
    del everything["url"]
    assert host(**everything) == ("from-mine", "the environment variable MINE")
    del everything["url_env"]
    assert host(**everything) == ("from-file", str(file))
    assert host() == ("from-usual", "the environment variable DATABASE_URL")
    del environ["DATABASE_URL"]
    assert host() == ("", "PG* variables")


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGUSER", "PGPORT"])
def test_any_of_libpqs_variables_says_where_it_is(name: str) -> None:
    found = options().database({name: "x", "PGPASSWORD": "hunter2"})
    assert found == Database("postgres", "", "PG* variables")
    assert found.shown == "the database that PG* variables name"
    assert redact("hunter2") == MASK


def test_without_any_it_is_a_usage_error_that_says_what_to_do() -> None:
    for environ in ({}, {"DATABASE_URL": "", "PGPASSWORD": "x"}):
        with pytest.raises(UsageError) as caught:
            options().prepare(environ)
        assert str(caught.value) == (
            "cannot find the database: no address was given; "
            "set DATABASE_URL or PGHOST, or use --url-env NAME or --url-file PATH"
        )


def test_a_file_may_still_be_on_its_way_when_a_run_begins(tmp_path: Path) -> None:
    step = options(url_file=str(tmp_path / "missing"))
    step.prepare({})
    with pytest.raises(SuspectError) as caught:
        step.database({})
    assert str(caught.value) == (
        f"cannot find the database: cannot read {tmp_path}/missing: No such file or directory; "
        "mount it, or mend --url-file; it may still be on its way"
    )


def test_a_file_that_cannot_be_read_or_names_no_database_is_permanent(tmp_path: Path) -> None:
    nowhere = tmp_path / "url"
    nowhere.write_text("sqlite://\n")
    for path, message in [
        (tmp_path, "Is a directory; make it readable for UID"),
        (nowhere, "url names no file; write"),
    ]:
        with pytest.raises(PermanentError, match=message):
            options(url_file=str(path)).database({})


def test_errors_name_the_source_and_never_the_secret(tmp_path: Path) -> None:
    wrong, binary = tmp_path / "wrong", tmp_path / "binary"
    wrong.write_text("mysql://app:hunter2@db\n")
    binary.write_bytes(b"\xff")
    environ = {"WRONG": "mysql://app:hunter2@db", "EMPTY": " ", "DATABASE_URL": "nonsense hunter2"}
    for given, source in [
        ({"url_env": "WRONG"}, "the environment variable WRONG: expected a postgres"),
        ({"url_env": "EMPTY"}, "the environment variable EMPTY is not set; set EMPTY"),
        ({"url_env": "UNSET"}, "the environment variable UNSET is not set; set UNSET"),
        ({"url_file": str(wrong)}, f"{wrong}: expected a postgres"),
        ({"url_file": str(binary)}, f"{binary} is not UTF-8"),
        ({}, "the environment variable DATABASE_URL: expected a postgres"),
    ]:
        with pytest.raises(InitkitError) as caught:
            options(**given).database(environ)
        assert type(caught.value) is (PermanentError if "url_file" in given else UsageError)
        assert source in str(caught.value)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(Invalid) as refused:
        options(url="oracle://app:hunter2@db")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgres://app:hunter2@db", "hunter2"),
        ("postgres://db/shop?user=app&password=hunter2&x=y", "hunter2"),
        ("postgres://db/shop?sslpassword=hunter%402", "hunter@2"),
        ("host=db password=hunter2 user=app", "hunter2"),
        ("password=hunter2", "hunter2"),
        ("host=db password = 'hunter 2' user=app", "hunter 2"),
        (r"password='hunt\'er\\2'", r"hunt'er\2"),
        (r"password=hunter\ 2 user=app", "hunter 2"),
        ("sslpassword='hunter2'", "hunter2"),
    ],
)
def test_passwords_are_masked_wherever_they_are_said_again(text: str, secret: str) -> None:
    learn_dsn(text)
    assert redact(f"the server said: {secret}!") == f"the server said: {MASK}!"
    assert secret not in redact(text)


def test_an_address_is_shown_without_its_secrets() -> None:
    assert find(parse_dsn("postgres://app:hunter2@db/shop"), "x").shown == "postgresql://app:***@db/shop"
    assert find(parse_dsn("host=db password=hunter2"), "x").shown == "host=db password=***"
    assert find("sqlite:////data/shop.db", "x").shown == "sqlite:////data/shop.db"


def test_a_uid_without_a_name_needs_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    assert not needs_user({}, None)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert needs_user({}, None)
    assert not needs_user({"PGUSER": "app"}, None)
    assert not needs_user({}, "app")
    assert os.getuid() >= 0


def test_a_step_that_does_not_know_a_database_says_so(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("mysql+pymysql://app:hunter2@db/shop")
    message = "expected a postgres:// or sqlite:// URL, got one that begins with mysql://; such a database"
    for given, kind in [
        ({"url": "mariadb://app:hunter2@db/shop"}, UsageError),
        ({"url_env": "X"}, UsageError),
        ({"url_file": str(file)}, PermanentError),
    ]:
        with pytest.raises(kind, match=message) as caught:
            options(**given).database({"X": "mysql://app:hunter2@db/shop"})
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "MySQL", "mysql+pymysql", "mariadb+mariadbconnector"])
def test_mysql_has_many_names(scheme: str) -> None:
    found = find(parse_dsn(f"{scheme}://app:hunter2@db/shop"), "--url")
    assert found == Database("mysql", "mysql://app:hunter2@db/shop", "--url")
    assert found.shown == "mysql://app:***@db/shop"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("postgresql+asyncpg://u@h/n?ssl=require", "postgresql://u@h/n?sslmode=require"),
        ("postgresql+asyncpg://h/n?prepared_statement_cache_size=0", "postgresql://h/n"),
        ("postgres+asyncpg://h/n?a=1&statement_cache_size=0&ssl=disable", "postgresql://h/n?a=1&sslmode=disable"),
        ("postgresql://h/n?ssl=true", "postgresql://h/n?ssl=true"),
    ],
)
def test_what_was_written_for_asyncpg_reaches_libpq(written: str, address: str) -> None:
    assert find(written, "--url").address == address
