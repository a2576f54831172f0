"""What may not be written is found in the listing, whatever git itself would do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.git.content.caps import Caps
from initkit.steps.git.content.listing import Tally, picked, survey

if TYPE_CHECKING:
    from collections.abc import Generator

_SHA = b"12" * 20


def _file(path: bytes, size: int = 1) -> bytes:
    return b"100644 blob %s %7d\t%s" % (_SHA, size, path)


def _stream(*records: bytes) -> Generator[bytes, None, None]:
    yield from records


def _survey(*records: bytes, files: int = 0, size: int = 0) -> Tally:
    return survey("look", _stream(*records), Caps(files, size))


def test_everything_is_counted() -> None:
    folder = b"040000 tree %s       -\tsite" % _SHA
    link = b"120000 blob %s       5\tsite/link" % _SHA
    module = b"160000 commit %s       -\tsite/module" % _SHA
    lost = b"100644 blob %s     BAD\tsite/lost" % (b"ab" * 20)
    attributes = (_file(b".gitattributes", 1), _file(b"site/.gitattributes", 1), _file(b"x.gitattributes", 1))
    named = tuple((_SHA, path) for path in (b".gitattributes", b"site/.gitattributes"))
    found = _survey(_file(b"a", 10), folder, link, module, lost, *attributes)
    assert found == Tally(8, 18, 1, 1, named, ("ab" * 20,))
    assert _survey() == Tally()


def test_names_that_look_like_records_are_names() -> None:
    assert _survey(_file(b"120000 blob 12 99\tx", 3), _file(b"160000 x", 3), _file(b"x 040000 BAD\t", 3)) == Tally(3, 9)


def test_more_than_allowed_ends_the_listing_early() -> None:
    def endless() -> Generator[bytes, None, None]:
        while True:
            yield _file(b"a", 1000)

    with pytest.raises(PermanentError, match="more than 10000 files and folders; allow more by --max-files"):
        survey("look", endless(), Caps(10_000, 0))
    with pytest.raises(PermanentError, match="larger than 10M in all; allow more by --max-size"):
        survey("look", endless(), Caps(0, 10 << 20))


def test_limits_are_those_of_all_repositories_together() -> None:
    caps = Caps(10, 0)
    caps.take("look", 8, 0)
    survey("look", _stream(*[_file(b"a")] * 2), caps)
    with pytest.raises(PermanentError, match="more than 10 files"):
        survey("look", _stream(*[_file(b"a")] * 3), caps)


@pytest.mark.parametrize(
    "path",
    [b".git", b"a/.git", b".git/hooks/post-checkout", b".GIT", b"a/.Git/config", b".git.", b".git ", b".git. ./x",
     b".git::$INDEX_ALLOCATION/x", b"git~1", b"a/GIT~1/x", b".g\xe2\x80\x8cit", b"\xef\xbb\xbf.git", b"a\\.git\\x",
     b"..", b"../x", b"a/../x", b"a/..", b".", b"./x", b"a//x", b"/etc/passwd", b"a/", b"", b"x" * 256,
     b"/".join([b"x" * 200] * 16), b"/".join([b"x"] * 300)],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(path: bytes) -> None:
    for records in ([_file(path)], [_file(b"before"), _file(path), _file(b"later")]):
        with pytest.raises(
            PermanentError, match=r"its name .* (leads elsewhere or is git's own|is too long|too many folders)"
        ):
            _survey(*records)


@pytest.mark.parametrize(
    "path",
    [b".gitignore", b"a/.gitattributes", b".github/x", b"x.git", b"git", b"git~2", b"...", b"..a", b"a..", b".a", b"a.",
     b"a\\b", b"\xff\xfe", b"a\nb", b"a\t.gitx", b"x" * 255, b"/".join([b"x" * 200] * 15), b"digit/~1"],
)  # fmt: skip
def test_unusual_names_are_names(path: bytes) -> None:
    assert _survey(_file(path)).entries == 1


def test_a_name_in_a_message_is_printable() -> None:
    with pytest.raises(PermanentError) as caught:
        _survey(_file(b"\x1b[31m/../x"))
    assert str(caught.value).isprintable()


def test_picking_follows_the_order_of_both_lists() -> None:
    folder = b"040000 tree %s       -\ta" % _SHA
    records = [_file(b"a-b"), folder, _file(b"a/.gitattributes"), _file(b"a/x"), _file(b"a/y"), _file(b"b")]
    paths = [b".gitattributes", b"a-b", b"a/y"]
    assert list(picked(records, iter(paths))) == [records[0], records[2], records[4]]
    assert list(picked(records, iter([b"b"]))) == [records[2], records[5]]
