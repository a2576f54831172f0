"""What PostgreSQL's catalog says about tables: https://www.postgresql.org/docs/current/catalogs.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.steps.seed.tables import Column, Reference, Table, quoted

if TYPE_CHECKING:
    from initkit.db.postgres import Connection

_COLUMNS = """
select a.attname,
       format_type(case when t.typtype = 'd' then t.typbasetype else a.atttypid end, null),
       case when t.typcategory = 'A' then 'array'
            when coalesce(nullif(t.typbasetype, 0), t.oid) in ('json'::regtype, 'jsonb'::regtype) then 'json'
            else 'plain' end,
       (a.atthasdef and a.attgenerated = '') or a.attidentity <> '' or t.typdefault is not null,
       a.attgenerated <> ''
from pg_attribute a join pg_type t on t.oid = a.atttypid
where a.attrelid = %s::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
_KEY = """
select a.attname
from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
where i.indrelid = %s::oid and i.indisprimary
order by array_position(i.indkey::int2[], a.attnum)
"""
_REFERENCES = (
    "select distinct confrelid::text, condeferrable from pg_constraint where conrelid = %s::oid and contype = 'f'"
)
_TABLES = "select relname from pg_class where relkind in ('r', 'p') and pg_table_is_visible(oid)"


def table(connection: Connection, name: str) -> Table | None:
    """What the catalog says about a table, or None where there is none."""
    sql = ".".join(quoted(part) for part in name.split("."))
    row = connection.execute("select to_regclass(%s)::oid::text", (sql,)).fetchone()
    if row is None or row[0] is None:
        return None
    identity = (row[0],)
    columns = [Column(*found) for found in connection.execute(_COLUMNS, identity)]
    return Table(
        name=name,
        identity=row[0],
        columns={column.name: column for column in columns},
        key=tuple(found[0] for found in connection.execute(_KEY, identity)),
        references=tuple(Reference(*found) for found in connection.execute(_REFERENCES, identity)),
    )


def table_names(connection: Connection) -> list[str]:
    """The tables that an unqualified name finds."""
    return [row[0] for row in connection.execute(_TABLES)]
