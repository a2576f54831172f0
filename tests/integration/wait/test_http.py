"""Waiting for real HTTP servers: what is sent, what is asserted, and what a person reads when it is not so."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import RecordingVoice, make_context
from fix_http import Reply, failed, http_target, probed
from fix_need import need
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import SuspectError, TemporaryError, TimedOutError
from initkit.steps.wait.net.names import Names
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_http import Site

    Serve = Callable[..., Site]

FAST = {"retry": {"timeout": "10s", "interval": "10ms", "max-interval": "20ms"}}


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# statuses


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_good_status(http_server: Serve, status: int) -> None:
    assert probed(f"http://{http_server().address}/{status}") == f"answers {status}"


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_another_status_is_certainly_not_the_right_one(http_server: Serve, status: int) -> None:
    error = failed(f"http://{http_server().address}/{status}")
    assert type(error) is AbsentError
    assert error.cause == f"it answers {status}, expected 200-299"


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_status_about_credentials_is_suspect(http_server: Serve, status: int) -> None:
    error = failed(f"http://app:hunter2@{http_server().address}/{status}")
    assert isinstance(error, SuspectError)
    assert not isinstance(error, AbsentError)
    assert error.cause == f"it answers {status}, expected 200-299"


def test_any_status_may_be_the_right_one(http_server: Serve) -> None:
    site = http_server()
    assert probed(f"http://{site.address}/302", status="302,404") == "answers 302"
    assert probed(f"http://{site.address}/401", status="400-499") == "answers 401"
    assert [request.path for request in site.asked] == ["/302", "/401"]


def test_a_server_that_comes_late(http_server: Serve, free_port: int) -> None:
    voice = RecordingVoice()
    timer = threading.Timer(0.3, http_server, kwargs={"port": free_port})
    timer.start()
    step = assemble(Wait, {"targets": f"http://127.0.0.1:{free_port}/200", **FAST})
    step.watch(make_context(voice=voice))
    timer.join()
    assert voice.missed[0][1] == "connection refused"


def test_a_closed_port_is_certainly_absent_and_an_unknown_name_is_not(free_port: int) -> None:
    error = failed(f"http://u:hunter2@127.0.0.1:{free_port}/x")
    assert (type(error), error.task, error.cause) == (
        AbsentError,
        f"connect to 127.0.0.1:{free_port}",
        "connection refused",
    )
    error = failed("https://config.invalid/")
    assert type(error) is TemporaryError
    assert error.cause.startswith("cannot resolve config.invalid: ")


def test_not_waits_until_it_is_otherwise(http_server: Serve) -> None:
    states = iter([200, 200])
    site = http_server({"/": lambda _: Reply(next(states, 503))})
    step = assemble(Wait, {"targets": f"http://{site.address}/", "not": "yes", **FAST})
    step.watch(make_context())
    assert len(site.asked) == 3


def test_not_is_not_content_with_a_login_that_is_refused(http_server: Serve) -> None:
    step = assemble(Wait, {"targets": f"http://{http_server().address}/401", "not": "yes", **FAST})
    with pytest.raises(TimedOutError):
        step.watch(make_context(timeout=0.5))


def test_a_probe_says_when_it_is_answered_and_uses_the_names_of_the_wait(http_server: Serve) -> None:
    reached = threading.Event()
    context = make_context()
    probes = ProbeContext(**vars(context), names=Names(context.clock), reached=reached.set)
    assert http_target(f"http://localhost:{http_server().address.rpartition(':')[2]}/").probe(probes) == "answers 200"
    assert reached.is_set()


def test_an_ipv6_address(http_server: Serve) -> None:
    try:
        site = http_server(host="::1")
    except OSError:
        need(None, "IPv6 on the loopback device")
        return
    assert probed(f"http://{site.address}/") == "answers 200"
    assert site.asked[0].headers["Host"] == site.address


# what is sent


def test_what_a_plain_question_looks_like(http_server: Serve) -> None:
    site = http_server()
    probed(f"http://{site.address}/a b/ü?c=d e#f")
    (asked,) = site.asked
    assert (asked.method, asked.path, asked.body) == ("GET", "/a%20b/%C3%BC?c=d%20e", b"")
    assert asked.headers["Host"] == site.address
    assert asked.headers["User-Agent"].startswith("initkit/")
    assert (asked.headers["Connection"], asked.headers["Authorization"]) == ("close", None)


def test_method_headers_and_body_are_sent_on_every_attempt(http_server: Serve) -> None:
    states = iter([503])
    site = http_server({"/": lambda _: Reply(next(states, 200))})
    target = {
        "url": f"http://{site.address}/",
        "method": "post",
        "body": '{"ü": 1}',
        "header": ["Content-Type: application/json", "X-Name: ü", "X-Name: 2", "Host: other.example", "User-Agent: me"],
    }
    assemble(Wait, {"targets": [{"http": target}], **FAST}).watch(make_context())
    assert len(site.asked) == 2
    for asked in site.asked:
        assert (asked.method, asked.body) == ("POST", '{"ü": 1}'.encode())
        assert asked.headers["Content-Type"] == "application/json"
        assert asked.headers["X-Name"].encode("latin-1") == "ü, 2".encode()
        assert (asked.headers["Host"], asked.headers["User-Agent"]) == ("other.example", "me")
        assert asked.headers["Content-Length"] == "9"


def test_a_body_from_a_file(http_server: Serve, tmp_path: Path) -> None:
    site, file = http_server(), tmp_path / "body"
    url = f"http://{site.address}/"
    error = failed(url, body_file=str(file))
    assert isinstance(error, SuspectError)
    assert error.cause == "no such file or directory"
    file.write_bytes(b"\0\xff")
    assert probed(url, method="PUT", body_file=str(file)) == "answers 200"
    assert (site.asked[0].method, site.asked[0].body) == ("PUT", b"\0\xff")
    assert type(failed(url, body_file=str(tmp_path))) is SuspectError


def test_credentials_of_the_url_are_sent_and_a_header_goes_first(http_server: Serve) -> None:
    site = http_server()
    probed(f"http://app:hunter2@{site.address}/")
    probed(f"http://app:hunter2@{site.address}/", header=["authorization: Bearer hunter2-b"])
    assert [request.headers["Authorization"] for request in site.asked] == [
        "Basic YXBwOmh1bnRlcjI=",
        "Bearer hunter2-b",
    ]


def test_a_url_from_a_variable_or_a_file(http_server: Serve, tmp_path: Path) -> None:
    site = http_server()
    (tmp_path / "url").write_text(f"http://app:hunter2@{site.address}/b\n")
    context = make_context(environ={"CONFIG": f"http://{site.address}/a"})
    for source in ({"url-env": "CONFIG"}, {"url-file": str(tmp_path / "url")}):
        target: Any = assemble(Wait, {"targets": [{"http": source}], **FAST}).targets[0]
        assert target.probe(context) == "answers 200"
    assert [request.path for request in site.asked] == ["/a", "/b"]


def test_http_over_a_unix_socket(http_server: Serve, tmp_path: Path) -> None:
    path = str(tmp_path / "http.sock")
    error = failed("http://docker/info", unix_socket=path)
    assert (type(error), error.task) == (AbsentError, f"connect to {path}")
    site = http_server(path=path)
    assert probed("http://docker/info", unix_socket=path) == "answers 200"
    assert (site.asked[0].path, site.asked[0].headers["Host"]) == ("/info", "docker")


# what is asserted

REPORT = {"status": "starting", "checks": [{"name": "db", "up": True}, {"name": "queue", "up": False}], "version": 3}
JSON = Reply(200, json.dumps(REPORT).encode(), (("Content-Type", "application/json"), ("X-Ready", "no")))


def test_assertions_that_hold(http_server: Serve) -> None:
    site = http_server({"/": JSON})
    found = probed(
        f"http://{site.address}/",
        json=["status=starting", "checks[?name=='db'].up | [0]=true", "version=3"],
        body_matches=['"name": "db"', "que+ue"],
        header_matches=["content-type: json$", "X-Ready: ^no$"],
    )
    assert found == "answers 200"


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"json": ["status=ok"]}, 'status is "starting", expected "ok"'),
        ({"json": ["version=3", "status=ok"]}, 'status is "starting", expected "ok"'),
        ({"json": ["checks[].up=[true,true]"]}, "checks[].up is [true, false], expected [true,true]"),
        ({"body_matches": ["starting", "ready"]}, "its body does not match 'ready'"),
        ({"header_matches": ["X-Ready: yes"]}, "its header X-Ready: no does not match 'yes'"),
        ({"header_matches": ["X-Gone: yes"]}, "it has no header X-Gone"),
        ({"json": ["status=ok"], "status": "404"}, "it answers 200, expected 404"),
    ],
)
def test_an_assertion_that_does_not_hold(http_server: Serve, options: dict[str, Any], cause: str) -> None:
    error = failed(f"http://{http_server({'/': JSON}).address}/", **options)
    assert (type(error), error.cause) == (AbsentError, cause)


def test_what_a_body_says_instead_is_shown_where_it_does_not_make_a_new_line_each_time(http_server: Serve) -> None:
    site = http_server({"/": Reply(200, b"starting\nsince 12:00:01"), "/empty": Reply(204)})
    error = failed(f"http://{site.address}/", body_matches="ready")
    assert (error.cause, error.advice.partition(";")[0]) == (
        "its body does not match 'ready'",
        "it begins with 'starting since 12:00:01'",
    )
    error = failed(f"http://{site.address}/empty", json="a=1")
    assert (error.cause, error.advice.partition(";")[0]) == ("its body is no JSON", "it is empty")


def test_secrets_of_the_answer_are_not_shown(http_server: Serve) -> None:
    body = Reply(200, b'{"password": "hunter2", "x": 1}', (("Set-Cookie", "session=hunter2"),))
    url = f"http://{http_server({'/': body}).address}/"
    for option, value in (("body_matches", "y"), ("header_matches", "Set-Cookie: y"), ("json", "@=1")):
        options: dict[str, Any] = {option: value}
        assert "***" in str(failed(url, **options))


def test_secrets_of_the_question_that_the_answer_repeats_are_not_shown(http_server: Serve) -> None:
    def echo(request: Any) -> Reply:
        return Reply(200, f"you said {request.headers['X-Vault-Token']}".encode())

    error = failed(f"http://{http_server({'/': echo}).address}/", header="X-Vault-Token: hunter2", body_matches="no")
    assert "you said ***" in error.advice


def test_a_packed_answer_is_unpacked(http_server: Serve) -> None:
    packed = Reply(200, gzip.compress(b'{"ok": true}'), (("Content-Encoding", "gzip"),))
    assert probed(f"http://{http_server({'/': packed}).address}/", json="ok=true") == "answers 200"


def test_an_answer_of_http_1_0_ends_with_its_connection(http_server: Serve) -> None:
    site = http_server({"/": JSON}, protocol="HTTP/1.0")
    assert probed(f"http://{site.address}/", json="version=3") == "answers 200"


def test_head_has_no_body(http_server: Serve) -> None:
    site = http_server()
    assert probed(f"http://{site.address}/", method="HEAD", header_matches="Content-Length: 0") == "answers 200"
    assert site.asked[0].method == "HEAD"


def test_a_body_is_looked_at_up_to_a_limit(http_server: Serve) -> None:
    long = Reply(200, b"[" + b" " * 2000 + b'"end"]')
    url = f"http://{http_server({'/': long}).address}/"
    assert probed(url, body_matches="end", json="[0]=end") == "answers 200"
    error = failed(url, body_matches="end", body_limit="1000")
    assert type(error) is TemporaryError  # it may well be there, further on
    assert error.cause == "its body, of which 1000 bytes were read, does not match 'end'"
    assert error.advice == "raise --body-limit"
    error = failed(url, json="[0]=end", body_limit="1000")
    assert error.cause == "its body, of which 1000 bytes were read, is no JSON"


def test_json_that_is_nested_too_deep_is_no_bug(http_server: Serve) -> None:
    error = failed(f"http://{http_server({'/': Reply(200, b'[' * 100_000)}).address}/", json="a=1")
    assert error.cause == "its body is no JSON"


# as people run it


def test_the_command_line(http_server: Serve, tmp_path: Path) -> None:
    site = http_server({"/": JSON})
    url = f"http://{site.address}/"
    words = ["wait", "--attempts", "1", "http", url]
    ended = initkit(*words, "--json", "status=starting", env={"INITKIT_WAIT_HTTP_HEADER": "'X-Token: hunter2'"})
    assert (ended.returncode, site.asked[0].headers["X-Token"]) == (0, "hunter2")
    ended = initkit(*words, "--json", "status=ok", "--header", "Authorization: Bearer hunter2-x", cwd=tmp_path)
    assert ended.returncode == 124
    assert f'cannot use {url}: status is "starting", expected "ok"' in ended.stderr
    assert "hunter2" not in ended.stderr
    ended = initkit(*words, "--json", "status", "--body-matches", "(", "--header", "hunter2")
    assert ended.returncode == 2
    assert all(option in ended.stderr for option in ("--json: ", "--body-matches: ", "--header: "))
    assert "hunter2" not in ended.stderr


def test_a_regular_expression_without_end_does_not_keep_the_wait(http_server: Serve) -> None:
    site = http_server({"/": Reply(200, b"a" * 60 + b"b")})
    began = time.monotonic()
    words = ["--attempts", "1", "--attempt-timeout", "2s", "http", f"http://{site.address}/"]
    ended = initkit("wait", *words, "--body-matches", "(a+)+$")
    assert (ended.returncode, time.monotonic() - began < 30) == (124, True)
    assert "a regular expression takes too long" in ended.stderr
