"""Where the short cut may be taken to "at head already": what it says, and at what cost."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from fix_clock import RecordingVoice, make_context
from fix_proxy import Proxy
from fix_short_cut import Case, apply_by_hand, built, configured, step_for, sure

from initkit.core.outcome import Satisfied
from initkit.db.alembic import standing
from initkit.db.alembic.unsure import Unsure
from initkit.db.ledger import Ledger, Row, execute_on_postgres
from initkit.db.revisions import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fix_alembic import Builder


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
