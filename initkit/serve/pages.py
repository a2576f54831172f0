"""What is answered to a request of HTTP, whole: the first line that came in, the page, the bytes that go out."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    Pages = Callable[[str], "Page | None"]  # by path; None where there is none

LONGEST_HEAD = 8192  # bytes: what common servers allow, and more than a probe or a scrape sends

_REQUEST = re.compile(rb"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?P<target>[!-~]+) HTTP/1\.[01]\r?")
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)  # RFC 9112, section 3.2.2: a proxy may send all of the URL
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Page(Record):
    """What stands at a path just now."""

    status: int
    content_type: str
    body: bytes


def answer(head: bytes, pages: Pages, wall: float) -> bytes:
    """The whole response to a request.

    Args:
        head: its first line and its headers; more of it does not matter.
        pages: what there is.
        wall: seconds since the epoch, for the date.
    """
    match = _REQUEST.fullmatch(head.split(b"\n", 1)[0])
    if match is None:
        return _response(_plain(400), wall)
    method = match["method"].decode()
    page = pages(_path(match["target"].decode()))
    if page is None:
        return _response(_plain(404), wall, with_body=method != "HEAD")
    if method not in {"GET", "HEAD"}:
        return _response(_plain(405), wall, "Allow: GET, HEAD")
    return _response(page, wall, with_body=method != "HEAD")


def refusal(status: int, wall: float) -> bytes:
    """The whole response to what is no request, or cannot be answered."""
    return _response(_plain(status), wall)


def _path(target: str) -> str:
    return _ORIGIN.sub("", target, count=1).partition("?")[0] or "/"


def _plain(status: int) -> Page:
    return Page(status, "text/plain; charset=utf-8", f"{_REASONS[status]}\n".encode())


def _response(page: Page, wall: float, *headers: str, with_body: bool = True) -> bytes:
    lines = [
        f"HTTP/1.1 {page.status} {_REASONS[page.status]}",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime(wall)),
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        *headers,
        "Connection: close",
    ]
    head = "".join(f"{line}\r\n" for line in lines).encode("ascii") + b"\r\n"
    return head + (page.body if with_body else b"")
