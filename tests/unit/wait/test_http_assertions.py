"""What may be asserted of an answer, true and false."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import Any

import pytest

from initkit.steps.wait.web.assertions import parse_header_pattern, parse_json_value, piece
from initkit.steps.wait.web.body import Body, read_body

DOCUMENT: dict[str, Any] = {
    "status": "ok",
    "count": 3,
    "half": 0.5,
    "ready": True,
    "none": None,
    "version": "1.10",
    "items": [{"name": "a", "up": True}, {"name": "b=c", "up": False}],
    "deep": {"x": [1, 2], "y": {"z": "ü"}},
}


@pytest.mark.parametrize(
    "text",
    [
        "status=ok",
        'status="ok"',
        " status = ok ",
        "count=3",
        "count=3.0",
        "half=0.5",
        "ready=true",
        "none=null",
        "missing=null",
        "version=1.10",
        "items[?name=='b=c'].up | [0]=false",
        'items[?up].name=["a"]',
        "items[?name!='a'] | length(@)=1",
        "items[?up==`true`] | length(@)=1",
        "count >= `3`=true",
        "length(items)=2",
        "items[0:1].up=[true]",
        'deep={"y": {"z": "ü"}, "x": [1, 2.0]}',
        "deep.y.z=ü",
        "{n: count}.n=3",
        "not_null(missing, status)=ok",
    ],
)
def test_a_value_that_is_there(text: str) -> None:
    assert parse_json_value(text).unmet(DOCUMENT) == ""


@pytest.mark.parametrize(
    ("text", "unmet"),
    [
        ("status=up", 'status is "ok", expected "up"'),
        ("count=4", "count is 3, expected 4"),
        ("count=true", "count is 3, expected true"),
        ("ready=1", "ready is true, expected 1"),
        ("missing=x", 'missing is null, expected "x"'),
        ("none=", 'none is null, expected ""'),
        ("deep.x=[1]", "deep.x is [1, 2], expected [1]"),
        ('deep.y={"z": 1}', 'deep.y is {"z": "ü"}, expected {"z": 1}'),
        ("count=NaN", 'count is 3, expected "NaN"'),
        (f"status={'y' * 99}", f'status is "ok", expected "{"y" * 59}…'),
    ],
)
def test_a_value_that_is_another(text: str, unmet: str) -> None:
    assert parse_json_value(text).unmet(DOCUMENT) == unmet


def test_a_function_that_does_not_take_what_is_there_is_no_bug() -> None:
    unmet = parse_json_value("length(missing)=1").unmet(DOCUMENT)
    assert unmet.startswith("length(missing) cannot be had: in function length(), invalid type")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("status", ""),
        ("", ""),
        ("=ok", ""),
        ("a==b", ""),
        ("$.status=ok", "; JMESPath has no $: write status, not $.status"),
        ("items[=1", ": invalid jmespath expression: Incomplete expression"),
        ("lenght(@)=1", ": there is no function lenght()"),
        ("length(a, b)=1", ": length() takes 1 arguments, got 2"),
    ],
)
def test_what_is_no_path_and_value(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="expected PATH=VALUE with a JMESPath, got") as caught:
        parse_json_value(text)
    assert str(caught.value).startswith(f"expected PATH=VALUE with a JMESPath, got {text!r}{reason}")


def test_the_first_equals_sign_that_leaves_a_path_counts() -> None:
    assert vars(parse_json_value("a[?b=='x=y'].c=d=e==")) == {"path": "a[?b=='x=y'].c", "wanted": "d=e=="}


def test_headers_are_searched_each_for_itself() -> None:
    headers = [("Content-Type", "application/json; charset=utf-8"), ("Via", "a"), ("via", "b")]
    assert parse_header_pattern("content-type: ^application/json").unmet(headers, 1) == ""
    assert parse_header_pattern("VIA:^b$").unmet(headers, 1) == ""
    assert parse_header_pattern("Via: c").unmet(headers, 1) == "its header Via: a, b does not match 'c'"
    assert parse_header_pattern("X-Up: .").unmet(headers, 1) == "it has no header X-Up"
    assert parse_header_pattern("X-Time: \\d+:\\d+").unmet([("x-time", "12:30")], 1) == ""


def test_a_piece_is_short_and_printable() -> None:
    assert piece("  a\n\x1b[31mb ") == "a [31mb"
    assert piece("x" * 61) == "x" * 60 + "…"


# bodies


class Source(io.BytesIO):
    """Gives one byte at a time."""

    def read(self, _amt: int | None = None, *, decode_content: bool = False) -> bytes:
        assert not decode_content
        return super().read(1)


TEXT = b"all is well, " * 20


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("X-GZIP", gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:])),
        ("deflate", zlib.compress(TEXT)),
        ("gzip", b""),
    ],
)
def test_bodies_are_unpacked(encoding: str, packed: bytes) -> None:
    assert read_body(Source(packed), encoding, 1000) == Body(TEXT if packed else b"", is_whole=True)


def test_bare_deflate_is_unpacked() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(TEXT) + packer.flush()
    assert read_body(Whole(packed), "deflate", 1000).content == TEXT


class Whole(Source):
    """Gives everything at once."""

    def read(self, _amt: int | None = None, *, decode_content: bool = False) -> bytes:
        assert not decode_content
        return io.BytesIO.read(self)


@pytest.mark.parametrize("kind", [Source, Whole])
def test_no_more_is_unpacked_than_is_asked_for(kind: type[Source]) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    body = read_body(kind(bomb), "gzip", 1000)
    assert (len(body.content), body.is_whole) == (1000, False)
    assert read_body(kind(TEXT), "", 13) == Body(b"all is well, ", is_whole=False)
    assert read_body(kind(TEXT), "", len(TEXT)) == Body(TEXT, is_whole=True)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd"])
def test_what_was_not_asked_for_is_not_unpacked(encoding: str) -> None:
    with pytest.raises(ValueError, match=f"its body is packed as {encoding}, which was not asked for"):
        read_body(Source(b"x"), encoding, 10)


def test_a_packed_body_that_is_none_or_breaks_off() -> None:
    with pytest.raises(ValueError, match="its body is not packed as it says"):
        read_body(Whole(b"plain text"), "gzip", 100)
    with pytest.raises(EOFError):
        read_body(Whole(gzip.compress(TEXT)[:-12]), "gzip", 1000)


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        ("", "ü".encode(), "ü"),
        ("text/html", b"\xff", "\ufffd"),
        ("text/html; charset=ISO-8859-1", b"\xfc", "ü"),
        ('text/html;Charset = "utf-16"', "ü".encode("utf-16"), "ü"),
        ("text/html; charset=punycode", "ü".encode(), "ü"),
        ("text/html; charset=utf-99", "ü".encode(), "ü"),
    ],
)
def test_text_is_read_in_its_charset(content_type: str, content: bytes, text: str) -> None:
    assert Body(content, is_whole=True).text(content_type) == text


def test_json_of_numbers_beyond_all_bounds_is_compared_as_text() -> None:
    assert parse_json_value(f"n={'1' * 5000}").unmet(json.loads('{"n": 1}')).startswith("n is 1, expected")
