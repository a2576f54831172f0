"""A real memcached, and one that asks for a login."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_daemon import daemon, free_port, listens
from fix_need import need_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def memcached(tmp_path: Path) -> Iterator[str]:
    """Its URL."""
    yield from _started(tmp_path)


@pytest.fixture
def memcached_with_login(tmp_path: Path) -> Iterator[str]:
    """The URL of one that answers nothing before a login (``-Y``)."""
    accounts = tmp_path / "accounts"
    accounts.write_text("app:hunter2\n")
    yield from _started(tmp_path, "-Y", str(accounts))


def _started(folder: Path, *more: str) -> Iterator[str]:
    port = free_port()
    words = [need_program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "8", "-t", "1", *more]
    if os.getuid() == 0:
        words += ["-u", "root"]  # it would ask which user to become
    with daemon(words, lambda: listens(port), folder / "memcached.log"):
        yield f"memcached://127.0.0.1:{port}"
