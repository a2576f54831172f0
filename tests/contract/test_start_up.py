"""What must not be loaded, and how much memory may be used, by the command that most pods run first."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fix_program import INITKIT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = {"requests", "psycopg", "dns", "alembic", "sqlalchemy", "yaml", "pydantic", "rich", "tenacity", "asyncio"}
HEAVY |= {"pymysql", "redis", "pika", "jmespath", "ssl", "urllib3", "subprocess"}
MEMORY = 20 * 1024  # KiB


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _bare(more: dict[str, str]) -> dict[str, str]:
    """The environment without what a coverage run adds to every child."""
    kept = {name: value for name, value in environment(more).items() if not name.startswith("COV")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def _imported(*words: str) -> set[str]:
    """The top-level names of all modules that a run imports."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "initkit", *words],
        env=_bare({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    names = re.findall(r"^import time:.*\| +([\w.]+)$", ended.stderr, re.MULTILINE)
    return {name.split(".")[0] for name in names}


def test_a_wait_for_a_port_loads_nothing_heavy(open_port: int) -> None:
    imported = _imported("wait", f"tcp://127.0.0.1:{open_port}")
    assert {"click", "initkit", "socket"} <= imported
    assert not imported & HEAVY


def test_a_wait_for_a_file_and_check_load_nothing_heavy(tmp_path: Path) -> None:
    assert not _imported("wait", f"file:{tmp_path}") & HEAVY
    assert not _imported("--check", "wait", f"file:{tmp_path}") & HEAVY


@pytest.mark.parametrize("words", [("--help",), ("wait", "--help"), ("git", "--help"), ("seed", "--help")])
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not _imported(*words) & HEAVY


def test_a_wait_for_a_port_stays_within_its_memory(open_port: int, tmp_path: Path) -> None:
    env = _bare({"PYTHONPYCACHEPREFIX": str(tmp_path)})  # as in the image, where everything is compiled
    command = [*INITKIT, "wait", f"tcp://127.0.0.1:{open_port}"]
    subprocess.run(command, env=env, check=True, capture_output=True)
    # measured by a small parent: a child's peak begins with that of whoever started it
    measured = subprocess.run(
        [sys.executable, "-c", _PEAK, *command], env=env, check=True, capture_output=True, text=True
    )
    assert int(measured.stdout) <= MEMORY


_PEAK = """
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
assert status == 0
print(usage.ru_maxrss)
"""
