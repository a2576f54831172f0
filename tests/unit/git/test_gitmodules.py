"""Which remote a submodule's URL means, and which it may not mean."""

from __future__ import annotations

import pytest

from initkit.steps.git.asked.remote import parse_remote
from initkit.steps.git.content.gitmodules import remote_of, shown


@pytest.mark.parametrize(
    ("parent", "url", "expected"),
    [
        ("https://host/a/b.git", "../c.git", "https://host/a/c.git"),
        ("https://host/a/b.git", "./c", "https://host/a/b.git/c"),
        ("https://host/a/b.git", "./../c", "https://host/a/c"),
        ("https://host/a/b.git", "../../c/d", "https://host/c/d"),
        ("https://host:8443/a/b/", "../c/", "https://host:8443/a/c"),
        ("https://user:word@host/a/b", "../c", "https://host/a/c"),
        ("https://[::1]:8443/a/b", "../c", "https://[::1]:8443/a/c"),
        ("git@host:a/b", "../c", "git@host:a/c"),
        ("git@host:b", "../c", "git@host:c"),
        ("git@host:/b", "../c", "git@host:/c"),
        ("ssh://git@host:22/a/b", "../../c", "ssh://git@host:22/c"),
        ("git://host/a/b", "../c", "git://host/a/c"),
        ("/srv/a", "../b", "/srv/b"),
        ("file:///srv/a", "../b", "/srv/b"),
        ("https://host/a", "https://other/b", "https://other/b"),
        ("https://host/a", "git@other:b", "git@other:b"),
        ("git@host:a", "https://other/b", "https://other/b"),
    ],
)
def test_urls_are_resolved_as_git_does(parent: str, url: str, expected: str) -> None:
    home = parse_remote(parent)
    assert remote_of(url, home, home).url == expected


@pytest.mark.parametrize(
    ("parent", "url"),
    [
        ("https://host/a", "../../c"),
        ("https://host/a", ".././../c"),
        ("git@host:a", "../../c"),
        ("/srv", "../../c"),
    ],
)
def test_a_url_that_leads_above_the_host_is_refused(parent: str, url: str) -> None:
    home = parse_remote(parent)
    with pytest.raises(ValueError, match="same host"):
        remote_of(url, home, home)


@pytest.mark.parametrize("url", ["http://host/b", "git://host/b", "/etc", "file:///etc"])
@pytest.mark.parametrize("home", ["https://host/a", "git@host:a"])
def test_only_who_gave_a_protocol_has_it_for_submodules(home: str, url: str) -> None:
    remote = parse_remote(home)
    with pytest.raises(ValueError, match="expected https or ssh"):
        remote_of(url, remote, remote)


def test_the_protocol_of_the_repository_itself_is_allowed_below_other_submodules() -> None:
    home, parent = parse_remote("http://host/a"), parse_remote("https://other/b")
    assert remote_of("http://host/c", parent, home).scheme == "http"


def test_a_password_in_a_refused_url_is_not_shown() -> None:
    assert "canary-word" not in shown("ftp://user:canary-word@host/a")
    assert "\n" not in shown("x\ny")


@pytest.mark.parametrize("sign", ["@", "a@[", "../"])
def test_a_url_without_end_keeps_nobody_busy_and_is_not_shown_whole(sign: str) -> None:
    home, url = parse_remote("https://host/a"), sign * 300_000
    with pytest.raises(ValueError, match="at most 4096 characters"):
        remote_of(url, home, home)
    assert len(shown(url)) < 200
