"""What `${…}` stands for, and what is masked from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.redact import KNOWN, MASK, redact
from initkit.core.secrets import expand, learn_environment, learn_url, learn_variable, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


ENVIRON = {"NAME": "shop", "EMPTY": "", "AGAIN": "${NAME} $$", "DB_PASSWORD": "hunter2!"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${NAME}", "shop"),
        ("a-${NAME}-${NAME}-b", "a-shop-shop-b"),
        ("${AGAIN}", "${NAME} $$"),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$NAME $1 $", "$NAME $1 $"),
        ("${MISSING:-}", ""),
        ("${MISSING:-a default: x}", "a default: x"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${NAME:-default}", "shop"),
        ("${MISSING:-$$}", "$$"),
    ],
)
def test_references_are_replaced_once(text: str, expanded: str) -> None:
    assert expand(text, ENVIRON) == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${MISSING}", "the environment variable MISSING is not set; set it, or write ${MISSING:-default}"),
        ("${NAME", "without its closing brace"),
        ("${NAME{}", "without its closing brace"),
        ("${}", "expected ${NAME}, ${NAME:-default} or ${file:PATH}, got '${}'; write $$ for a plain $"),
        ("${a b}", "got '${a b}'; write $$"),
        ("${1A}", "got '${1A}'"),
        ("${file:/does/not/exist}", "cannot read /does/not/exist: No such file or directory"),
        ("${file:}", "cannot read : No such file or directory"),
    ],
)
def test_what_cannot_be_replaced_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        expand(text, ENVIRON)
    assert message in str(caught.value)


def test_the_rest_of_a_password_with_a_brace_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="closing brace") as caught:
        expand("pass${hunter2", {})
    assert "hunter2" not in str(caught.value)


def test_files_lose_the_end_of_their_last_line_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" p\xc3\xa4ss word \r\n\n")
    assert read_text(str(file)) == " päss word "
    assert expand(f"x${{file:{file}}}y", {}) == "x päss word y"
    assert redact("it is päss word here") == f"it is{MASK}here"


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="it is not UTF-8"):
        expand(f"${{file:{file}}}", {})


def test_a_file_with_a_url_gives_its_password_away(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgres://app:hunter2@db/shop\n")
    expand(f"${{file:{file}}}", {})
    assert redact("the password is hunter2") == f"the password is {MASK}"


def test_what_a_secret_variable_holds_is_masked_once_it_was_used() -> None:
    assert redact("hunter2!") == "hunter2!"
    expand("${DB_PASSWORD} ${NAME}", ENVIRON)
    assert redact("hunter2! in shop") == f"{MASK} in shop"


@pytest.mark.parametrize(
    "name", ["PGPASSWORD", "API_KEY", "APIKEY", "AWS_SECRET_ACCESS_KEY", "TOKEN", "DB_PASS", "DB_PWD", "my_passphrase"]
)
def test_the_environment_gives_secrets_away_by_their_names(name: str) -> None:
    learn_environment({name: "hunter2!", "PATH": "/usr/bin", "OTHER": ""})
    assert redact("hunter2! /usr/bin") == f"{MASK} /usr/bin"


@pytest.mark.parametrize("name", ["USER", "PASSENGER", "KEYBOARD", "DB_PASSWORD_FILE", "SECRETS_DIR", "PGPASSFILE"])
def test_other_names_do_not(name: str) -> None:
    learn_variable(name, "/run/secrets/db")
    assert redact("cannot read /run/secrets/db") == "cannot read /run/secrets/db"


def test_a_password_may_begin_with_a_slash() -> None:
    learn_variable("DB_PASSWORD", "/x8Ghs+Q=")
    assert redact("it was /x8Ghs+Q=") == f"it was {MASK}"


@pytest.mark.parametrize("value", ["true", "False", "none", "abc", ""])
def test_words_of_all_days_and_very_short_ones_stay_readable(value: str) -> None:
    learn_variable("AUTOMOUNT_SERVICE_ACCOUNT_TOKEN", value)
    assert redact(f'{{"ready": true}} false none {value}') == f'{{"ready": true}} false none {value}'


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("postgres://app:hunter2@db/shop", "hunter2"),
        ("postgres://app:hunter2@db/shop?email=a@b.c", "hunter2"),
        ("postgres://app:hun@ter2@db/shop", "hun@ter2"),
        ("postgres://app:hun/ter2@db/shop", "hun/ter2"),
        ("postgres://app:hun%2Fter2@db/shop", "hun/ter2"),
        ("redis://:hunter2@db", "hunter2"),
    ],
)
def test_passwords_of_urls_are_masked_elsewhere_too(url: str, secret: str) -> None:
    learn_variable("DATABASE", url)
    assert redact(f"it was {secret}") == f"it was {MASK}"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://postgres:postgres@db/shop",
        "postgres://app@db/shop",
        "https://registry:5000/npm/@scope/package",
        "https://registry/npm/@scope/package",
        "a@b",
        "tcp://db:5432",
    ],
)
def test_words_that_a_url_shows_anyway_stay(url: str) -> None:
    learn_url(url)
    said = "postgres at registry on 5000/npm/ and 5432 in db"
    assert redact(said) == said
