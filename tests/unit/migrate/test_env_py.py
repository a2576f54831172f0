"""Which version table env.py uses, read without running it."""

from __future__ import annotations

import pytest

from initkit.db.revisions import Revision, VersionTable, tips
from initkit.steps.migrate.env_py import version_table

OFFLINE = "context.configure(url=url, version_table_schema=schema)\n"


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("context.configure(connection=c)", VersionTable()),
        ("context.configure(connection=c, version_table='v')", VersionTable("v")),
        ("context.configure(connection=c, version_table_schema='ops')", VersionTable("alembic_version", "ops")),
        ("context.configure(connection=c, version_table_schema=None)", VersionTable()),
        (OFFLINE + "configure(connection=c, target_metadata=None)", VersionTable()),
        ("if a:\n context.configure(connection=c)\nelse:\n context.configure(connection=d)", VersionTable()),
    ],
)
def test_what_is_literal_is_certain(source: str, table: VersionTable) -> None:
    assert version_table(source) == table


@pytest.mark.parametrize(
    "source",
    [
        "from shop.migrations import run\nrun()",
        "context.configure(connection=c, **options)",
        "context.configure(connection=c, version_table=NAME)",
        "context.configure(connection=c, version_table_schema=os.environ['SCHEMA'])",
        "context.configure(connection=c, version_table='a')\ncontext.configure(connection=c, version_table='b')",
        "context.configure(connection=c, upgrade_token='x')",
        "c.execute('SET search_path TO app')\ncontext.configure(connection=c)",
        "c = c.execution_options(schema_translate_map={None: 'x'})\ncontext.configure(connection=c)",
        "c.execute('set  role owner')\ncontext.configure(connection=c)",
        "def broken(:",
        "",
        OFFLINE,
    ],
)
def test_what_is_not_literal_is_uncertain(source: str) -> None:
    assert version_table(source) is None


def test_tips_are_what_no_other_builds_upon() -> None:
    one, two, side = Revision("a"), Revision("b", down=("a",)), Revision("c", down=("a",))
    assert tips((one, two, side)) == (two, side)
    assert str(Revision("a", "create shop")) == "a create shop"
