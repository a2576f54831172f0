"""What is wrong with a URL is told without its password, wherever that stands."""

from __future__ import annotations

import pytest

from initkit.core.urls import check_text, check_userinfo, shown_wrong
from initkit.db.dsn import parse_dsn
from initkit.steps.wait.net.urls import parse_server_url
from initkit.steps.wait.web.values import parse_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://u:hunter2@db:x/1", "redis://***@db:x/1"),
        ("redis:u:hunter2@db", "redis:***@db"),
        ("redis: //u:hunter2@db", "redis:***@db"),
        ("redis://u:hunter2/1", "redis://u:***"),
        ("redis:/u:hunter2", "redis:/u:***"),
        ("redis://:hunter2", "redis://:***"),
        ("redis://db:6379/1", "redis://db:6379/1"),
        ("http://[::1", "http://[::1"),
        ("ftp://db", "ftp://db"),
    ],
)
def test_what_may_be_a_password_is_not_shown(text: str, shown: str) -> None:
    assert shown_wrong(text) == shown


@pytest.mark.parametrize("text", ["redis://u:1/hunter2@db", "redis://u:/hunter2@db", "redis://u:1?hunter2@db"])
def test_a_password_whose_signs_are_not_encoded_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="in a password write / as %2F") as caught:
        parse_server_url(text, {"redis": 6379})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["postgres://u:1/hunter2@db/x", "postgres://u:ab@hunter2@db/x"])
def test_so_it_is_in_a_database_s_address(text: str) -> None:
    with pytest.raises(ValueError, match="in a password write / as %2F") as caught:
        parse_dsn(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://db/users/a@b", "http://db:80/?mail=a@b", "https://u:p@db/a@b"])
def test_pages_may_have_an_at_sign_in_their_path(text: str) -> None:
    assert parse_url(text) == text


@pytest.mark.parametrize("text", ["postgres://u@db/x?options=a@b", "sqlite:////data/a@b.db", "host=db user=a@b"])
def test_addresses_of_databases_may_have_one_too(text: str) -> None:
    assert parse_dsn(text) == text


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a URL, got bytes that are not UTF-8"):
        check_text("http://db/\udcff", "a URL")
    check_text("http://b\u00fccher/", "a URL")


def test_two_at_signs_before_the_path_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got 'x://\*\*\*@db'"):
        check_userinfo("x://u:a@hunter2@db", "a URL")
