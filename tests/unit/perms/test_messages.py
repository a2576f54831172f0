"""What a person reads: counts, first paths, and what helps."""

from __future__ import annotations

import errno
import os

import pytest

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.perms.causes import Failure, failure_of, shown
from initkit.steps.perms.tally import Tally


def test_only_the_first_ten_of_many_failures_are_shown() -> None:
    tally = Tally(seen=340)
    for number in range(12):
        tally.failed(f"/data/{number}", Failure("changing the mode of", "Operation not permitted", "do this"))
    text = str(tally.error("set permissions in /data"))
    expected = (
        "cannot set permissions in /data: Operation not permitted when changing the mode of 12 of 340 entries: /data/0"
    )
    assert text.startswith(expected)
    assert text.endswith("/data/9, and 2 more; do this")
    assert "/data/10" not in text


def test_what_may_be_over_soon_is_tried_again_unless_something_else_failed_too() -> None:
    tally = Tally(seen=2)
    tally.failed("/data/a", failure_of("read", OSError(errno.ESTALE, "")))
    assert isinstance(tally.error("x"), TemporaryError)
    tally.failed("/data/b", failure_of("mode", OSError(errno.EROFS, "")))
    assert isinstance(tally.error("x"), PermanentError)


@pytest.mark.parametrize(
    ("operation", "number", "message"),
    [
        ("mode", errno.EROFS, "mounted read-only"),
        ("own", errno.EINVAL, "not mapped in this user namespace"),
        ("mode", errno.ENOENT, "/proc is not mounted"),
        ("keep", errno.EPERM, "did not keep"),
        ("mode", errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP)),
    ],
)
def test_each_refusal_is_named_for_what_it_is(operation: str, number: int, message: str) -> None:
    assert message in failure_of(operation, OSError(number, "")).reason


def test_names_that_are_no_text_can_be_printed() -> None:
    assert shown("/a/b\nc\x1b[2J\udcff é") == "/a/b\\nc\\x1b[2J\\xff é"
