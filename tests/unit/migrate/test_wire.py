"""What goes over the pipes between a run and its child comes out as it went in."""

from __future__ import annotations

import signal

import pytest

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError, UsageError
from initkit.db.pg.refusals import NotThereError
from initkit.db.revisions import Revision, Standing
from initkit.steps.migrate.alembic import wire
from initkit.steps.migrate.alembic.running import _how


def test_a_request_comes_out_as_it_went_in() -> None:
    request = wire.Request(
        task="upgrade", path="m", ini="m/alembic.ini", toml="", folder="/m", script_location="/m",
        version_locations=("/m/versions",), name="alembic", x=("a=b",), import_folders=("/src",), to="heads",
        single_head=False, dialect="postgres", address="postgresql://u:p%40@db/shop", source="--url", shown="db",
        environ={"PATH": "/bin", "ODD": "\udcff\n"}, export=("SHOP",), settings={"lock_timeout": "5000"}, pod="shop-0",
        attempt_timeout=10.0, expected=(),
    )  # fmt: skip
    line = request.line()
    assert line.count(b"\n") == 1
    assert wire.request_of(line) == request
    assert wire.request_of(request.but(expected=None).line()).expected is None


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (UsageError, UsageError),
        (PermanentError, PermanentError),
        (SuspectError, SuspectError),
        (TemporaryError, TemporaryError),
        (NotThereError, TemporaryError),
        (InitkitError, InitkitError),
    ],
)
def test_an_error_means_the_same_on_the_other_side(cls: type[InitkitError], expected: type[InitkitError]) -> None:
    found = wire.error_of(wire.error_event(cls("do it", "it is so", "mend it")))
    assert type(found) is expected
    assert str(found) == "cannot do it: it is so; mend it"


def test_a_standing_comes_out_as_it_went_in() -> None:
    standing = Standing(("a",), (Revision("b", "make b", "b.py", ("a",)),), ("x",), is_ahead=True, warnings=("w",))
    assert wire.standing_of(wire.standing_event(standing)) == standing


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "ended without a word, with exit code 0"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-signal.SIGKILL, "was killed by SIGKILL, perhaps for want of memory"),
        (-63, "was killed by signal 63"),
    ],
)
def test_how_a_child_died_is_told(code: int, text: str) -> None:
    assert _how(code) == text
