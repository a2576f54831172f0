"""What PostgreSQL's catalog says about tables: https://www.postgresql.org/docs/current/catalogs.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.seed.tables import Column, Reference, Table, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.db.postgres import Connection

_COLUMNS = """
with recursive base as (
    select a.attnum, t.oid, t.typtype, t.typbasetype, t.typdefault is not null as has_default, t.typnotnull as not_null
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = %(table)s::regclass and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, t.oid, t.typtype, t.typbasetype, b.has_default or t.typdefault is not null,
           b.not_null or t.typnotnull
    from base b join pg_type t on t.oid = b.typbasetype where b.typtype = 'd'
), types as (
    select b.attnum, b.has_default, b.not_null, t.oid, t.typcategory, t.typelem
    from base b join pg_type t on t.oid = b.oid where b.typtype <> 'd'
)
select a.attname,
       format_type(t.oid, null),
       case when t.typcategory = 'A' and t.typelem <> 0 then 'array'
            when t.oid in ('json'::regtype, 'jsonb'::regtype) then 'json' else 'plain' end,
       (a.atthasdef and a.attgenerated = '') or a.attidentity <> '' or t.has_default,
       a.attgenerated <> '',
       (a.attnotnull or t.not_null) and not (a.atthasdef or a.attidentity <> '' or t.has_default)
from pg_attribute a join types t on t.attnum = a.attnum
where a.attrelid = %(table)s::regclass
order by a.attnum
"""
_KEY = """
select a.attname
from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
where i.indrelid = %s::regclass and i.indisprimary and array_position(i.indkey::int2[], a.attnum) < i.indnkeyatts
order by array_position(i.indkey::int2[], a.attnum)
"""
# deferrable ones do not tell in time: https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT
_UNIQUE = """
select array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum))
from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
where i.indrelid = %s::regclass and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
    and i.indexprs is null and array_position(i.indkey::int2[], a.attnum) < i.indnkeyatts
group by i.indexrelid, i.indisprimary order by i.indisprimary desc, i.indexrelid
"""
_REFERENCES = """
select format('%%I.%%I', n.nspname, c.relname), bool_and(f.condeferrable)
from pg_constraint f join pg_class c on c.oid = f.confrelid join pg_namespace n on n.oid = c.relnamespace
where f.conrelid = %s::regclass and f.contype = 'f' group by 1 order by 1
"""
_TABLES = """
select relname from pg_class
where relkind in ('r', 'p', 'f') and not relispartition and pg_table_is_visible(oid)
    and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
order by 1
"""
_FOUND = """
select format('%%I.%%I', n.nspname, c.relname), c.relkind
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(%s)
"""
_OTHERS = {
    "v": ("a view", "load into the tables that it shows"),
    "m": ("a materialized view", "load into the tables that it shows"),
    "S": ("a sequence", "name a table"),
    "i": ("an index", "name a table"),
    "I": ("an index", "name a table"),
    "c": ("a type", "name a table"),
}


def table(connection: Connection, name: str) -> Table | None:
    """What the catalog says about a table, or None where there is none; its identity is its name with its schema.

    Raises:
        PermanentError: something else has that name.
    """
    found = next(filter(None, (_found(connection, spelling) for spelling in _spellings(name))), None)
    if found is None:
        return None
    identity, kind = found
    if kind in _OTHERS:
        what, advice = _OTHERS[kind]
        raise PermanentError(f"load into {name}", f"it is {what}", advice)
    columns = [Column(*row) for row in connection.execute(_COLUMNS, {"table": identity})]
    return Table(
        name=name,
        identity=identity,
        columns={column.name: column for column in columns},
        key=tuple(row[0] for row in connection.execute(_KEY, (identity,))),
        references=tuple(Reference(*row) for row in connection.execute(_REFERENCES, (identity,))),
        unique=tuple(tuple(row[0]) for row in connection.execute(_UNIQUE, (identity,))),
        resolved=identity,
    )


def _spellings(name: str) -> list[str]:
    parts = name.split(".")
    whole = quoted(name)  # a name may hold dots
    return [whole] if len(parts) != 2 or not all(parts) else [".".join(map(quoted, parts)), whole]  # noqa: PLR2004


def _found(connection: Connection, spelling: str) -> tuple[str, str] | None:
    return connection.execute(_FOUND, (spelling,)).fetchone()


def table_names(connection: Connection) -> list[str]:
    """The tables that an unqualified name finds."""
    return [row[0] for row in connection.execute(_TABLES)]


@dataclass(frozen=True)
class Relation:
    """What loading into a table depends on besides its columns.

    Attributes:
        kind: pg_class.relkind: r, p (partitioned) or f (foreign).
        indirect: what keeps COPY from doing what INSERT does: row security, rules; empty where nothing does.
        size: bytes, its partitions included.
        as_text: columns whose values can only be told apart as text.
        fixed: identity columns that no UPDATE may set.
        required: columns that must not be NULL.
        strict: columns of domains that refuse NULL, with the types beneath: no row need mention them.
    """

    identity: str
    kind: str
    indirect: str
    size: int
    as_text: frozenset[str]
    fixed: frozenset[str]
    required: frozenset[str]
    strict: Mapping[str, str]

    @property
    def only(self) -> str:
        """It as a statement names it: keys say nothing about tables that inherit from it."""
        return self.identity if self.kind == "p" else f"only {self.identity}"


_RELATION = """
select c.relkind,
       case when row_security_active(c.oid) then 'row security'
            when exists (select from pg_rewrite r where r.ev_class = c.oid) then 'rules' else '' end,
       case c.relkind when 'p' then (select coalesce(sum(pg_relation_size(relid)), 0) from pg_partition_tree(c.oid))
            when 'r' then pg_relation_size(c.oid) else 0 end::bigint
from pg_class c where c.oid = %s::regclass
"""
# Equality is what a B-tree's operators mean: = compares the areas of boxes. Where equal values can look different
# (citext, collations that ignore case) or mean something else (a month and 30 days), a change of looks is a change.
_TELLING = """
with recursive base as (
    select a.attnum, a.attname, t.oid, t.typtype, t.typbasetype, t.typelem, t.typcategory, t.typname,
           a.attcollation, a.attidentity, a.attnotnull
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, b.attname, t.oid, t.typtype, t.typbasetype, t.typelem, t.typcategory, t.typname,
           b.attcollation, b.attidentity, b.attnotnull
    from base b join pg_type t
        on t.oid = case when b.typtype = 'd' then b.typbasetype when b.typcategory = 'A' then b.typelem end
    where b.typtype = 'd' or (b.typcategory = 'A' and b.typelem <> 0)
)
select b.attname,
    b.typname in ('citext', 'interval') or b.typtype = 'c'
    or not coalesce((select l.collisdeterministic from pg_collation l where l.oid = b.attcollation), true)
    or (b.typtype = 'b' and not exists (
        select from pg_opclass o join pg_am m on m.oid = o.opcmethod and m.amname = 'btree'
        where o.opcdefault and (o.opcintype = b.oid or exists (
            select from pg_cast k where k.castsource = b.oid and k.casttarget = o.opcintype and k.castmethod = 'b'
                and k.castcontext = 'i')))),
    b.attidentity = 'a',
    b.attnotnull
from base b
where b.typtype <> 'd' and not (b.typcategory = 'A' and b.typelem <> 0)
"""

_STRICT = """
with recursive base as (
    select a.attname, t.typbasetype as oid, t.typtypmod, t.typnotnull
    from pg_attribute a join pg_type t on t.oid = a.atttypid and t.typtype = 'd'
    where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped
    union all
    select b.attname, t.typbasetype, t.typtypmod, b.typnotnull or t.typnotnull
    from base b join pg_type t on t.oid = b.oid and t.typtype = 'd'
)
select b.attname, format_type(b.oid, b.typtypmod)
from base b join pg_type t on t.oid = b.oid and t.typtype <> 'd' where b.typnotnull
"""


def relation(connection: Connection, found: Table) -> Relation:
    """What loading into a table depends on."""
    kind, indirect, size = connection.execute(_RELATION, (found.identity,)).fetchall()[0]
    rows = connection.execute(_TELLING, (found.identity,)).fetchall()
    return Relation(
        identity=found.identity,
        kind=kind,
        indirect=indirect,
        size=size,
        as_text=frozenset(name for name, as_text, _, _ in rows if as_text),
        fixed=frozenset(name for name, _, fixed, _ in rows if fixed),
        required=frozenset(name for name, _, _, required in rows if required),
        strict=dict(connection.execute(_STRICT, (found.identity,)).fetchall()),
    )
