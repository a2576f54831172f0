from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fix_content import TABLE

from initkit.steps.seed.content.reading import UnplainError

if TYPE_CHECKING:
    from fix_content import SeedFile


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n", b"1,2\n"),
        (b"a,b\n1,2", b"1,2\n"),
        (b"a,b\n1,2\n\n\r\n\n", b"1,2\n"),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\n", b"1,2\n3,4\n"),
        (b'a,b\r\n"x\r\ny",2\r\n', b'"x\r\ny",2\n'),
        (b'a,b\n"say ""hi""",""\n', b'"say ""hi""",""\n'),
        (b'"a",b\n"""",","\n', b'"""",","\n'),
        (b"a\n\n\n", b""),
        (b"a,b\n", b""),
        (b"a,b\nx\\.,\\N\n", b"x\\.,\\N\n"),
        ("a,b\nü,2\n".encode(), "ü,2\n".encode()),
    ],
)
def test_plain_csv_goes_to_copy_as_it_is_but_for_line_ends(
    seed_file: SeedFile, content: bytes, expected: bytes
) -> None:
    assert seed_file.plain(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b'a,b\n1,5" disk\n',
        b'a,b\n1,"2"x\n',
        b'a,b\n1,"2\n',
        b'a,b\n1, "2"\n',
        b'a,b\n"1" ,2\n',
        b'a,b\n1,"2"""x\n',
        b'a,b\n1,x""\n',
        b"a,b\n1,2\r3\n",
        b'a,b\n"x",2\r3\n',
        b"a,b\n\\.,1\n",
        b"a,b\n\\.\n",
        b'a,b\n1,"x\n\\.\n"\n',
        b"a,b\n1,\0\n",
        b"a,b\n1,\xff\n",
        b"a\n1\n\n2\n",
        b'a\n"1"\n\n"2"\n',
        b'a\n1\r\n\r\n"2"\n',
    ],
)
def test_what_copy_would_perhaps_read_otherwise_is_not_plain(seed_file: SeedFile, content: bytes) -> None:
    if b"\0" in content or b"\xff" in content:  # the header is read with what stands right behind it
        content = content[:4] + b"1,2\n" * 50_000 + content[4:]
    with pytest.raises(UnplainError):
        seed_file.plain(content)


@pytest.mark.parametrize(
    "form",
    [
        {"quote": ""},
        {"nulls": ()},
        {"nulls": ("", "NULL")},
        {"nulls": ("a,b",)},
        {"nulls": ('"',)},
        {"expand": True},
        {"renamed": (("b", ""),)},
        {"delimiter": "ü"},
        {"quote": "\\"},
    ],
)
def test_what_copy_cannot_be_told_is_not_plain(seed_file: SeedFile, form: dict[str, Any]) -> None:
    header = "a,b\n" if form.get("delimiter") is None else "aüb\n"
    assert seed_file.plain(header, **form) is None


def test_copy_is_told_what_the_form_says(seed_file: SeedFile) -> None:
    content = seed_file.content("a;b\n-;'x'\n", quote="'", nulls=("-",))
    found = content.read(TABLE, complete=False).plain()
    assert found is not None
    assert (found.delimiter, found.quote, found.null) == (";", "'", "-")
    assert list(found.blocks) == [(b"-;'x'\n", 1)]


def test_records_are_counted(seed_file: SeedFile) -> None:
    rows = "".join(f'{number},"x\n\ny ""{number}"""\n{number},z\n' for number in range(20_000))
    found = seed_file.content("a,b\n" + rows).read(TABLE, complete=False).plain()
    assert found is not None
    blocks = list(found.blocks)
    assert len(blocks) > 3
    assert sum(count for _, count in blocks) == 40_000
    assert b"".join(block for block, _ in blocks) == rows.encode()
