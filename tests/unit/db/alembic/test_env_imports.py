"""Which modules env.py may import without a doubt about where it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.db.alembic.env_imports import see_harmless
from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(text)


def doubt(names: list[str], folders: list[str]) -> str:
    """Why importing these may change where a migration looks; empty where it does not."""
    try:
        see_harmless(names, folders)
    except Unsure as unsure:
        return unsure.reason
    return ""


def test_the_standard_library_and_sqlalchemy_are_not_looked_at() -> None:
    known = ["os", "logging.config.fileConfig", "sqlalchemy.pool", "alembic.context", "sqlmodel.SQLModel"]
    assert doubt(known, []) == ""


@pytest.mark.parametrize(
    "text",
    [
        "import os\nURL = os.environ.get('DATABASE_URL')\nif os.environ['X'] == 'y': pass\n",
        "from sqlalchemy import event\n@event.listens_for(User, 'before_insert')\ndef f(*a): pass\n",
        "from alembic_utils import x\nlogging.configure()\n",
        "roles = ['admin']\nsettings = {'role': 1}\n",
        "import os\nx = {**os.environ, **dict(os.environ)} if 'X' in os.environ else 1\n",
        "from os import environ\nx = environ.copy()\n",
        "from sqlalchemy.event import listen\nlisten(get(User), 'before_flush', f)\n",
        "from importlib import metadata\nimport importlib.resources\nVERSION = metadata.version('shop')\n",
        "def save(session, row):\n    setattr(row, 'x', 1)\n    return session.exec(query).eval(x)\n",
        "@router.patch('/orders')\ndef change(): pass\n",
        "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    model_config = {'env_file': '.env'}\n",
        "import flask, fastapi, django.db.models\nfrom redis.asyncio import Redis\n",
        '"""Models.\n\nimport them\nfrom there import all of them\n"""\n',
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from no_such_stubs import Role\n",
    ],
)
def test_ordinary_models_are_harmless(tmp_path: Path, text: str) -> None:
    write(tmp_path, shop__models=text)
    assert doubt(["shop.models.Base"], [str(tmp_path)]) == ""


@pytest.mark.parametrize(
    "text",
    [
        "from alembic import context\n",
        "    import alembic.context\n",
        "os.environ['DATABASE_URL'] = 'x'\n",
        "os.environ.setdefault('PGHOST', 'x')\n",
        "load_dotenv()\n",
        "connect_args = {'options': '-c search_path=ops'}\n",
        "connection.execute('SET ROLE owner')\n",
        '@event.listens_for(Engine, "connect")\ndef f(*a): pass\n',
        "event.listen(Pool,\n    'checkout', f)\n",
        "registry.register('postgres', 'x', 'y')\n",
        "engine.execution_options(schema_translate_map=x)\n",
        "os.environ |= {'A': 'b'}\n",
        "environ.update(A='b')\n",
        "here = os.environ\n",
        "from os import environ as here\n",
        "os.environ[names[0]] = 'x'\n",
        "del os.environ['A']\n",
        "os.putenv('A', 'b')\n",
        "Env.read_env(path, overwrite=True)\n",
        "import dotenv as d\n",
        "import importlib\n",
        "from importlib import import_module\n",
        "__import__(name)\n",
        "import pkgutil\n",
        "exec(text)\n",
        "x = eval(text)\n",
        "import runpy\n",
        "event.listen(get(Engine), 'connect', f)\n",
        "event.listen(Engine, NAME, f)\n",
        "from sqlalchemy.event import listens_for as on\n",
        "sqlalchemy.create_engine = mine\n",
        "Engine.connect = mine\n",
        "setattr(sqlalchemy, 'create_engine', mine)\n",
        "with patch('sqlalchemy.create_engine'): pass\n",
        "os.chdir('/')\n",
        "from django.conf import settings\n",
        "import django\ndjango.setup()\n",
        "app.config.from_object('shop.' + 'config')\n",
    ],
)
@pytest.mark.parametrize("place", ["shop/models.py", "shop/deep/other.py", "shop/__init__.py"])
def test_what_could_change_where_it_looks_is_found_wherever_it_is(tmp_path: Path, text: str, place: str) -> None:
    write(
        tmp_path,
        shop__models="from .deep import (\n    first,\n    other as o,\n)\n",
        shop__deep__first="import json, shop.models\n",
        shop__deep__other="",
    )
    assert doubt(["shop.models.Base"], [str(tmp_path)]) == ""
    with (tmp_path / place).open("a") as file:
        file.write(text)
    assert "which has" in doubt(["shop.models.Base"], [str(tmp_path)])


def test_every_module_of_that_name_is_looked_at_for_env_py_may_change_the_order(tmp_path: Path) -> None:
    write(tmp_path / "one", shop__models="")
    write(tmp_path / "two", shop__models="load_dotenv()")
    assert doubt(["shop.models"], [str(tmp_path / "one"), str(tmp_path / "two")])


def test_what_cannot_be_found_is_unsure() -> None:
    assert "no_such_shop, which cannot be found" in doubt(["no_such_shop.models"], [])


@pytest.mark.parametrize(
    "text",
    [
        "import json; from company import x\n",
        "from company \\\n    import x\n",
        "from company import ( # one (of them)\n    x,\n)\n",
        "try: import company.x\nexcept ImportError: raise\n",
        "import json, company.x as y # why\n",
        "def late():\n    from company.x import z\n",
    ],
)
def test_what_another_package_imports_is_looked_through_too(tmp_path: Path, text: str) -> None:
    write(tmp_path, shop__models=text, company__x="import third.y\n", third__y="")
    assert doubt(["shop.models.Base"], [str(tmp_path)]) == ""
    write(tmp_path, third__y="load_dotenv()\n")
    assert "imports y.py, which has load_dotenv" in doubt(["shop.models.Base"], [str(tmp_path)])


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("import no_such_shop\n", "no_such_shop, which"),
        ("from company import no_such_thing\nimport company.none\n", "company.none, whose source"),
    ],
)
def test_what_a_module_imports_and_cannot_be_found_is_unsure(tmp_path: Path, text: str, missing: str) -> None:
    write(tmp_path, shop__models=text, company__x="")
    assert f"models.py imports {missing} cannot be found" in doubt(["shop.models.Base"], [str(tmp_path)])


def test_what_is_missing_for_types_alone_still_counts_where_another_imports_it(tmp_path: Path) -> None:
    write(tmp_path, shop__models="import shop.one, shop.two\n", shop__one="", shop__two="")
    for one, two in (("one", "two"), ("two", "one")):
        write(tmp_path, **{f"shop__{one}": "if TYPE_CHECKING:\n    import none_such\n", f"shop__{two}": ""})
        assert doubt(["shop.models"], [str(tmp_path)]) == ""
        write(tmp_path, **{f"shop__{two}": "import none_such\n"})
        assert "none_such, which cannot be found" in doubt(["shop.models"], [str(tmp_path)])


@pytest.mark.parametrize("name", ["_speedups.cpython-311-x86_64-linux-gnu.so", "_speedups.pyc", "__init__.abi3.so"])
def test_compiled_modules_are_unsure(tmp_path: Path, name: str) -> None:
    write(tmp_path, company__x="from . import _speedups\n")
    (tmp_path / "company" / name).touch()
    assert "which is compiled" in doubt(["company.x"], [str(tmp_path)])


def test_a_module_of_the_project_that_hides_a_known_one_is_looked_at(tmp_path: Path) -> None:
    write(tmp_path, shop__models="import calendar, redis\n", redis="")
    assert doubt(["shop.models"], [str(tmp_path)]) == ""
    write(tmp_path, calendar="load_dotenv()\n")
    assert "calendar.py, which has" in doubt(["shop.models"], [str(tmp_path)])


def test_more_files_than_are_quicker_than_alembic_are_unsure(tmp_path: Path) -> None:
    write(tmp_path, shop__models="".join(f"import shop.m{number}\n" for number in range(401)))
    for number in range(401):
        (tmp_path / "shop" / f"m{number}.py").touch()
    assert "too much" in doubt(["shop.models"], [str(tmp_path)])
