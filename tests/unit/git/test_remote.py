"""What passes for a repository's address, and what never leaves it."""

from __future__ import annotations

import os

import pytest

from initkit.core.assemble import assemble
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN, redact
from initkit.steps.git.asked.remote import Remote, parse_remote
from initkit.steps.git.calling import hardening
from initkit.steps.git.step import STEP


@pytest.mark.parametrize(
    ("text", "scheme", "url"),
    [
        ("https://host/site.git", "https", "https://host/site.git"),
        ("HTTPS://host:8443/site", "https", "https://host:8443/site"),
        ("http://[::1]:8080/a", "http", "http://[::1]:8080/a"),
        ("git://host/a%20b", "git", "git://host/a%20b"),
        ("file:///srv/a%20b", "file", "/srv/a b"),
        ("file://localhost/srv/a", "file", "/srv/a"),
        ("/srv/a b", "file", "/srv/a b"),
        ("/srv/-a:b", "file", "/srv/-a:b"),
    ],
)
def test_addresses_that_git_may_be_given(text: str, scheme: str, url: str) -> None:
    assert parse_remote(text) == Remote(scheme, url)


def test_a_relative_path_is_taken_from_where_initkit_runs() -> None:
    assert parse_remote("./site") == Remote("file", os.path.abspath("site"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-u",
        "--upload-pack=touch /tmp/pwned",
        "ext::sh -c touch",
        "https::https://host/a",
        "host:site",
        "ftp://host/site",
        "site",
        "https://",
        "https:///site",
        "https://-oProxyCommand=x/site",
        "https://host:0/site",
        "https://host:99999/site",
        "https://ho%73t/site",
        "https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example/site",
        "https://*.example.org/site",
        "https://host/a b",
        "https://host/a\nb",
        "https://host/a\\b",
        "https://host/a?token=x",
        "https://host/a#x",
        "git://user@host/site",
        "file://host/site",
        "file:///a%0Ab",
        "/srv/a\tb",
    ],
)
def test_everything_else_is_refused_before_anything_runs(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, got "):
        parse_remote(text)


def test_credentials_are_kept_apart_from_the_url() -> None:
    remote = parse_remote("https://ada:p%40ss%2Fw%3Ard@host/site")
    assert (remote.url, remote.user, remote.password) == ("https://host/site", "ada", "p@ss/w:rd")
    assert "p@ss" not in repr(remote)
    assert str(remote) == "https://host/site"


def test_a_token_alone_is_a_secret_too() -> None:
    KNOWN.forget()
    parse_remote("https://ghp_canary0123@host/site")
    assert "ghp_canary0123" not in redact("remote said: no such token ghp_canary0123")


@pytest.mark.parametrize(
    "url",
    [
        "https://ada:can/ary@host/site",
        "https://ada:12/canary@host/site",
        "https://ada:c@n/ary@host/site",
        "https://ada:can ary@host/site",
        "https://ada:can?ary@host/site",
        "https://ada:can#ary@host/site",
        "git://ada:canary@host/site",
        "ssh://ada:canary@host/site",
        "file://ada:canary@host/site",
        "ftp://ada:canary@host/site",
        "https://ada:canary@host:abc/site",
    ],
)
def test_a_password_that_breaks_its_url_is_not_repeated_by_the_message(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        assemble(STEP, {"repository": url, "dest": "/d"})
    message = str(caught.value)
    assert "ary" not in message.replace("library", "")
    assert "12/" not in message


def test_only_the_protocol_of_the_url_is_allowed() -> None:
    settings = hardening.settings(parse_remote("https://host/site"), {})
    assert [word for word in settings if word.startswith("protocol.")] == [
        "protocol.allow=never",
        "protocol.version=2",
        "protocol.https.allow=always",
    ]


def test_the_environment_is_made_from_nothing() -> None:
    hostile = {
        "PATH": "/bin",
        "https_proxy": "http://proxy:3128",
        "HOME": "/root",
        "GIT_SSH_COMMAND": "touch /tmp/pwned",
        "GIT_ASKPASS": "/bin/true",
        "GIT_TRACE_CURL": "1",
        "GIT_EXTERNAL_DIFF": "x",
        "LD_PRELOAD": "x",
        "SSH_ASKPASS": "x",
    }
    environment = hardening.environment(hostile)
    assert set(environment) == {
        "PATH",
        "https_proxy",
        "HOME",
        "LC_ALL",
        "GIT_DIR",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_GLOBAL",
        "GIT_ATTR_NOSYSTEM",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_TERMINAL_PROMPT",
    }
    assert environment["HOME"] == "/nonexistent"
