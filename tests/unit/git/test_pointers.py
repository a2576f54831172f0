"""What is a pointer of Git LFS."""

from __future__ import annotations

import pytest

from initkit.steps.git.content.pointers import Pointer, parse

OID = "0123456789abcdef" * 4
TEXT = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 12\n"


def test_a_pointer_is_read_and_written_alike() -> None:
    assert parse(TEXT.encode()) == Pointer(OID, 12)
    assert str(Pointer(OID, 12)) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        TEXT.rstrip("\n"),
        TEXT.replace("git-lfs.github.com", "hawser.github.com"),
    ],
    ids=["line ends of Windows", "no last line end", "old name"],
)
def test_what_programs_made_of_pointers_is_still_one(text: str) -> None:
    assert parse(text.encode()) == Pointer(OID, 12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text\n" + TEXT,
        TEXT.replace("sha256", "md5"),
        TEXT.replace(OID, OID[1:]),
        TEXT.replace(OID, "../" + OID[3:]),
        TEXT.replace("12", "-1"),
        TEXT.replace("12", "9" * 30),
        TEXT + TEXT,
        TEXT + "x" * 1024,
    ],
)
def test_everything_else_is_none(text: str) -> None:
    assert parse(text.encode()) is None


def test_bytes_that_are_no_text_are_none() -> None:
    assert parse(b"\xff\x00" * 100) is None


def test_what_only_another_program_can_read_is_refused() -> None:
    with pytest.raises(ValueError, match="extension"):
        parse(TEXT.replace("oid", f"ext-0-own sha256:{OID}\noid").encode())
