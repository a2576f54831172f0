"""Where an alembic project lies, and what its configuration says, held against alembic's own reading."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import pytest
from alembic.config import Config

from initkit.core.errors import PermanentError
from initkit.db.alembic.project import find, kind_of

if TYPE_CHECKING:
    from pathlib import Path

INI = "[alembic]\nscript_location = %(here)s/db\n"
TOML = '[tool.alembic]\nscript_location = "%(here)s/db"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "db" / "versions").mkdir(parents=True)
    (tmp_path / "db" / "env.py").touch()
    return tmp_path


@pytest.mark.parametrize("name", ["", "alembic.ini"])
def test_an_ini_is_found_by_its_name_and_by_its_folder(folder: Path, name: str) -> None:
    (folder / "alembic.ini").write_text(INI)
    found = find(str(folder / name))
    assert (found.ini, found.pyproject, found.folder) == (str(folder / "alembic.ini"), None, str(folder))
    assert found.script_location == str(folder / "db")
    assert found.version_locations == (str(folder / "db" / "versions"),)
    assert found.env_py == str(folder / "db" / "env.py")


@pytest.mark.parametrize("name", ["", "pyproject.toml"])
def test_a_pyproject_is_found_by_its_name_and_by_its_folder(folder: Path, name: str) -> None:
    more = 'version_locations = ["%(here)s/a", "b"]\nrecursive_version_locations = true\nprepend_sys_path = ["."]\n'
    (folder / "pyproject.toml").write_text(TOML + more)
    (folder / "b").mkdir()
    found = find(str(folder / name))
    assert (found.ini, found.pyproject) == (None, str(folder / "pyproject.toml"))
    assert found.version_locations == (str(folder / "a"), str(folder / "b"))
    assert found.prepend_sys_path == (str(folder),)
    assert found.recursive


def test_where_both_lie_side_by_side_the_ini_counts_first(folder: Path) -> None:
    (folder / "alembic.ini").write_text("[alembic]\nprepend_sys_path = src\n")
    (folder / "pyproject.toml").write_text(TOML + 'prepend_sys_path = ["other"]\nsourceless = true\n')
    for name in ("", "alembic.ini", "pyproject.toml"):
        found = find(str(folder / name))
        assert found.ini, found.pyproject
        assert found.script_location == str(folder / "db")
        assert found.prepend_sys_path == (str(folder / "src"),)
        assert found.sourceless


@pytest.mark.parametrize("name", ["", "env.py"])
def test_a_folder_with_env_py_is_enough(folder: Path, name: str) -> None:
    found = find(str(folder / "db" / name))
    assert (found.ini, found.pyproject, found.folder) == (None, None, str(folder / "db"))
    assert found.version_locations == (str(folder / "db" / "versions"),)


@pytest.mark.parametrize(
    "separator",
    ["", "path_separator = os\n", "path_separator = space\n", "path_separator = ;\n", "path_separator = newline\n",
     "version_path_separator = os\n", "version_path_separator = :\n"],
)  # fmt: skip
@pytest.mark.parametrize(
    "text", ["/a /b", "/a,/b", "/a:/b", "/a;/b", "/a, /b,  /c", "/a\n  /b\n  /c d", "/with space:/b", "%(here)s/a:/b"]
)
def test_several_places_are_split_as_alembic_does(folder: Path, separator: str, text: str) -> None:
    ini = folder / "alembic.ini"
    ini.write_text(f"{INI}{separator}version_locations = {text}\nprepend_sys_path = {text}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = Config(str(ini))
        theirs = [one for one in config.get_version_locations_list() or [] if one]
        paths = [one for one in config.get_prepend_sys_paths_list() or [] if one]
    found = find(str(ini))
    # relative ones are taken from the current folder where they are not beside the ini; a colon names a package
    expected = [one if ":" in one and one[0] != "/" else os.path.abspath(one) for one in theirs]
    assert list(found.version_locations) == expected
    assert list(found.prepend_sys_path) == [os.path.normpath(os.path.join(folder, one)) for one in paths]


def test_another_section_is_read_where_it_is_asked_for(folder: Path) -> None:
    (folder / "alembic.ini").write_text(f"[DEFAULT]\nsqlalchemy.echo = true\n{INI}[ops]\nscript_location = db\n")
    found = find(str(folder), section="ops")
    assert found.section == "ops"
    assert found.script_location == str(folder / "db")
    assert found.engine_options == {"sqlalchemy.echo": "true"}


def test_what_lies_beside_the_ini_goes_before_what_lies_in_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = db\nversion_locations = db/versions here\n")
    (folder / "cwd" / "here").mkdir(parents=True)
    monkeypatch.chdir(folder / "cwd")
    found = find(str(folder))
    assert found.version_locations == (str(folder / "db" / "versions"), str(folder / "cwd" / "here"))
    assert find("../alembic.ini").script_location == str(folder / "db")


def test_a_folder_with_a_percent_sign_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "50%"
    folder.mkdir()
    (folder / "alembic.ini").write_text(INI)
    assert find(str(folder)).script_location == str(folder / "db")


@pytest.mark.parametrize("location", ["shop:migrations", "db"])
def test_a_package_s_resource_is_marked(folder: Path, location: str) -> None:
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {location}\n")
    assert bool(find(str(folder)).dynamic) is (location != "db")


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({}, "nowhere", "no such file or folder"),
        ({}, "db/versions", "neither alembic.ini nor env.py, no pyproject.toml with"),
        ({"x.toml": ""}, "x.toml", "expected an alembic.ini or a folder, got another file"),
        ({"pyproject.toml": "[tool.ruff]"}, "pyproject.toml", r"has no section \[tool.alembic\]"),
        ({"alembic.ini": INI}, "alembic.ini#ops", r"has no section \[ops\], but alembic; mend --name"),
        ({"alembic.ini": "[alembic]\n"}, "alembic.ini", "says no script_location"),
        ({"alembic.ini": "script_location = x"}, "alembic.ini", "no section headers"),
        ({"alembic.ini": "[alembic]\nscript_location = %(no)s"}, "alembic.ini", "script_location: Bad value"),
        ({"alembic.ini": f"{INI}version_locations=a\npath_separator=x\n"}, "alembic.ini", "got 'x'"),
        ({"pyproject.toml": '[tool.alembic]\nscript_location = "%(no)s"'}, "pyproject.toml", "cannot substitute"),
        ({"alembic.ini": INI, "pyproject.toml": "[tool.alembic"}, "pyproject.toml", r"no section \[tool.alembic\]"),
    ],
)
def test_what_holds_no_project_is_refused(folder: Path, files: dict[str, str], path: str, message: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    name, _, section = path.partition("#")
    with pytest.raises(PermanentError, match=message):
        find(str(folder / name), section=section or "alembic")


@pytest.mark.parametrize(
    ("files", "path", "kind"),
    [
        (["alembic.ini"], "", "alembic"),
        (["alembic.ini"], "alembic.ini", "alembic"),
        (["ops.ini"], "ops.ini", "alembic"),
        (["env.py", "0001_a.sql"], "", "alembic"),
        (["env.py"], "env.py", "alembic"),
        (["0001_a.sql"], "", "sql"),
        (["0001_a.sql", "pyproject.toml"], "", "alembic"),
        (["pyproject.toml"], "pyproject.toml", "alembic"),
        (["notes.txt"], "", None),
        (["0001_a.sql"], "0001_a.sql", None),
        ([], "nowhere", None),
        ([], "alembic.ini", None),
    ],
)
def test_a_path_tells_which_engine_it_is_for(tmp_path: Path, files: list[str], path: str, kind: str | None) -> None:
    for name in files:
        (tmp_path / name).write_text(TOML if name == "pyproject.toml" else "")
    assert kind_of(str(tmp_path / path)) == kind


def test_a_pyproject_for_other_tools_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["alembic"]\n')
    (tmp_path / "V1__a.sql").touch()
    assert kind_of(str(tmp_path)) == "sql"
