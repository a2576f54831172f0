"""Revisions that are read without being run, and those that must be left to alembic."""

from __future__ import annotations

import py_compile
import sys
from typing import TYPE_CHECKING

import pytest
from fix_alembic import ENV_STANDARD, INI
from fix_clock import make_context
from fix_short_cut import Case, apply_by_hand, built, step_for, sure

from initkit.core.errors import PermanentError
from initkit.core.outcome import Pending
from initkit.db.alembic import standing
from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fix_alembic import Builder


def plain(name: str, down: str | None, more: str = "") -> str:
    return f"{more}revision = {name!r}\ndown_revision = {down!r}\ndef upgrade():\n    pass\n"


HIDDEN = {
    "computed": ("revision = 'b' + '2'\ndown_revision = 'a1'\ndef upgrade(): pass\n", "computes revision"),
    "formatted": ("revision = f'b{2}'\ndown_revision = 'a1'\ndef upgrade(): pass\n", "computes revision"),
    "set again below": (plain("a1", None) + "revision, down_revision = 'b2', 'a1'\n", "more than a plain assignment"),
    "set again in a condition": (plain("a1", None) + "if True:\n    revision = 'b2'\n", "more than a plain"),
    "set by a global statement": (
        plain("a1", None) + "def name():\n    global revision\n    revision = 'b2'\nname()\n",
        "more than a plain",
    ),
    "set in a default": (plain("a1", None) + "def f(x=(revision := 'b2')): pass\n", "more than a plain"),
    "set through globals": (plain("a1", None) + "globals()['re' + 'vision'] = 'b2'\n", "indirectly"),
    "set by exec": (plain("a1", None) + "exec('rev' + 'ision = \"b2\"')\n", "indirectly"),
    "imported": (plain("a1", None) + "from shop_revision import *\n", "indirectly"),
    "imported by name": (plain("a1", None) + "from shop_revision import revision\n", "more than a plain"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_revision_that_is_not_literal_is_left_to_alembic(postgres_url: str, project: Builder, name: str) -> None:
    text, reason = HIDDEN[name]
    built(project, Case(ENV_STANDARD, "", modules={"shop_revision": "revision = 'b2'"}))
    if "revision = 'a1'" in text:  # it poses as the only one
        (project.folder / "versions" / "a1_step.py").unlink()
        text = text.replace("down_revision = 'a1'", "down_revision = None").replace("'b2', 'a1'", "'b2', None")
    (project.folder / "versions" / "b2_step.py").write_text(text)
    apply_by_hand(postgres_url, *(["a1"] if (project.folder / "versions" / "a1_step.py").exists() else []))
    step, context = step_for(project.folder, postgres_url), make_context()
    finding = step.check(context)
    assert isinstance(finding, Pending)
    assert finding.changes[-1].startswith("b2")
    found = standing.look(step, step.database(context.environ), context)
    assert isinstance(found, Unsure)
    assert reason in found.reason


def test_compiled_revisions_are_left_to_alembic(postgres_url: str, project: Builder, tmp_path: Path) -> None:
    built(project, Case(ENV_STANDARD, "", ini="sourceless = true\n"))
    source = tmp_path / "b2.py"
    source.write_text(plain("b2", "a1"))
    py_compile.compile(str(source), str(project.folder / "versions" / "b2.pyc"))
    apply_by_hand(postgres_url, "a1")
    step, context = step_for(project.folder, postgres_url), make_context()
    assert isinstance(step.check(context), Pending)
    assert isinstance(standing.look(step, step.database({}), context), Unsure)


@pytest.fixture
def package(project: Builder, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The project as a package's resource."""
    (project.folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(project.folder.parent))
    yield "migrations:"
    sys.modules.pop("migrations", None)


def test_a_package_s_resource_is_left_to_alembic(postgres_url: str, project: Builder, package: str) -> None:
    project.tables("a1", "b2")
    project.ini(INI.replace("%(here)s", f"{package}versions/.."))
    apply_by_hand(postgres_url, "a1")
    step, context = step_for(project.folder, postgres_url), make_context()
    found = standing.look(step, step.database({}), context)
    assert isinstance(found, Unsure)
    assert "is a package's resource" in found.reason


def test_several_version_locations_and_folders_below_are_all_read(postgres_url: str, project: Builder) -> None:
    project.tables("a1")
    more = project.folder / "more" / "deep"
    more.mkdir(parents=True)
    (more / "x9.py").write_text(plain("x9", None))
    here = "[alembic]\nscript_location = %(here)s\npath_separator = os\nrecursive_version_locations = true\n"
    project.ini(
        INI.replace("[alembic]\nscript_location = %(here)s\n", f"{here}version_locations = versions:%(here)s/more\n")
    )
    step = step_for(project.folder, postgres_url)
    assert {one.id for one in sure(step).pending} == {"a1", "x9"}
    step.apply(make_context())
    assert sure(step).heads == ("a1", "x9")
    assert sure(step).is_newest
    with pytest.raises(PermanentError, match="end in 2 heads: a1, x9; join them"):
        standing.look(
            step_for(project.folder, postgres_url, **{"single-head": "true"}), step.database({}), make_context()
        )
