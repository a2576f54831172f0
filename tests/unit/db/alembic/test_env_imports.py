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


def test_the_standard_library_and_sqlalchemy_are_not_looked_at() -> None:
    see_harmless(["os", "logging.config.fileConfig", "sqlalchemy.pool", "alembic.context", "sqlmodel.SQLModel"], [])


@pytest.mark.parametrize(
    "text",
    [
        "import os\nURL = os.environ.get('DATABASE_URL')\nif os.environ['X'] == 'y': pass\n",
        "from sqlalchemy import event\n@event.listens_for(User, 'before_insert')\ndef f(*a): pass\n",
        "from alembic_utils import x\nlogging.configure()\n",
        "roles = ['admin']\nsettings = {'role': 1}\n",
    ],
)
def test_ordinary_models_are_harmless(tmp_path: Path, text: str) -> None:
    write(tmp_path, shop__models=text)
    see_harmless(["shop.models.Base"], [str(tmp_path)])


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
    see_harmless(["shop.models.Base"], [str(tmp_path)])
    with (tmp_path / place).open("a") as file:
        file.write(text)
    with pytest.raises(Unsure, match="which has"):
        see_harmless(["shop.models.Base"], [str(tmp_path)])


def test_every_module_of_that_name_is_looked_at_for_env_py_may_change_the_order(tmp_path: Path) -> None:
    write(tmp_path / "one", shop__models="")
    write(tmp_path / "two", shop__models="load_dotenv()")
    with pytest.raises(Unsure):
        see_harmless(["shop.models"], [str(tmp_path / "one"), str(tmp_path / "two")])


def test_what_cannot_be_found_is_unsure() -> None:
    with pytest.raises(Unsure, match="no_such_shop, which cannot be found"):
        see_harmless(["no_such_shop.models"], [])
