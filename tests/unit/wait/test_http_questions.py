"""What a redirect makes of a request, which proxy is gone through, and whose credentials are sent."""

from __future__ import annotations

import pytest

from initkit.core.redact import KNOWN, redact
from initkit.core.values import HostPort
from initkit.steps.wait.target import AbsentError
from initkit.steps.wait.web.proxies import netrc_path, proxy_for
from initkit.steps.wait.web.question import Question, joined
from initkit.steps.wait.web.values import Header

HEADERS = (Header("X-Token", "t"), Header("Accept", "a/b"), Header("Content-Type", "c/d"), Header("Cookie", "e=f"))


def question(url: str = "http://app:pw@a/x?y#z", method: str = "GET", body: bytes | None = None) -> Question:
    return Question.to(url, method, HEADERS, body)


def names(found: Question | None) -> list[str]:
    assert found is not None
    return [header.name for header in found.headers]


def test_userinfo_becomes_a_header_in_utf_8() -> None:
    asked = question("https://%C3%BC:p%40w@a:1/x")
    assert (asked.url, asked.authorization) == ("https://a:1/x", "Basic w7w6cEB3")
    assert question("http://a/x").authorization is None


def test_an_answer_without_a_location_or_another_status_is_none() -> None:
    assert question().following(302, "") is None
    assert question().following(200, "/y") is None
    assert question().following(304, "/y") is None


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/y", "http://a/y"),
        ("y?z=1#top", "http://a/y?z=1"),
        ("//a/y", "http://a/y"),
        ("http://a:80/y", "http://a:80/y"),
        ("http://u:hunter2@A/y", "http://A/y"),
        ("https://a/y", "https://a/y"),
    ],
)
def test_the_same_server_is_given_everything_again(location: str, url: str) -> None:
    found = question().following(302, location)
    assert found is not None
    assert (found.url, found.authorization, found.redirects) == (url, "Basic YXBwOnB3", 1)
    assert names(found) == ["X-Token", "Accept", "Cookie"]


@pytest.mark.parametrize("location", ["http://b/y", "//b/y", "http://a:81/y", "https://a:444/y", "http://a.b/"])
def test_another_server_is_given_no_credentials(location: str) -> None:
    found = question().following(302, location)
    assert found is not None
    assert (found.authorization, names(found), found.is_foreign) == (None, ["Accept"], True)
    back = found.following(302, "http://a/x")
    assert back is not None
    assert (back.authorization, names(back), back.is_foreign) == (None, ["Accept"], True)


def test_from_https_to_http_no_credentials_go() -> None:
    found = question("https://app:pw@a/").following(302, "http://a/")
    assert found is not None
    assert (found.authorization, names(found)) == (None, ["Accept"])


@pytest.mark.parametrize(
    ("status", "method", "following"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (301, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
def test_a_redirect_keeps_the_method_and_the_body_or_makes_a_get_of_them(
    status: int, method: str, following: str
) -> None:
    found = question(method=method, body=b"x").following(status, "/y")
    assert found is not None
    kept = following == method
    assert (found.method, found.body) == (following, b"x" if kept else None)
    assert ("Content-Type" in names(found)) == kept


def test_head_stays_head() -> None:
    found = question(method="HEAD").following(303, "/y")
    assert found is not None
    assert found.method == "HEAD"


def test_another_server_is_not_given_the_body() -> None:
    with pytest.raises(AbsentError, match="it redirects to b:80, which is not given the body"):
        question(method="POST", body=b"x").following(307, "http://b/")


@pytest.mark.parametrize("location", ["ftp://a/", "http://[", "http://a..b/", "javascript:x", "http://u:hunter2@/"])
def test_a_redirect_to_nowhere_is_told(location: str) -> None:
    with pytest.raises(AbsentError, match="it redirects to ") as caught:
        question().following(302, location)
    assert "hunter2" not in str(caught.value)


def test_ten_redirects_are_followed_and_no_more() -> None:
    asked = question()
    for number in range(10):
        found = asked.following(302, f"/{number}")
        assert found is not None
        asked = found
    with pytest.raises(AbsentError, match="more than 10 redirects"):
        asked.following(302, "/again")


def test_headers_of_one_name_become_a_list() -> None:
    headers = (Header("A", "1"), Header("a", "ü"), Header("Cookie", "b=1"), Header("Cookie", "c=2"))
    assert joined(headers) == {"A": b"1, \xc3\xbc", "Cookie": b"b=1; c=2"}


# the environment

SERVER = HostPort("config.shop.svc", 80)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"http_proxy": "http://p:3128"}, "p:3128"),
        ({"HTTP_PROXY": "p:3128"}, "p:3128"),
        ({"http_proxy": "http://small", "HTTP_PROXY": "http://large"}, "small:80"),
        ({"https_proxy": "http://p:3128"}, None),
        ({"ALL_PROXY": "http://p:3128/"}, "p:3128"),
        ({"all_proxy": "http://all", "http_proxy": "http://own"}, "own:80"),
        ({"http_proxy": "http://[::1]:3128"}, "[::1]:3128"),
        ({"http_proxy": " "}, None),
    ],
)
def test_the_environment_names_a_proxy(environ: dict[str, str], proxy: str | None) -> None:
    found = proxy_for("http", SERVER, environ)
    assert (str(found) if found else None) == proxy


@pytest.mark.parametrize(
    ("exempt", "endpoint", "is_exempt"),
    [
        ("*", SERVER, True),
        ("config.shop.svc", SERVER, True),
        ("svc", SERVER, True),
        (".svc, x", SERVER, True),
        ("x,*.shop.svc", SERVER, True),
        ("CONFIG.shop.svc:80", SERVER, True),
        ("config.shop.svc:81", SERVER, False),
        ("vc", SERVER, False),
        ("shop", SERVER, False),
        ("10.0.0.0/8", HostPort("10.1.2.3", 80), True),
        ("10.0.0.0/8", HostPort("11.1.2.3", 80), False),
        ("10.0.0.0/8", SERVER, False),
        ("127.0.0.1", HostPort("127.0.0.1", 80), True),
        ("127.0.0.1:80", HostPort("127.0.0.1", 80), True),
        ("::1", HostPort("::1", 80), True),
        ("[::1]", HostPort("::1", 80), True),
        ("fd00::/8", HostPort("fd00::1", 80), True),
        ("", SERVER, False),
        (":80", SERVER, False),
    ],
)
def test_no_proxy_has_names_addresses_and_networks(exempt: str, endpoint: HostPort, is_exempt: bool) -> None:  # noqa: FBT001 - a row
    environ = {"http_proxy": "http://p", "no_proxy": exempt}
    assert (proxy_for("http", endpoint, environ) is None) == is_exempt


@pytest.mark.parametrize("url", ["socks5://p:1", "https://p", "http://", "http://p:x", "http://u:hunter2@p:x"])
def test_a_proxy_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected all_proxy to be ") as caught:
        proxy_for("http", SERVER, {"all_proxy": url})
    assert "hunter2" not in str(caught.value)


def test_a_proxy_s_password_is_masked() -> None:
    KNOWN.forget()
    found = proxy_for("http", SERVER, {"http_proxy": "http://app:hunter2@p"})
    assert found is not None
    assert found.authorization == "Basic YXBwOmh1bnRlcjI="
    assert redact("hunter2 and YXBwOmh1bnRlcjI=") == "*** and ***"
    KNOWN.forget()


def test_netrc_is_where_it_is_said_or_at_home() -> None:
    assert netrc_path({"NETRC": "/n", "HOME": "/h"}) == "/n"
    assert netrc_path({"HOME": "/h/"}) == "/h/.netrc"
    assert netrc_path({"HOME": ""}) is None
