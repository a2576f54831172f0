"""What env.py surely does, read without running it."""

from __future__ import annotations

import importlib.resources

import pytest
from fix_alembic import ENV_STANDARD

from initkit.db.alembic.env_py import read
from initkit.db.alembic.unsure import Unsure
from initkit.db.revisions import Revision, VersionTable, tips

HEAD = """
import asyncio, os
from os import environ, getenv
from alembic import context
from sqlalchemy import create_engine, engine_from_config, pool
from sqlalchemy.ext.asyncio import AsyncEngine, async_engine_from_config, create_async_engine
config = context.config
"""
URL = "config.get_main_option('sqlalchemy.url')"
OFFLINE = "def offline():\n    context.configure(url=1, version_table_schema=os.environ['SCHEMA'])\n"


def with_engine(engine: str, before: str = "") -> str:
    body = "    context.configure(connection=c)\n    context.run_migrations()\n"
    return f"{HEAD}{before}\nwith {engine}.connect() as c:\n{body}"


def with_options(options: str, before: str = "") -> str:
    return f"{HEAD}{before}\nwith create_engine({URL}).connect() as c:\n    context.configure(connection=c{options})\n"


def template(name: str) -> str:
    return (importlib.resources.files("alembic") / "templates" / name / "env.py").read_text()


@pytest.mark.parametrize("name", ["generic", "async", "pyproject", "pyproject_async"])
def test_alembics_own_templates_are_certain(name: str) -> None:
    assert read(template(name)).table == VersionTable()
    assert read(template(name)).uses_settings


def test_alembics_template_for_several_databases_is_uncertain() -> None:
    with pytest.raises(Unsure):
        read(template("multidb"))


@pytest.mark.parametrize(
    ("options", "table"),
    [
        ("", VersionTable()),
        (", version_table='v'", VersionTable("v")),
        (", version_table_schema='ops'", VersionTable("alembic_version", "ops")),
        (", version_table_schema=None, version_table_pk=False", VersionTable()),
        (", target_metadata=None, compare_type=True, render_as_batch=True", VersionTable()),
        (", transaction_per_migration=True", VersionTable()),
    ],
)
def test_what_is_literal_is_certain(options: str, table: VersionTable) -> None:
    assert read(with_options(options)).table == table


def test_a_name_that_is_a_literal_once_and_for_all_is_certain() -> None:
    assert read(with_options(", version_table=TABLE", "TABLE = 'v'")).table == VersionTable("v")
    with pytest.raises(Unsure, match="computes version_table"):
        read(with_options(", version_table=TABLE", "TABLE = 'v'\nif os.getenv('X'):\n    TABLE = 'w'"))


@pytest.mark.parametrize(
    "engine",
    [
        "create_engine(os.environ['DATABASE_URL'])",
        "create_engine(environ['DATABASE_URL'])",
        "create_engine(os.environ.get('SQLALCHEMY_DATABASE_URI', 'sqlite://'))",
        "create_engine(os.getenv('DATABASE_URL') or 'sqlite://', poolclass=pool.NullPool, pool_pre_ping=True)",
        "create_engine(getenv('DATABASE_URL').replace('postgres://', 'postgresql+psycopg://', 1))",
        "create_engine(url=str(os.environ['DATABASE_URL']), connect_args={'connect_timeout': 5})",
        f"create_engine({URL})",
        "create_engine(config.get_section('alembic')['sqlalchemy.url'])",
        "engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.')",
        "engine_from_config(config.get_section('alembic') or {})",
        "engine_from_config({'sqlalchemy.url': os.environ['DATABASE_URL']})",
        "create_async_engine(os.environ['DATABASE_URL'])",
        "AsyncEngine(engine_from_config(config.get_section(config.config_ini_section), future=True))",
    ],
)
def test_an_engine_with_our_url_is_certain(engine: str) -> None:
    assert read(with_engine(engine)).table == VersionTable()


@pytest.mark.parametrize(
    "before",
    [
        "config.set_main_option('sqlalchemy.url', os.environ['DATABASE_URL'].replace('%', '%%'))\n",
        "def url():\n    return os.environ['DATABASE_URL']\nconfig.set_main_option('sqlalchemy.url', url())\n",
        "config.set_section_option(config.config_ini_section, 'DB_USER', os.environ.get('DB_USER'))\n",
        "if os.getenv('DATABASE_URL'):\n    config.set_main_option('sqlalchemy.url', os.environ['DATABASE_URL'])\n",
        OFFLINE,
        "from pathlib import Path\nimport sys\nsys.path.insert(0, str(Path(__file__).resolve().parent.parent))\n",
        "import logging\nlogger = logging.getLogger('shop')\nlogger.info('x %s', os.getenv('X', '').lower())\n",
        "def include_object(o, name, kind, reflected, to):\n    return check(name) and any(f(x) for x in o)\n",
    ],
)
def test_what_changes_nothing_of_the_connection_is_certain(before: str) -> None:
    engine = "engine_from_config(config.get_section(config.config_ini_section, {}))"
    assert read(with_engine(engine, before)).table == VersionTable()


def test_a_section_whose_url_is_set_to_ours_is_certain() -> None:
    before = "s = config.get_section(config.config_ini_section)\ns['sqlalchemy.url'] = os.environ['DATABASE_URL']"
    assert read(with_engine("engine_from_config(s)", before)).table == VersionTable()
    with pytest.raises(Unsure, match=r"sets sqlalchemy\.url"):
        read(with_engine("engine_from_config(s)", before.replace("DATABASE_URL", "OTHER")))


def test_a_variable_that_is_exported_too_holds_our_url() -> None:
    source = with_engine("create_engine(os.environ['SHOP_DB'])")
    assert read(source, exported=["SHOP_DB"]).table == VersionTable()
    with pytest.raises(Unsure, match="another database"):
        read(source)


def test_another_section_is_certain_where_it_is_ours() -> None:
    source = with_engine("engine_from_config(config.get_section('ops'))")
    assert read(source, section="ops").table == VersionTable()
    with pytest.raises(Unsure, match="another database"):
        read(source)


SHARED = """
def run(connection):
    context.configure(connection=connection)
    context.run_migrations()
connectable = config.attributes.get('connection', None)
if connectable is None:
    connectable = create_engine(os.environ['DATABASE_URL'])
    with connectable.connect() as connection:
        run(connection)
else:
    run(connectable)
"""


def test_connection_sharing_is_certain_for_nobody_shares_one_with_us() -> None:
    assert read(HEAD + SHARED).table == VersionTable()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("from shop.migrations import run\nrun()", "env.py calls run"),
        (with_options(", **options"), "gives options"),
        (with_options(", version_table=NAME"), "computes version_table"),
        (with_options(", version_table=f'v{1}'"), "computes version_table"),
        (with_options(", version_table_schema=os.environ['SCHEMA']"), "computes version_table_schema"),
        (with_options("") + "    context.configure(connection=c, version_table='b')", "several version tables"),
        (with_options(", upgrade_token='x'"), "upgrade_token"),
        (with_options(", starting_rev='x'"), "starting_rev"),
        (with_options("", "from x import *"), "all names of x"),
        (with_options("", "from . import x"), "relatively"),
        (with_options("") + "    c.execute('SET search_path TO app')", "mentions search_path"),
        (with_options("") + "    c.execute('set  local role owner')", "mentions set  local role"),
        (with_options("") + "    c.execute(SQL)", r"calls c\.execute"),
        (with_options("") + "    c = c.execution_options(x=1)", r"execution_options"),
        (with_options("") + "    c.dialect.default_schema_name = 'x'", r"sets c\.dialect\.default_schema_name"),
        (with_options("", "x = context.get_x_argument(as_dictionary=True)"), r"calls context\.get_x_argument"),
        (with_options("", "import shop\nshop.setup(context)"), r"calls shop\.setup"),
        (with_options("", "os.environ['DATABASE_URL'] = 'x'"), r"sets os\.environ"),
        (with_options("", "os.environ.update(x)"), r"calls os\.environ\.update"),
        (with_options("", "exec('x')"), "calls exec"),
        (with_engine("create_engine(str(os.environ['DATABASE_URL']))", "str = make"), "another database"),
        (with_options("", "context.configure = other"), r"sets context\.configure"),
        (with_options("", "create_engine = other"), "sets create_engine twice"),
        (with_options("", "def create_engine(x): pass"), "defines create_engine twice"),
        (with_options("", "from shop import create_engine"), "imports create_engine twice"),
        (with_options("", "@hook\ndef f(): pass"), "decorates f"),
        (with_options("", "class A: pass"), "has a class"),
        (
            f"{HEAD}with create_engine({URL}).connect() as c:\n  for u in [1]:\n   context.configure(connection=c)",
            "loop",
        ),
        (with_engine("create_engine('postgresql://elsewhere/shop')"), "another database"),
        (with_engine("create_engine(os.environ['OTHER'])"), "another database"),
        (with_engine("create_engine(os.environ['DATABASE_URL'] + '_test')"), "another database"),
        (with_engine("create_engine(f\"{os.environ['DATABASE_URL']}_test\")"), "another database"),
        (with_engine("create_engine(os.environ['DATABASE_URL'].replace('/shop', '/test'))"), "another database"),
        (with_engine("create_engine(os.environ.get('OTHER') or os.environ['DATABASE_URL'])"), "another database"),
        (with_engine("create_engine(settings.url)", "from shop import settings"), "another database"),
        (
            with_engine("create_engine(get())", "def get():\n    if x:\n        return 'sqlite://'\n    return " + URL),
            "another",
        ),
        (with_engine(f"create_engine({URL}, execution_options=X)"), "sets execution_options"),
        (with_engine(f"create_engine({URL}, connect_args={{'options': '-c x'}})"), "sets connect_args"),
        (with_engine(f"create_engine({URL}, **more)"), "sets options"),
        (with_engine("engine_from_config(config.get_section('other'))"), "another database"),
        (with_engine("engine_from_config(config.get_section('alembic'), url='x')"), "another database"),
        (with_engine(f"create_engine(*[{URL}])"), "another database"),
        (with_engine("engine_from_config(config.get_section('alembic'), prefix='db.')"), "another prefix"),
        (with_engine("engine_from_config(s)", "s = config.get_section('alembic')\ns.update(x)"), r"calls s\.update"),
        (with_engine("engine_from_config(s)", "s = config.get_section('alembic')\ns[KEY] = 'x'"), "computed name"),
        (with_engine("engine_from_config(s)", "s = config.get_section('alembic')\ns |= X"), "another database"),
        (
            with_engine("engine_from_config(s)", "s = config.get_section('alembic')\n(s['sqlalchemy.url'], y) = z"),
            "sets s",
        ),
        (
            with_engine("engine_from_config(s)", "s = config.get_section('alembic')\ns['sqlalchemy.url']: str = z"),
            "sets s",
        ),
        (with_engine("engine", "from shop.db import engine"), r"calls engine\.connect"),
        (with_options("", "config.set_main_option('sqlalchemy.url', 'x')"), r"sets sqlalchemy\.url"),
        (with_options("", "config.set_main_option(KEY, 'x')"), "computed name"),
        (with_options("", "config.file_config.set('alembic', 'a', 'b')"), "calls config.file_config.set"),
        (HEAD + SHARED.replace("run(connectable)", "run(other)"), "given its connection by another"),
        (HEAD + SHARED + "f = run\nf(1)\n", "calls f"),
        (with_options("", "import shop\nx = shop.a\nx = shop.b\nx.connect()"), r"calls x\.connect"),
        (with_options("", "import shop\ndef f(): return shop.a\nf().connect()"), r"calls f\(\)\.connect"),
        (with_options("", "import shop\nwith shop.scope:\n    pass"), r"enters shop\.scope"),
        (with_options("", "import shop\nasync def f():\n    await shop.done\nasyncio.run(f())"), r"enters shop\.done"),
        ("def broken(:", "not valid Python"),
        ("", "never calls"),
        (HEAD + OFFLINE + "offline()", "never calls"),
    ],
)
def test_what_is_not_plain_is_uncertain(source: str, reason: str) -> None:
    with pytest.raises(Unsure, match=reason):
        read(source)


def test_the_standard_env_py_imports_nothing_foreign() -> None:
    found = read(ENV_STANDARD)
    assert found.table == VersionTable()
    assert {name.partition(".")[0] for name in found.modules} == {"logging", "alembic", "sqlalchemy"}


def test_tips_are_what_no_other_builds_upon() -> None:
    one, two, side = Revision("a"), Revision("b", down=("a",)), Revision("c", down=("a",))
    assert tips((one, two, side)) == (two, side)
    assert str(Revision("a", "create shop")) == "a create shop"
