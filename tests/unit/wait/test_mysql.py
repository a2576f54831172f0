"""How URLs and options of MySQL servers are read, how much TLS they ask for, and what errors mean by their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, SuspectError, TemporaryError, UsageError
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN, redact
from initkit.db.mysql_errors import classify
from initkit.steps.wait.mysql.url import parse_url
from initkit.steps.wait.schemes.mysql import Mysql, parse_table
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


def mysql(**given: Any) -> Mysql:
    return assemble(Mysql, {key.replace("_", "-"): value for key, value in given.items()})


def refused(**given: Any) -> str:
    with pytest.raises(Invalid) as caught:
        mysql(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://app:hunter2@db/shop", "mysql://db:3306/shop"),
        ("mariadb://app@db:3307", "mariadb://db:3307"),
        ("mysql+pymysql://app:hunter2@db/shop?charset=utf8mb4", "mysql://db:3306/shop"),
        ("MariaDB+MariaDBConnector://app@[::1]/shop", "mariadb://[::1]:3306/shop"),
        ("mysql://app@localhost/shop?unix_socket=/run/mysqld/mysqld.sock", "mysql:///run/mysqld/mysqld.sock/shop"),
        ("mysql+pymysql://app:hunter2@/shop?unix_socket=/s", "mysql:///s/shop"),
        ("mysql://app@?unix_socket=%2Fs", "mysql:///s"),
    ],
)
def test_a_url_is_shown_without_user_password_and_query(url: str, shown: str) -> None:
    assert mysql(url=url).name == shown


def test_a_url_is_percent_decoded() -> None:
    url = parse_url("mysql://%C3%BCni:p%40ss%2Fw%C3%B6rd@db/my%20shop").url
    assert (url.user, url.password, url.path) == ("üni", "p@ss/wörd", "my shop")
    assert "p@ss/wörd" not in redact("the password p@ss/wörd")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("db:3306", "expected mysql://HOST or mariadb://HOST"),
        ("postgres://app@db", "expected mysql://HOST or mariadb://HOST"),
        ("mysql:///shop", "expected mysql://HOST or mariadb://HOST"),
        ("mysql://db/shop", "expected a user in the URL (mysql://USER:PASSWORD@HOST), got none"),
        ("mysql://:hunter2@db/shop", "expected a user in the URL (mysql://USER:PASSWORD@HOST), got none"),
        ("mysql://app@db:0/", "expected mysql://HOST or mariadb://HOST"),
        ("mysql://app@db/shop?ssl-mode=MAYBE", "expected ssl-mode to be one of DISABLED, PREFERRED, "),
    ],
)
def test_a_bad_url_is_refused_without_its_password(url: str, message: str) -> None:
    said = refused(url=url)
    assert message in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("query", "options", "mode"),
    [
        ("", {}, "PREFERRED"),
        ("?ssl_mode=required", {}, "REQUIRED"),
        ("?ssl-mode=VERIFY-CA", {}, "VERIFY_CA"),
        ("?ssl-mode=verify_identity", {}, "VERIFY_IDENTITY"),
        ("?ssl-mode=DISABLED", {}, "DISABLED"),
        ("?unix_socket=/s", {}, "DISABLED"),
        ("?unix_socket=/s&ssl-mode=PREFERRED", {}, "PREFERRED"),
        ("", {"ca": "/ca.pem"}, "VERIFY_IDENTITY"),
        ("", {"server_name": "db"}, "VERIFY_IDENTITY"),
        ("", {"cert": "/cert.pem"}, "VERIFY_IDENTITY"),
        ("?ssl-mode=REQUIRED", {"ca": "/ca.pem"}, "VERIFY_IDENTITY"),
        ("?ssl-mode=VERIFY_CA", {"ca": "/ca.pem"}, "VERIFY_CA"),
        ("?ssl_ca=/ca.pem", {}, "VERIFY_CA"),
        ("?ssl_ca=/ca.pem&ssl_mode=VERIFY_IDENTITY", {}, "VERIFY_IDENTITY"),
        ("", {"insecure": "true"}, "REQUIRED"),
        ("?ssl_ca=/ca.pem", {"insecure": "true"}, "REQUIRED"),
    ],
)
def test_tls_is_what_url_and_options_ask_for(query: str, options: dict[str, str], mode: str) -> None:
    target = mysql(url=f"mysql://app@db/shop{query}", **options)
    assert target.url is not None
    assert target._mode(target.url) == mode


def test_files_of_the_url_are_used_where_no_option_names_others() -> None:
    target = mysql(url="mysql://app@db/?ssl_ca=/url.pem&ssl-cert=/cert.pem&ssl_key=/key.pem", ca="/option.pem")
    assert target.url is not None
    tls = target._tls(target.url, "VERIFY_CA")
    assert (tls.ca, tls.cert, tls.key, tls.insecure) == ("/option.pem", "/cert.pem", "/key.pem", False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected one of URL, --url-env and --url-file, got none"),
        ({"url": "mysql://app@db", "url_env": "DB"}, "expected one of URL, --url-env and --url-file, got 2"),
        ({"url": "mysql://app@db", "expect": "1"}, "expected --query with --expect, got --expect alone"),
        ({"url": "mysql://app@db", "query": "  "}, "expected a query in SQL, got '  '"),
        ({"url": "mysql://app@db", "table": "t"}, "expected a database in the URL, or --table DATABASE.TABLE"),
        ({"url": "mysql://app@db/x", "table": "a.b.c"}, "expected TABLE or DATABASE.TABLE, got 'a.b.c'"),
        ({"url": "mysql://app@db/x", "table": "shop."}, "expected TABLE or DATABASE.TABLE, got 'shop.'"),
        ({"url": "mysql://app@db", "key": "/k"}, "expected --cert with --key, got --key alone"),
        ({"url": "mysql://app@db?ssl-mode=disabled", "ca": "/c"}, "expected TLS with --ca, got ssl-mode=DISABLED"),
        (
            {"url": "mysql://app@db?ssl-mode=verify_ca", "insecure": "yes"},
            "expected no --insecure with ssl-mode=VERIFY_CA",
        ),
    ],
)
def test_options_that_cannot_be_meant_are_refused(given: dict[str, str], message: str) -> None:
    assert message in refused(**given)


def test_a_table_may_have_a_database_of_its_own() -> None:
    assert parse_table(" shop.orders ") == "shop.orders"
    assert mysql(url="mysql://app@db", table="shop.orders").table == "shop.orders"


def test_a_url_from_the_environment_is_read_before_any_attempt() -> None:
    target = mysql(url_env="DB_URL", table="t")
    assert target.name == "mysql ($DB_URL)"
    target.prepare({"DB_URL": "mysql+pymysql://app:hunter2@db/shop"})
    for value, cause in [
        ("", "is not set"),
        ("mysql://db", "expected a user"),
        ("mysql://app@db", "expected a database"),
    ]:
        with pytest.raises(UsageError, match=cause):
            target.prepare({"DB_URL": value} if value else {})


def test_a_file_that_is_not_there_yet_is_suspect(tmp_path: Path) -> None:
    target = mysql(url_file=str(tmp_path / "url"))
    target.prepare({})
    with pytest.raises(SuspectError, match="no such file"):
        target.probe(make_context())


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1040, TemporaryError),
        (1044, SuspectError),
        (1045, SuspectError),
        (1049, SuspectError),
        (1053, TemporaryError),
        (1064, PermanentError),
        (1129, SuspectError),
        (1130, SuspectError),
        (1142, SuspectError),
        (1146, TemporaryError),
        (1203, TemporaryError),
        (1205, TemporaryError),
        (1226, TemporaryError),
        (1698, SuspectError),
        (1792, PermanentError),
        (1969, TemporaryError),
        (2003, TemporaryError),
        (3024, TemporaryError),
        (3118, SuspectError),
        (3159, SuspectError),
        (4151, SuspectError),
        (9999, TemporaryError),
    ],
)
def test_an_error_is_known_by_its_number_in_any_language(number: int, kind: type[Exception]) -> None:
    error = classify((number, "Zugriff verweigert.\nfür 'app'"), "log in to db")
    assert type(error) is kind
    assert error.cause == f"Zugriff verweigert. für 'app' (error {number})"


@pytest.mark.parametrize("args", [(2006, "MySQL server has gone away"), (2013, "Lost connection (Errno 104)")])
def test_a_lost_connection_is_told_as_everywhere(args: tuple[object, ...]) -> None:
    error = classify(args, "query mysql://db")
    assert (type(error), error.cause) == (TemporaryError, "it closes the connection")


def test_a_number_may_mean_something_else_where_it_is_asked_for() -> None:
    assert type(classify((1049, "x"), "query db", {1049: AbsentError})) is AbsentError


@pytest.mark.parametrize("args", [(), ("Packet sequence number wrong - got 45 expected 0",), (0, "")])
def test_what_has_no_number_is_no_answer_of_a_server(args: tuple[object, ...]) -> None:
    error = classify(args, "log in to db")
    assert (type(error), error.cause) == (TemporaryError, "it does not speak MySQL's protocol")
