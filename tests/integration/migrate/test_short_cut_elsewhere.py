"""Where the short cut to "at head already" would lie: projects that look elsewhere, on real databases, each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_alembic import ENV_STANDARD
from fix_clock import make_context
from fix_short_cut import HEAD, OURS, RUN, Case, apply_by_hand, built, configured, step_for

from initkit.core.errors import PermanentError
from initkit.core.outcome import Pending
from initkit.db import revisions
from initkit.db.alembic import standing
from initkit.db.alembic.unsure import Unsure
from initkit.db.revisions import VersionTable

if TYPE_CHECKING:
    from fix_alembic import Builder

    from initkit.core.step import Context
    from initkit.steps.migrate.step import Migrate

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
