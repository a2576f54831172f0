"""Which row of a staging table is to blame for an error that names none: by its foreign key, or by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from initkit.steps.seed.postgres.blame import FOREIGN_KEY, ROW_SECURITY, blames
from initkit.steps.seed.postgres.merging import STAGED
from initkit.steps.seed.postgres.savepoint import savepoint
from initkit.steps.seed.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from initkit.db.postgres import Connection
    from initkit.steps.seed.postgres.stage import Stage


class ForeignKey(NamedTuple):
    """A foreign key as an error names it; tables as SQL writes them."""

    child: str
    columns: list[str]
    parent: str
    referred: list[str]


_FOREIGN_KEY = """
select format('%%I.%%I', cn.nspname, c.relname),
       array(select a.attname::text from unnest(f.conkey) with ordinality k (number, place)
             join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number order by k.place),
       format('%%I.%%I', pn.nspname, p.relname),
       array(select a.attname::text from unnest(f.confkey) with ordinality k (number, place)
             join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number order by k.place)
from pg_constraint f
join pg_class own on own.oid = f.conrelid
join pg_namespace named on named.oid = own.relnamespace
join pg_class c on c.oid = coalesce(pg_partition_root(f.conrelid), f.conrelid)
join pg_namespace cn on cn.oid = c.relnamespace
join pg_class p on p.oid = f.confrelid
join pg_namespace pn on pn.oid = p.relnamespace
where f.contype = 'f' and f.conname = %s and named.nspname = %s and own.relname = %s
"""


def foreign_key(connection: Connection, error: psycopg.Error) -> ForeignKey | None:
    """The foreign key that an error is about."""
    named = (error.diag.constraint_name, error.diag.schema_name, error.diag.table_name)
    if error.sqlstate != FOREIGN_KEY or not all(named):
        return None
    row = connection.execute(_FOREIGN_KEY, named).fetchone()
    return ForeignKey(*row) if row else None


def dangling(connection: Connection, stage: Stage, key: ForeignKey) -> int:
    """The number of the first row that refers to nothing; 0 where there is none."""
    if not set(key.columns) <= set(stage.columns):
        return 0
    given = " and ".join(f"s.{quoted(name)} is not null" for name in key.columns)
    same = " and ".join(f"p.{quoted(r)} = s.{quoted(c)}" for c, r in zip(key.columns, key.referred, strict=True))
    lost = f"not exists (select from {key.parent} p where {same})"
    if key.parent == key.child and set(key.referred) <= set(stage.columns):
        lost += f" and not exists (select from {STAGED} p where {same})"
    row = connection.execute(
        f"select s.ctid::text from {STAGED} s where {given} and {lost} order by s.ctid limit 1"  # noqa: S608 - as above
    ).fetchone()
    return stage.number(row[0]) if row else 0


def first_refused(
    connection: Connection, stage: Stage, merge: Callable[[str], object]
) -> tuple[int, psycopg.Error | None]:
    """The number of the first row that cannot be merged, and why; 0 where all can.

    Args:
        connection: in a transaction; what is tried is rolled back.
        stage: the rows.
        merge: merges those of them that a condition on ``s`` lets through.
    """
    number, found = _by_itself(connection, stage, merge)
    if found is None:
        number, found = _after_others(connection, stage, merge)
    return (stage.before + number, found) if found else (0, None)


def _by_itself(
    connection: Connection, stage: Stage, merge: Callable[[str], object]
) -> tuple[int, psycopg.Error | None]:
    """The row that is refused whatever comes before it: each half is tried alone, which costs one merge in all."""
    good, bad = 0, stage.rows
    while bad - good > 1:
        middle = (good + bad) // 2
        if _refused(connection, merge, _between(stage, good, middle)) is None:
            good = middle
        else:
            bad = middle
    return bad, _refused(connection, merge, _between(stage, good, bad))


def _after_others(
    connection: Connection, stage: Stage, merge: Callable[[str], object]
) -> tuple[int, psycopg.Error | None]:
    """The row that is refused after all those before it."""
    good, bad, refused = 0, stage.rows, _refused(connection, merge, "")
    if refused is None:
        return 0, None
    while bad - good > 1:
        middle = (good + bad) // 2
        found = _refused(connection, merge, _between(stage, 0, middle))
        if found is None:
            good = middle
        else:
            bad, refused = middle, found
    return bad, refused


def _between(stage: Stage, after: int, last: int) -> str:
    """The condition for the rows with numbers after one, up to the last."""
    begin = f"s.ctid > '{stage.place(after)}'::tid and " if after else ""
    return f"{begin}s.ctid <= '{stage.place(last)}'::tid and "


def _refused(connection: Connection, merge: Callable[[str], object], upto: str) -> psycopg.Error | None:
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        with savepoint(connection, undone=True):
            merge(upto)
    except psycopg.Error as error:
        if not (blames(error) or error.sqlstate == ROW_SECURITY):
            raise
        return error
    return None


def is_of_a_row(connection: Connection, error: psycopg.Error, merge: Callable[[str], object]) -> bool:
    """Whether an error is a row's fault: policies and rights have one code, but rights lack without rows, too."""
    if error.sqlstate != ROW_SECURITY:
        return blames(error)
    return _refused(connection, merge, "false and ") is None
