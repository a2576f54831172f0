"""Where the short cut may be taken to "at head already", and where it would lie: on real databases, each time."""

from __future__ import annotations

import json
import os
import py_compile
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from fix_alembic import ENV_STANDARD, INI
from fix_clock import RecordingVoice, make_context
from fix_proxy import Proxy

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError
from initkit.core.outcome import Pending, Satisfied
from initkit.db import revisions
from initkit.db.alembic import standing
from initkit.db.alembic.unsure import Unsure
from initkit.db.ledger import Ledger, Row, execute_on_postgres
from initkit.db.revisions import Standing, VersionTable
from initkit.steps.migrate.step import STEP, Migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fix_alembic import Builder

    from initkit.core.step import Context

HEAD = """
import os
import sqlalchemy as sa
from alembic import context
config = context.config
"""
OURS = HEAD + "engine = sa.create_engine(os.environ['DATABASE_URL'])\n"
RUN = "    with context.begin_transaction():\n        context.run_migrations()\n"


def configured(options: str, before: str = "") -> str:
    """An env.py with these arguments to `configure`."""
    return f"{OURS}{before}with engine.connect() as c:\n    context.configure(connection=c{options})\n{RUN}"


class Case(NamedTuple):
    """A project that looks elsewhere than at the table where everything is applied.

    Attributes:
        env: its env.py; FOLDER stands for the project's folder.
        reason: why the short cut is not taken.
        modules: what it imports, by file name.
        ini: more lines of its section in alembic.ini.
        options: of the step.
        environ: more variables.
        files: more files, by name.
    """

    env: str
    reason: str
    modules: dict[str, str] = {}  # noqa: RUF012 - a named tuple's default; nobody writes to it
    ini: str = ""
    options: dict[str, object] = {}  # noqa: RUF012 - as above
    environ: dict[str, str] = {}  # noqa: RUF012 - as above
    files: dict[str, str] = {}  # noqa: RUF012 - as above


LISTENER = """
import sqlalchemy as sa
@sa.event.listens_for(sa.Engine, "connect")
def put_elsewhere(raw, _):
    with raw.cursor() as cursor:
        cursor.execute("set " + "search" + "_path to ops")
    raw.commit()
"""
CASES = {
    "the schema is the environment's": Case(
        configured(", version_table_schema=os.environ['SHOP_SCHEMA']"),
        "computes version_table_schema",
        environ={"SHOP_SCHEMA": "ops"},
    ),
    "the schema is an argument's": Case(
        configured(", version_table_schema=context.get_x_argument(as_dictionary=True)['schema']"),
        "calls context.get_x_argument",
        options={"x": ["schema=ops"]},
    ),
    "the schema is a module's": Case(
        configured(", version_table_schema=shop_names.SCHEMA", "import shop_names\n"),
        "computes version_table_schema",
        modules={"shop_names": "SCHEMA = 'ops'"},
    ),
    "the table is computed": Case(configured(", version_table='alembic_' + 'other'"), "computes version_table"),
    "the table changes": Case(
        configured(", version_table=TABLE", "TABLE = 'alembic_version'\nif True:\n    TABLE = 'other'\n"),
        "computes version_table",
    ),
    "the options are unpacked": Case(
        configured(", **options", "options = {'version_table': 'other'}\n"), "gives options to context.configure"
    ),
    "it configures twice": Case(
        configured("") + "with engine.connect() as c:\n    context.configure(connection=c, version_table='b')\n" + RUN,
        "several version tables",
    ),
    "it goes through schemas": Case(
        OURS
        + "for schema in ('public', 'ops'):\n    with engine.connect() as c:\n"
        + "        context.configure(connection=c, version_table_schema=schema)\n"
        + "        with context.begin_transaction():\n            context.run_migrations()\n",
        "has a loop",
    ),
    "it goes through several databases": Case(
        HEAD
        + "for url in (os.environ['DATABASE_URL'], 'sqlite:///FOLDER/second.db'):\n"
        + "    with sa.create_engine(url).connect() as c:\n        context.configure(connection=c)\n"
        + "        with context.begin_transaction():\n            context.run_migrations()\n",
        "has a loop",
    ),
    "another configures": Case(
        configured("", "import shop_run\n").replace("    with context.b", "    shop_run.go(c)\n    with context.b"),
        "calls shop_run.go",
        modules={
            "shop_run": "from alembic import context\n"
            "def go(c):\n    context.configure(connection=c, version_table='b')\n"
        },
    ),
    "a module configures while it is imported": Case(
        configured("").replace("    with context.begin", "    import shop_hook\n    with context.begin"),
        "imports shop_hook.py, which has from alembic",
        modules={
            "shop_hook": "from alembic import context\n"
            "context.configure(connection=context.get_context().connection, version_table='b')"
        },
    ),
    "a module further down listens to connections": Case(
        configured("", "from shop_models import Base\n"),
        "imports extra.py, which has",
        modules={
            "shop_models/__init__": "from .extra import x\nclass Base: pass",
            "shop_models/extra": "x = 1" + LISTENER,
        },
    ),
    "it listens to connections itself": Case(
        HEAD + LISTENER + configured("").removeprefix(HEAD), "calls sa.event.listens_for|decorates put_elsewhere"
    ),
    "a module changes the URL": Case(
        HEAD + "import shop_env\n" + configured("").removeprefix(HEAD),
        r"imports shop_env.py, which has environ",
        modules={"shop_env": "import os\nos.environ['DATABASE_URL'] = 'sqlite:///FOLDER/second.db'"},
    ),
    "the search path is set": Case(
        configured("").replace(
            "    context.conf", "    c.execute(sa.text('set search_path to ops'))\n    c.commit()\n    context.conf"
        ),
        "mentions search_path",
    ),
    "the search path is set by a text from elsewhere": Case(
        configured("", "import shop_sql\n").replace(
            "    context.conf", "    c.execute(sa.text(shop_sql.TEXT))\n    c.commit()\n    context.conf"
        ),
        "calls c.execute",
        modules={"shop_sql": "TEXT = 'set search' + '_path to ops'"},
    ),
    "the search path is the connection's": Case(
        HEAD
        + "engine = sa.create_engine(os.environ['DATABASE_URL'], connect_args={'options': '-csearch_p' + 'ath=ops'})\n"
        + configured("").removeprefix(OURS),
        "sets connect_args of its engine",
    ),
    "the schema is translated": Case(
        configured("").replace("(connection=c", "(connection=c.execution_options(schema_translate_map={None: 'ops'})"),
        "mentions schema_translate_map",
    ),
    "the URL is written down": Case(
        configured("").replace("os.environ['DATABASE_URL']", "'sqlite:///FOLDER/second.db'"), "another database"
    ),
    "the URL is another variable's": Case(
        configured("").replace("DATABASE_URL", "SHOP_URL"),
        "another database",
        environ={"SHOP_URL": "sqlite:///FOLDER/second.db"},
    ),
    "the URL is a module's": Case(
        configured("", "import shop_settings\n").replace("os.environ['DATABASE_URL']", "URL").replace(
            "engine =", "from shop_settings import URL\nengine ="
        ),
        "another database",
        modules={"shop_settings": "URL = 'sqlite:///FOLDER/second.db'"},
    ),
    "the engine is a module's": Case(
        HEAD + "from shop_db import engine\n" + configured("").removeprefix(OURS),
        "calls engine.connect",
        modules={"shop_db": "import sqlalchemy\nengine = sqlalchemy.create_engine('sqlite:///FOLDER/second.db')"},
    ),
    "the URL is set in the configuration": Case(
        "from alembic import context\ncontext.config.set_main_option('sqlalchemy.url', 'sqlite:///FOLDER/second.db')\n"
        + ENV_STANDARD,
        "sets sqlalchemy.url",
    ),
    "the URL is another section's": Case(
        ENV_STANDARD.replace("config.config_ini_section", "'other'"),
        "another database",
        ini="[other]\nsqlalchemy.url = sqlite:///FOLDER/second.db\n",
    ),
    "the settings have another prefix": Case(
        ENV_STANDARD.replace('"sqlalchemy."', '"second."'),
        "another prefix",
        ini="second.url = sqlite:///FOLDER/second.db\n",
    ),
    "all names are imported": Case(
        configured("").replace("engine = sa", "from shop_all import *\nx = sa"),
        "imports all names of shop_all",
        modules={"shop_all": "import sqlalchemy\nengine = sqlalchemy.create_engine('sqlite:///FOLDER/second.db')"},
    ),
}  # fmt: skip
DYNAMIC = {
    "pkgutil": (
        "import importlib, pkgutil\nclass Base: metadata = None\n"
        "for found in pkgutil.iter_modules(__path__):\n    importlib.import_module(f'{__name__}.{found.name}')\n"
    ),
    "a name of its own": (
        "from importlib import import_module as go\nclass Base: metadata = None\ngo('shop_models.' + 'events')\n"
    ),
    "__import__": "class Base: metadata = None\n__import__('shop_models.' + 'events')\n",
    "exec": "class Base: metadata = None\nexec('from shop_models import ' + 'events')\n",
    "eval": "class Base: metadata = None\neval('__im' + 'port__(\"shop_models.events\")')\n",
    "runpy": "import runpy\nclass Base: metadata = None\nrunpy.run_module('shop_models.' + 'events')\n",
}
ENVIRON = {
    "|=": "import os\nos.environ |= {'DATABASE_URL': 'sqlite:///FOLDER/second.db'}\n",
    "update": "from os import environ\nenviron.update(DATABASE_URL='sqlite:///FOLDER/second.db')\n",
    "another name": "import os\nhere = os.environ\nhere['DATABASE_URL'] = 'sqlite:///FOLDER/second.db'\n",
    "another name by import": ("from os import environ as here\nhere['DATABASE_URL'] = 'sqlite:///FOLDER/second.db'\n"),
    "a list's part": "import os\nn = ['DATABASE_URL']\nos.environ[n[0]] = 'sqlite:///FOLDER/second.db'\n",
    "setattr": (
        "import os\nold = os.getenv\n"
        "setattr(os, 'en' + 'viron', {**os.environ, 'DATABASE_URL': 'sqlite:///FOLDER/second.db'})\n"
    ),
}
# as django-environ and python-dotenv have them; neither is installed where the tests run
ENV_FILES = {
    "read_env": (
        "import environ\nenviron.Env.read_env('FOLDER/.env', overwrite=True)\n",
        "environ",
        "class Env:\n    @staticmethod\n    def read_env(path, overwrite):\n        _put(path)\n",
    ),
    "load_dotenv": (
        "from dotenv import load_dotenv\nload_dotenv('FOLDER/.env', override=True)\n",
        "dotenv",
        "def load_dotenv(path, override):\n    _put(path)\n",
    ),
    "dotenv under another name": (
        "import dotenv as d\ngetattr(d, 'load_' + 'dot' + 'env')('FOLDER/.env', override=True)\n",
        "dotenv",
        "def load_dotenv(path, override):\n    _put(path)\n",
    ),
}
PUT = (
    "import os\ndef _put(path):\n    with open(path) as file:\n"
    "        os.environ.update(line.strip().split('=', 1) for line in file)\n"
)
BASE = "from shop_models import Base\n"
MODELS = configured(", target_metadata=Base.metadata", BASE)
BEFORE = HEAD + BASE + configured(", target_metadata=Base.metadata").removeprefix(HEAD)
PLAIN = "class Base: metadata = None\n"
SETTINGS = "class Settings:\n    database_url = 'sqlite:///FOLDER/second.db'\nsettings = Settings()\n"
CASES |= {
    f"a package imports its modules by {name}": Case(
        MODELS, "__init__.py, which has", {"shop_models/__init__": text, "shop_models/events": "x = 1" + LISTENER}
    )
    for name, text in DYNAMIC.items()
}
CASES |= {
    f"a module changes the environment by {name}": Case(
        BEFORE,
        "config.py, which has",
        {"shop_models/__init__": f"from . import config\n{PLAIN}", "shop_models/config": text},
    )
    for name, text in ENVIRON.items()
}
CASES |= {
    f"a module reads an env file by {name}": Case(
        BEFORE,
        "shop_models.py, which has",
        {"shop_models": f"{text}{PLAIN}", module: f"{library}{PUT}"},
        files={".env": "DATABASE_URL=sqlite:///FOLDER/second.db\n"},
    )
    for name, (text, module, library) in ENV_FILES.items()
}
CASES |= {
    "a company's package listens to connections": Case(
        MODELS,
        "imports __init__.py, which has listens_for",
        {"shop_models": "from companydb import Base as Base\n", "companydb/__init__": PLAIN + LISTENER},
    ),
    "a company's package does further down": Case(
        MODELS,
        "imports hooks.py, which has listens_for",
        {
            "shop_models": "try:\n    from companydb.base import ( # all (of it)\n        Base)\n"
            "except ImportError: raise\n",
            "companydb/__init__": "",
            "companydb/base": f"from companylib \\\n    import hooks\n{PLAIN}",
            "companylib/__init__": "",
            "companylib/hooks": LISTENER,
        },
    ),
    "a package listens to a computed event": Case(
        MODELS,
        "imports companydb.py, which has listen",
        {
            "shop_models": "import json; from companydb import Base as Base\n",
            "companydb": PLAIN + LISTENER.replace('@sa.event.listens_for(sa.Engine, "connect")\n', "")
            + "sa.event.listen(sa.Engine, 'con' + 'nect', put_elsewhere)\n",
        },
    ),
    "a package replaces what makes engines": Case(
        BEFORE,
        "imports companydb.py, which has sqlalchemy.create_engine =",
        {
            "shop_models": "from companydb import Base as Base\n",
            "companydb": f"import sqlalchemy\n{PLAIN}old = sqlalchemy.create_engine\n"
            "sqlalchemy.create_engine = lambda *a, **k: old('sqlite:///FOLDER/second.db')\n",
        },
    ),
    "a module of the project hides a known library": Case(
        BEFORE,
        "imports redis.py, which has environ",
        {
            "shop_models": f"import redis\n{PLAIN}",
            "redis": "import os\nos.environ['DATABASE_URL'] = 'sqlite:///FOLDER/second.db'\n",
        },
    ),
    "the URL in the configuration is a settings object's": Case(
        "from alembic import context\nfrom shop_settings import settings\n"
        "context.config.set_main_option('sqlalchemy.url', settings.database_url)\n" + ENV_STANDARD,
        "sets sqlalchemy.url",
        {"shop_settings": SETTINGS},
    ),
    "the URL is a settings object's": Case(
        HEAD + "from shop_settings import settings\nengine = sa.create_engine(str(settings.database_url))\n"
        + configured("").removeprefix(OURS),
        "another database",
        {"shop_settings": SETTINGS},
    ),
}  # fmt: skip


def step_for(path: object, url: str, **more: object) -> Migrate:
    return assemble(STEP, {"path": str(path), "url": url} | more)


def apply_by_hand(url: str, *names: str) -> None:
    """As if alembic had applied these, in the table that it uses where nothing else is said."""
    with psycopg.connect(url) as connection:
        connection.execute("create schema ops")
        for schema in ("public", "ops"):
            connection.execute(f"create table {schema}.alembic_version (version_num varchar(32) primary key)")
        for name in names:
            connection.execute("insert into public.alembic_version values (%s)", (name,))


def built(project: Builder, case: Case) -> dict[str, str]:
    """Write the case's project; returns its variables."""
    (project.folder / "second.db").touch()
    project.tables("a1")
    project.env(case.env.replace("FOLDER", str(project.folder)))
    here = "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\npath_separator = os\n"
    more = case.ini.replace("FOLDER", str(project.folder))
    project.ini(INI.replace("[alembic]\nscript_location = %(here)s\n", here + more))
    for name, text in (case.files | {f"{name}.py": text for name, text in case.modules.items()}).items():
        file = project.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("FOLDER", str(project.folder)))
    return {name: value.replace("FOLDER", str(project.folder)) for name, value in case.environ.items()}


def is_left_to_alembic(step: Migrate, context: Context) -> bool:
    """Whether it is seen that where env.py looks nothing is applied, or that this is another database."""
    try:
        return isinstance(step.check(context), Pending)
    except PermanentError as error:
        return "second.db instead" in str(error)


@pytest.mark.parametrize("name", CASES)
def test_what_may_look_elsewhere_is_left_to_alembic(postgres_url: str, project: Builder, name: str) -> None:
    case = CASES[name]
    environ = built(project, case)
    apply_by_hand(postgres_url, "a1")
    context = make_context(environ=environ)
    step = step_for(project.folder, postgres_url, **case.options)
    database = step.database(context.environ)
    assert revisions.recorded(database, context, VersionTable()) == ("a1",), "the short cut would say: at head"
    assert is_left_to_alembic(step, context)
    found = standing.look(step, database, context)
    assert isinstance(found, Unsure)
    assert [one for one in case.reason.split("|") if one in found.reason]


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


def sure(step: Migrate, **more: str) -> Standing:
    context = make_context(environ=more)
    found = standing.look(step, step.database(context.environ), context)
    assert isinstance(found, Standing), found
    return found


def test_it_is_certain_where_everything_is_literal_and_agrees_with_the_upgrade(
    postgres_url: str, project: Builder
) -> None:
    built(project, Case(configured(", version_table='v', version_table_schema='ops'"), ""))
    project.tables("b2", "c3")
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create schema ops")
    step = step_for(project.folder, postgres_url)
    assert [str(one) for one in sure(step).pending] == ["a1 make a1", "b2 make b2", "c3 make c3"]
    step.apply(make_context())
    assert sure(step) == Standing(("c3",), is_newest=True)
    assert step.check(make_context()) == Satisfied("at head c3", {"revision": ["c3"]})
    project.tables("d4")
    assert [one.id for one in sure(step).pending] == ["d4"]
    assert not sure(step).is_newest


def test_models_that_do_nothing_else_keep_it_certain(postgres_url: str, project: Builder) -> None:
    modules = {
        "shop_models/__init__": "from .orders import Order as Order\nfrom sqlalchemy.orm import DeclarativeBase\n"
        "class Base(DeclarativeBase): pass\n",
        "shop_models/orders": "import os\nDEBUG = os.environ.get('DEBUG')\nclass Order: pass\n",
    }
    built(project, Case(configured(", target_metadata=Base.metadata", "from shop_models import Base\n"), "", modules))
    step = step_for(project.folder, postgres_url)
    step.apply(make_context())
    assert sure(step).heads == ("a1",)
    (project.folder / "shop_models" / "orders.py").unlink()
    (project.folder / "shop_models" / "__init__.py").unlink()
    (project.folder / "shop_models").rename(project.folder / "elsewhere")
    found = standing.look(step, step.database({}), make_context())
    assert isinstance(found, Unsure)
    assert found.reason == "env.py imports shop_models, which cannot be found"


ORDINARY = {
    "shop/__init__": "",
    "shop/models/__init__": '"""All models.\n\nimport them from here\n"""\n'
    "from .base import Base\nfrom .orders import Order\nfrom shop.settings import settings\n"
    "__all__ = ['Base', 'Order']\n",
    "shop/models/base": "from __future__ import annotations\nimport enum, uuid\nimport sqlalchemy as sa\n"
    "from importlib.metadata import version\nfrom sqlalchemy.orm import DeclarativeBase\n"
    "class Base(DeclarativeBase):\n    def change(self, **to):\n"
    "        for name, value in to.items():\n            setattr(self, name, value)\n",
    "shop/models/orders": "from typing import TYPE_CHECKING\nimport sqlalchemy as sa\n"
    "from sqlalchemy import event\nfrom sqlalchemy.orm import Mapped, mapped_column\n"
    "from companydb import Stamped\nfrom .base import Base\nif TYPE_CHECKING:\n    from no_such_stubs import Role\n"
    "class Order(Stamped, Base):\n    __tablename__ = 'orders'\n"
    "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    "@event.listens_for(Order, 'before_insert')\ndef stamp(mapper, connection, order): pass\n",
    "shop/settings": "import os\nclass Settings:\n    debug = os.environ.get('DEBUG', '') == '1'\n"
    "    name = os.environ['NAME'] if 'NAME' in os.environ else 'shop'\nsettings = Settings()\n",
    "companydb": "import datetime\nfrom sqlalchemy.orm import Mapped, mapped_column\nclass Stamped:\n"
    "    made: Mapped[datetime.datetime] = mapped_column(nullable=True)\n",
}


def test_ordinary_models_and_what_they_import_keep_it_certain(postgres_url: str, project: Builder) -> None:
    env = configured(", target_metadata=Base.metadata", "from shop.models import Base\n")
    built(project, Case(env, "", ORDINARY))
    step = step_for(project.folder, postgres_url)
    step.apply(make_context())
    assert sure(step) == Standing(("a1",), is_newest=True)
    assert step.check(make_context()) == Satisfied("at head a1", {"revision": ["a1"]})


def test_a_file_of_sqlite_is_looked_at_too(project: Builder, tmp_path: Path) -> None:
    project.tables("a1", "b2")
    step = step_for(project.folder, f"sqlite:///{tmp_path}/shop.db")
    assert len(sure(step).pending) == 2
    assert not (tmp_path / "shop.db").exists()
    step.apply(make_context())
    assert sure(step).heads == ("b2",)


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


@pytest.mark.parametrize(
    ("down", "is_ahead"), [(("b2",), True), (("a1",), False), (None, False), (("nowhere",), False)]
)
def test_a_database_is_ahead_where_the_ledger_knows_that_all_of_ours_lies_below(
    postgres_url: str, project: Builder, down: tuple[str, ...] | None, *, is_ahead: bool
) -> None:
    project.tables("a1", "b2")
    apply_by_hand(postgres_url, "z9")
    if down is not None:
        with psycopg.connect(postgres_url) as connection:
            ledger = Ledger(execute_on_postgres(connection), "postgres", "alembic_version")
            ledger.make()
            ledger.write(Row("y8", down=down))
            ledger.write(Row("z9", down=("y8",)))
    found = sure(step_for(project.folder, postgres_url))
    assert (found.heads, found.unknown, found.pending) == (("z9",), ("z9",), ())
    assert found.is_ahead is is_ahead


def test_why_it_is_not_certain_is_told_to_the_log(postgres_url: str, project: Builder) -> None:
    project.tables("a1")
    project.env(configured(", version_table=make()"))
    voice = RecordingVoice()
    step = step_for(project.folder, postgres_url)
    standing.look(step, step.database({}), make_context(voice=voice))
    assert voice.details == ["alembic itself is asked: env.py calls make"]


ASK = """
import json, os, sys
from initkit.core.clock import SystemClock
from initkit.core.step import Context
from initkit.core.stop import Stop
from initkit.core.assemble import assemble
from initkit.steps.migrate.step import STEP
from initkit.db.alembic import standing
class Voice:
    def __getattr__(self, name):
        return lambda *words, **facts: None
stop = Stop()
step = assemble(STEP, {"path": sys.argv[1]})
context = Context(SystemClock(stop), stop, Voice(), dict(os.environ))
found = standing.look(step, step.database(context.environ), context)
loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"alembic", "sqlalchemy", "mako", "greenlet"})
print(json.dumps([found.heads, loaded]))
"""


class Listening(Proxy):
    """A proxy that remembers what clients said."""

    heard = b""

    def _take(self, pair: object, way: object) -> None:
        before = len(way.pieces)  # type: ignore[attr-defined]
        super()._take(pair, way)  # type: ignore[arg-type]
        if way is pair.up:  # type: ignore[attr-defined]
            self.heard += b"".join(piece for _, piece in way.pieces[before:])


@pytest.fixture
def listening(postgres_url: str) -> Iterator[tuple[Listening, str]]:
    """A proxy before the database, and the URL through it."""
    with psycopg.connect(postgres_url) as connection:
        info = connection.info
        places = (info.host, info.port)

    def connect() -> socket.socket:
        host, port = places
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        plug = socket.socket(socket.AF_UNIX)
        plug.connect(f"{host}/.s.PGSQL.{port}")
        return plug

    proxy = Listening(connect)
    parts = urlsplit(postgres_url)
    user = quote(parts.username or info.user)
    yield proxy, urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}", query="sslmode=disable"))
    proxy.close()


def test_one_connection_is_enough_without_a_lock_or_alembic_or_sqlalchemy(
    listening: tuple[Listening, str], project: Builder, postgres_url: str
) -> None:
    proxy, url = listening
    project.tables("a1", "b2")
    apply_by_hand(postgres_url, "b2")
    environ = os.environ | {"DATABASE_URL": url}
    ended = subprocess.run(
        [sys.executable, "-c", ASK, str(project.folder)], env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [["b2"], []]
    assert proxy.accepted == 1
    assert b"alembic_version" in proxy.heard
    assert b"advisory" not in proxy.heard
    assert not [word for word in (b"insert", b"create", b"update", b"delete") if word in proxy.heard.lower()]
