"""URLs that come from files, which are written late and in steps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.errors import SuspectError
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from pathlib import Path

SCHEMES = ("amqp", "http", "mqtt", "mysql", "nats", "redis")


def told(scheme: str, file: Path) -> str:
    target = assemble(Wait, {"targets": [{scheme: {"url-file": str(file)}}]}).targets[0]
    with pytest.raises(SuspectError) as caught:
        target.probe(make_context())
    assert type(caught.value) is SuspectError
    return str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"re", b"{}", b"{}://", b"{}://app:hunter2", b"{}://app:hun/ter2", b"\xff\xfe"]
)
def test_a_file_that_is_half_written_is_suspect_and_shows_no_password(
    tmp_path: Path, scheme: str, content: bytes
) -> None:
    (tmp_path / "url").write_bytes(content.replace(b"{}", scheme.encode()))
    said = told(scheme, tmp_path / "url")
    assert str(tmp_path / "url") in said
    assert "hun" not in said


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_file_that_may_not_be_read_is_suspect(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "url").mkdir()
    assert "is a directory" in told(scheme, tmp_path / "url")
    if os.geteuid():
        (tmp_path / "mine").write_text("x")
        (tmp_path / "mine").chmod(0)
        assert "permission denied" in told(scheme, tmp_path / "mine")
