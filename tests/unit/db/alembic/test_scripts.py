"""What revision files say, read without running them; alembic reads the same files in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from initkit.db.alembic.project import find
from initkit.db.alembic.scripts import Script, parse, read_all
from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from pathlib import Path

BODY = "def upgrade():\n    pass\n"


def text(revision: str, down: object = None, more: str = "") -> str:
    return f"revision = {revision!r}\ndown_revision = {down!r}\n{more}\n{BODY}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (text("a1"), Script("a1")),
        (text("b2", "a1", "branch_labels = 'side'\ndepends_on = ('c3',)"), Script("b2", ("a1",), ("side",), ("c3",))),
        (text("b2", ("a1", "c3")), Script("b2", ("a1", "c3"))),
        (text("b2", ["a1"]), Script("b2", ("a1",))),
        (text("b2", ()), Script("b2")),
        ('"""Add orders.\n\nMore."""\n' + text("b2"), Script("b2", message="Add orders.")),
        ("revision: str = 'b2'\ndown_revision: Union[str, None] = 'a1'\n" + BODY, Script("b2", ("a1",))),
        ("revision = (\n    'b'\n    '2'\n)\ndown_revision = None\n", Script("b2")),
        ("revision = 'b2'\ndown_revision = None\nTABLES = [make(x) for x in y]\n" + BODY, Script("b2")),
        (text("b2") + "def f():\n    revision = 'mine'\n    return revision\n", Script("b2")),
        (text("b2") + "class A:\n    revision = 'mine'\n", Script("b2")),
        (text("b2") + "def f(revision, depends_on=None):\n    op.get_bind().exec(revision)\n", Script("b2")),
        (text("b2") + "def f():\n    # globals() and exec\n    return 'sys.modules, vars()'\n", Script("b2")),
        ("if True:\n    x = 1\n" + text("b2"), Script("b2")),
        ("@decorated\n" + text("b2").replace("revision = 'b2'", "class A: pass\nrevision = 'b2'"), Script("b2")),
        ("X = '''\ndef upgrade():\nrevision = 'no'\n'''\n" + text("b2"), Script("b2")),
        ("\ufeff" + text("b2"), Script("b2")),
        (text("b2").replace("\n", "\r\n"), Script("b2")),
    ],
)
def test_literals_are_read(source: str, expected: Script) -> None:
    assert parse(source.encode(), "x.py").but(file="") == expected


def test_a_file_in_another_encoding_is_read() -> None:
    source = '# -*- coding: latin-1 -*-\n"""größer"""\n' + text("b2")
    assert parse(source.encode("latin-1"), "x.py").message == "größer"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("revision = name()\ndown_revision = None\n", "x.py computes revision"),
        ("revision = 'b' + '2'\ndown_revision = None\n", "computes revision"),
        ("revision = 'b2'\ndown_revision = LAST\n", "computes down_revision"),
        ("revision = 'b2'\ndown_revision = None\nrevision = 'c3'\n", "sets revision twice"),
        (text("b2") + "revision = 'c3'\n", "sets revision twice"),
        (text("b2") + "revision += 'x'\n", "more than a plain assignment"),
        (text("b2") + "if x:\n    depends_on = 'y'\n", "more than a plain assignment"),
        (text("b2") + "for revision in names: pass\n", "more than a plain assignment"),
        (text("b2") + "with x() as revision: pass\n", "more than a plain assignment"),
        (text("b2") + "def f():\n    global down_revision\n    down_revision = 'x'\n", "more than a plain assignment"),
        (text("b2") + "def revision(): pass\n", "more than a plain assignment"),
        (text("b2") + "from x import y as revision\n", "more than a plain assignment"),
        (text("b2") + "import revision\n", "more than a plain assignment"),
        (text("b2") + "del depends_on\n", "more than a plain assignment"),
        (text("b2") + "def f(x=(depends_on := 'y')): pass\n", "more than a plain assignment"),
        (text("b2") + "try: pass\nexcept E as revision: pass\n", "more than a plain assignment"),
        ("revision = down_revision = 'b2'\n" + BODY, "more than a plain assignment"),
        ("revision, down_revision = 'b2', None\n" + BODY, "more than a plain assignment"),
        ("revision: str\n" + text("b2"), "more than a plain assignment"),
        (text("b2") + "globals().update(x)\n", "indirectly"),
        (text("b2") + "exec('x')\n", "indirectly"),
        (text("b2") + "import sys\nsys.modules[__name__].x = 1\n", "indirectly"),
        (text("b2") + "from x import *\n", "indirectly"),
        (text("b2") + "from x import  *\n", "indirectly"),
        (text("b2") + "def __getattr__(name): return 'x'\n", "indirectly"),
        ("from x import *\n" + text("b2"), "indirectly"),
        (text("b2", 1), "neither text nor several"),
        (text("b2", {"a"}), "neither text nor several"),
        (text("b2", ""), "neither text nor several"),
        (text("b2", ("a", "a")), "with one twice"),
        (text(""), "no plain text"),
        (text("a+1"), "no plain text"),
        (text("a@b"), "no plain text"),
        ("revision = 1\ndown_revision = None\n", "no plain text"),
        ("revision = 'a'\n", "does not say its revision and down_revision"),
        ("down_revision = None\n", "does not say its revision and down_revision"),
        ("revision = 'a\n", "not valid Python"),
        ("revision = 'a'\ndown_revision = None\nx = (\n" + BODY, "not valid Python"),
        ("revision = 'a'\0", "not valid Python"),
    ],
)
def test_what_is_not_literal_is_unsure(source: str, reason: str) -> None:
    with pytest.raises(Unsure, match=reason):
        parse(source.encode(), "x.py")


def test_the_same_files_count_as_for_alembic_and_in_the_same_order(tmp_path: Path) -> None:
    (tmp_path / "env.py").touch()
    for name in ("versions/deep/deeper", "versions/__pycache__", "versions/adeep", "more"):
        (tmp_path / name).mkdir(parents=True)
    names = ("z1.py", "a2.py", ".hidden3.py", "deep/c4.py", "deep/deeper/d5.py", "adeep/e6.py")
    for place, name in enumerate(names):
        (tmp_path / "versions" / name).write_text(text(f"rev{place}"))
    (tmp_path / "more" / "b9.py").write_text(text("more9"))
    (tmp_path / "more" / "link.py").symlink_to(tmp_path / "versions" / "a2.py")
    for name in ("__init__.py", "__init__x.py", ".#a2.py", "notes.txt", "a2.pyc", "__pycache__/p.py"):
        (tmp_path / "versions" / name).write_text("not python")
    for recursive in ("true", "false"):
        ini = tmp_path / "alembic.ini"
        ini.write_text(
            "[alembic]\nscript_location = %(here)s\npath_separator = os\n"
            "version_locations = %(here)s/versions:%(here)s/more:%(here)s/missing\n"
            f"recursive_version_locations = {recursive}\n"
        )
        ours = [script.revision for script in read_all(find(str(ini)))]
        with pytest.warns(UserWarning, match="loaded twice"):
            theirs = [script.revision for script in ScriptDirectory.from_config(Config(str(ini)))._load_revisions()]
        assert ours == theirs
        assert len(ours) == (7 if recursive == "true" else 4)


def test_a_file_that_cannot_be_read_is_unsure(tmp_path: Path) -> None:
    (tmp_path / "env.py").touch()
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "a.py").symlink_to(tmp_path / "nowhere.py")
    with pytest.raises(Unsure, match=r"nowhere\.py cannot be read"):
        read_all(find(str(tmp_path)))
