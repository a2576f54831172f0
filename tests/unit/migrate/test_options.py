"""What people type."""

from __future__ import annotations

import subprocess
import sys

import pytest

from initkit.core.assemble import assemble
from initkit.core.options import Invalid, options_of
from initkit.steps.migrate.step import STEP


def test_the_options_are_these() -> None:
    own = [option.key for option in options_of(STEP) if option.path[0] != "retry"]
    assert own == [
        "path", "url", "url-env", "url-file", "engine", "to", "x", "pythonpath", "export", "single-head", "name",
        "direct-url", "direct-url-env", "direct-url-file", "lock-timeout", "lock-key", "kill-stale",
        "ddl-lock-timeout", "if-ahead", "on-drift", "baseline", "out-of-order", "repair", "sql", "from",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["heads", "head", "c3d4", "side@head", "a" * 40])
def test_a_revision_to_go_to(text: str) -> None:
    assert assemble(STEP, {"path": "x", "to": text}).to == text


@pytest.mark.parametrize("text", ["+1", "c3d4+2", "-1", "head-1", "base", "a1:b2", "", " "])
def test_a_relative_revision_would_go_further_each_time(text: str) -> None:
    with pytest.raises(Invalid, match="expected a revision, head or heads, got"):
        assemble(STEP, {"path": "x", "to": text})


def test_the_path_is_needed() -> None:
    with pytest.raises(Invalid, match="PATH is missing"):
        assemble(STEP, {})


def test_help_needs_no_driver() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"  # a coverage run has some there already
        "import initkit.steps.migrate.step\n"
        "print(sorted({'alembic', 'sqlalchemy', 'psycopg', 'sqlite3'} & sys.modules.keys() - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
