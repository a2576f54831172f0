"""How URLs, statuses, methods, headers and sockets of HTTP targets are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, UsageError
from initkit.core.options import Invalid, Scope
from initkit.core.redact import KNOWN, redact
from initkit.steps.wait.schemes.http import Http
from initkit.steps.wait.web.values import (
    endpoint_of,
    parse_header,
    parse_method,
    parse_socket_path,
    parse_statuses,
    parse_url,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


def http(**given: object) -> Http:
    return assemble(Http, {key.replace("_", "-"): value for key, value in given.items()})


def refused(**given: object) -> str:
    with pytest.raises(Invalid) as caught:
        http(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://config", ("config", 80)),
        ("https://config", ("config", 443)),
        ("HTTPS://Config:8443/x", ("config", 8443)),
        ("http://u:p@config:8080?x#y", ("config", 8080)),
        ("http://[::1]/", ("::1", 80)),
        ("http://[fe80::1%25eth0]:81/", ("fe80::1%eth0", 81)),
        ("http://config/a b", ("config", 80)),
        ("http://config_1.ns.svc.:80", ("config_1.ns.svc.", 80)),
        ("http://münchen.de", ("münchen.de", 80)),
    ],
)
def test_urls_name_an_endpoint(url: str, endpoint: tuple[str, int]) -> None:
    assert endpoint_of(parse_url(f" {url} ")) == endpoint


@pytest.mark.parametrize(
    "url",
    [
        "",
        "config",
        "ftp://config",
        "http://",
        "http:config",
        "http://:80",
        "http://config:0",
        "http://c/a\tb",
        "http://c\0/",
    ],
)
def test_what_is_no_http_url(url: str) -> None:
    with pytest.raises(ValueError, match="expected an http:// or https:// URL"):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://c:x",
        "http://[::1",
        "http://a..b/",
        f"http://{'a' * 70}/",
        "http://.a/",
        "http://a b/",
        "http://a:99999/",
    ],
)
def test_hosts_and_ports_that_can_be_none(url: str) -> None:
    with pytest.raises(ValueError, match="expected an http:// or https:// URL with a valid host, got"):
        parse_url(url)


def test_a_name_that_idna_refuses_is_a_permanent_error() -> None:
    with pytest.raises(PermanentError, match="this can be no URL; mend the target"):
        http(url="http://a\u06dd.\u0661b/").probe(make_context())


@pytest.mark.parametrize("text", ["", "abc", "99", "600", "300-200", "200-", "200,,204"])
def test_statuses_are_numbers_and_ranges(text: str) -> None:
    with pytest.raises(ValueError, match="expected statuses such as 200,204 or 200-299, got"):
        parse_statuses(text)


def test_statuses_are_in_their_ranges() -> None:
    statuses = parse_statuses("200, 204,300-399")
    assert [status for status in (199, 200, 201, 204, 300, 399, 400) if status in statuses] == [200, 204, 300, 399]
    assert str(statuses) == "200, 204,300-399"


def test_methods_are_tokens_in_capitals() -> None:
    assert (parse_method("post"), parse_method("X-PING")) == ("POST", "X-PING")
    for text in ("", "GET /", "connect", "GÉT"):
        with pytest.raises(ValueError, match="expected a method such as GET, HEAD or POST, got"):
            parse_method(text)


def test_headers_are_names_and_values() -> None:
    assert vars(parse_header("Accept:text/plain; q=1 ")) == {"name": "Accept", "value": "text/plain; q=1"}
    assert vars(parse_header("X-Empty:")) == {"name": "X-Empty", "value": ""}
    assert parse_header("X-Time: 12:30").value == "12:30"


@pytest.mark.parametrize(
    "text", ["hunter2", "Author ization: hunter2", ": hunter2", "A: hunter2\r\nB: c", "Ä: hunter2"]
)
def test_what_is_no_header_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="expected a header as 'Name: value'") as caught:
        parse_header(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_headers_that_follow_from_the_body_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="which follows from the body"):
        parse_header(f"{name}: 5")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer hunter2-token", "hunter2-token"),
        ("Authorization: Basic YXBwOmh1bnRlcjI=", "YXBwOmh1bnRlcjI="),
        ("Authorization: Basic YXBwOmh1bnRlcjI=", "hunter2"),
        ("Authorization: Basic no-base64", "no-base64"),
        ("Cookie: session=hunter2; theme=darkish", "hunter2"),
        ("X-Api-Key: hunter2", "hunter2"),
        ("X-Vault-Token: hunter2", "hunter2"),
        ("PRIVATE-TOKEN: hunter2", "hunter2"),
        ("X-Auth: hunter2", "hunter2"),
    ],
)
def test_values_of_secret_headers_are_masked_everywhere(text: str, secret: str) -> None:
    header = parse_header(text)
    assert secret not in f"{header} {header!r} {http(url='http://c', header=[text])!r}"
    assert redact(f"it says {secret} here") == "it says *** here"


def test_values_of_other_headers_are_not_masked() -> None:
    for text in ("Accept: text/html", "X-Author: Marie", "Keep-Alive: 300 seconds"):
        value = parse_header(text).value
        assert redact(f"it says {value}") == f"it says {value}"


def test_headers_come_from_the_environment_too() -> None:
    environ = {"INITKIT_WAIT_HTTP_HEADER": "'Authorization: Bearer hunter2-x' 'Accept: a/b'"}
    target = assemble(Http, {"url": "http://c"}, Scope("wait_http", environ))
    assert [header.value for header in target.header] == ["Bearer hunter2-x", "a/b"]
    assert "hunter2" not in redact("hunter2-x")


def test_sockets_are_paths() -> None:
    assert parse_socket_path("unix:///run/x.sock") == "/run/x.sock"
    assert parse_socket_path("x.sock") == "x.sock"
    for text in ("", "unix://", "/" * 108, "a\0b"):
        with pytest.raises(ValueError, match="expected the path of a unix socket, of at most 107 bytes, got"):
            parse_socket_path(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected one of URL, --url-env and --url-file, got none"),
        ({"url": "http://c", "url_env": "X"}, "expected one of URL, --url-env and --url-file, got 2"),
        ({"url": "http://c", "body": "x", "body_file": "y"}, "expected --body or --body-file, got both"),
        ({"url": "https://c", "key": "x"}, "expected --cert with --key, got --key alone"),
        ({"url": "https://c", "server_name": "a..b"}, "expected a host's name as --server-name, got 'a..b'"),
        ({"url": "https://c", "server_name": ""}, "expected a host's name as --server-name, got ''"),
        ({"url": "http://c", "ca": "x"}, "expected https:// with options of TLS, got http://"),
        ({"url": "http://c", "method": "HEAD", "json": ["a=1"]}, "expected another method than HEAD"),
        ({"url": "http://c", "method": "HEAD", "body_matches": ["a"]}, "expected another method than HEAD"),
        ({"url": "http://c", "body_limit": "0"}, "expected a --body-limit from 1 up, got 0"),
        ({"url": "http://c", "body_matches": ["(["]}, "expected a regular expression, got '(['"),
        ({"url": "http://c", "json": ["a b=1"]}, "expected PATH=VALUE with a JMESPath, got 'a b=1'"),
        ({"url": "http://c", "header_matches": ["x"]}, "expected 'NAME: REGEX', got 'x'"),
        ({"url": "http://c", "header_matches": ["x: ("]}, "expected a regular expression, got '('"),
        (
            {"url": "http://c", "unix_socket": "/x", "proxy_from_environment": "yes"},
            "expected --unix-socket or --proxy-from-environment, got both",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_attempt(given: dict[str, object], message: str) -> None:
    assert refused(**given).startswith(message)


def test_a_name_has_no_secrets_and_needs_no_environment() -> None:
    assert http(url="http://u:hunter2@c/?token=hunter2").name == "http://u:***@c/?token=***"
    assert http(url_env="CONFIG_URL").name == "http ($CONFIG_URL)"
    assert http(url_file="/run/url").name == "http (/run/url)"


def test_a_url_in_a_variable_is_looked_for_before_any_attempt() -> None:
    target = http(url_env="CONFIG_URL", ca="/ca.pem")
    target.prepare({"CONFIG_URL": "https://c"})
    for environ, message in (
        ({}, "the environment variable CONFIG_URL is not set; set CONFIG_URL"),
        ({"CONFIG_URL": "ftp://u:hunter2@c"}, "expected an http:// or https:// URL, got 'ftp://***@c'"),
        ({"CONFIG_URL": "http://c"}, "expected https:// with options of TLS, got http://"),
    ):
        with pytest.raises(UsageError) as caught:
            target.prepare(cast("Any", environ))
        assert message in str(caught.value)


def test_a_proxy_that_is_none_and_a_netrc_without_a_place_are_found_before_any_attempt() -> None:
    with pytest.raises(UsageError, match="expected http_proxy to be an http:// proxy, got 'socks5://p:1'"):
        http(url="http://c", proxy_from_environment="yes").prepare({"http_proxy": "socks5://p:1"})
    with pytest.raises(UsageError, match="neither NETRC nor HOME is set; set NETRC"):
        http(url="http://c", netrc="yes").prepare({})
    http(url="http://c").prepare({"http_proxy": "socks5://p:1"})
