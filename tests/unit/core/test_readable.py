"""Files that cannot be read: who must act, a person or time."""

from __future__ import annotations

import errno
import os

import pytest

from initkit.core.breaks import is_break
from initkit.core.errors import SuspectError, TemporaryError
from initkit.core.readable import unreadable


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, SuspectError),
        (errno.ENOTDIR, SuspectError),
        (errno.EACCES, SuspectError),
        (errno.EISDIR, SuspectError),
        (errno.EMFILE, TemporaryError),
        (errno.EIO, TemporaryError),
        (errno.ESTALE, TemporaryError),
    ],
)
def test_what_may_come_late_is_suspect_and_the_system_s_troubles_are_temporary(number: int, kind: type) -> None:
    error = unreadable(OSError(number, os.strerror(number)), "read /x", "mend --ca")
    assert type(error) is kind
    assert error.cause == os.strerror(number).lower()
    assert error.advice


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN])
def test_every_way_in_which_a_connection_ends_is_one(number: int) -> None:
    assert is_break(OSError(number, os.strerror(number)))


@pytest.mark.parametrize("error", [ConnectionRefusedError(errno.ECONNREFUSED, "x"), TimeoutError(), OSError("x"), None])
def test_a_refusal_and_silence_are_no_break(error: BaseException | None) -> None:
    assert not is_break(error)
