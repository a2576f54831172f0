"""What git's trace tells of the answers over HTTP, and that nothing else of it is kept."""

from __future__ import annotations

import pytest

from initkit.steps.git.calling.trace import Heard

REQUEST = ["=> Send header: GET /a/info/refs?service=git-upload-pack HTTP/1.1", "=> Send header: Host: h"]
TYPE = "<= Recv header: Content-Type: application/x-git-upload-pack-advertisement"
OVER = "<= Recv header:"


def heard(*lines: str, at_once: int = 1 << 16) -> Heard:
    found = Heard()
    text = "".join(f"06:19:05.765228 http.c:684              {line}\n" for line in lines).encode()
    for place in range(0, len(text), at_once):
        found.add(text[place : place + at_once])
    return found


@pytest.mark.parametrize("at_once", [1, 7, 1 << 16])
def test_the_last_answer_counts(at_once: int) -> None:
    first = ["<= Recv header: HTTP/1.1 503 Busy", "<= Recv header: Retry-After: 5", OVER]
    found = heard(*REQUEST, *first, *REQUEST, "<= Recv header: HTTP/1.1 429 Slow", OVER, at_once=at_once)
    assert (found.status, found.retry_after(0.0), found.requests) == (429, 0.0, 2)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1", "HTTP/2"])
def test_every_version_of_http_is_understood(version: str) -> None:
    found = heard(*REQUEST, f"<= Recv header: {version} 503 ", "<= Recv header: retry-after:  12 ", OVER)
    assert (found.status, found.retry_after(0.0)) == (503, 12.0)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("", 0), ("-5", 0), ("soon", 0), ("1e9", 0), ("²", 0), ("9" * 500, 999_999_999), ("120", 120),
     ("Thu, 01 Jan 1970 00:16:40 GMT", 100), ("Thu, 01 Jan 1970 00:00:01 GMT", 0), ("Thu, 99 Jan 1970", 0)],
)  # fmt: skip
def test_what_retry_after_may_say(said: str, seconds: float) -> None:
    found = heard(*REQUEST, "<= Recv header: HTTP/1.1 503 Busy", f"<= Recv header: Retry-After: {said}", OVER)
    assert found.retry_after(900.0) == seconds


def test_headers_that_break_off_are_noticed() -> None:
    assert heard(*REQUEST, "<= Recv header: HTTP/1.1 200 OK", TYPE).is_cut
    assert not heard(*REQUEST, "<= Recv header: HTTP/1.1 200 OK", TYPE, OVER).is_cut
    assert not heard(*REQUEST).is_cut


def test_a_page_is_remembered_whatever_follows() -> None:
    page = ["<= Recv header: HTTP/1.1 200 OK", "<= Recv header: Content-Type: Text/HTML; charset=x", OVER]
    assert heard(*REQUEST, *page, *REQUEST, "<= Recv header: HTTP/1.1 404 No", OVER).page == "text/html"
    assert heard(*REQUEST, "<= Recv header: HTTP/1.1 200 OK", OVER).page == "nothing"
    assert not heard(*REQUEST, "<= Recv header: HTTP/1.1 200 OK", TYPE, OVER).page


def test_a_proxys_tunnel_is_no_page() -> None:
    tunnel = ["=> Send header: CONNECT h:443 HTTP/1.1", "<= Recv header: HTTP/1.1 200 Connection established", OVER]
    assert not heard(*tunnel, *REQUEST, "<= Recv header: HTTP/1.1 200 OK", TYPE, OVER).page


def test_whether_a_credential_was_sent_is_known_and_not_which() -> None:
    found = heard(*REQUEST, "=> Send header: Authorization: Basic Y2FuYXJ5")
    assert found.authorized
    assert "Y2FuYXJ5" not in repr(vars(found))
    assert not heard(*REQUEST, "=> Send header: authorization: Basic x", *REQUEST).authorized


def test_a_line_without_end_is_not_kept() -> None:
    found = Heard()
    for _ in range(100):
        found.add(b"x" * 60_000)
    assert len(repr(vars(found))) < 100_000
