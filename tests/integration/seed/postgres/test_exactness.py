"""What the server reads by itself is what we read: else the fast way may not be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from fix_clock import make_context
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from initkit.core.errors import PermanentError
from initkit.db.dsn import Database
from initkit.steps.seed.postgres import store
from initkit.steps.seed.postgres.encoding import encode
from initkit.steps.seed.store import Counts, Loading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fix_seed_postgres import Loaded, Seeding

    from initkit.core.step import Context
    from initkit.steps.seed.content.content import Content
    from initkit.steps.seed.content.reading import Batch, Plain, Reading
    from initkit.steps.seed.tables import Table

_PIECES = st.sampled_from(
    [
        "a",
        "é",
        ",",
        '"',
        '""',
        "\n",
        "\r\n",
        "\r",
        "\\",
        "\\.",
        "\\N",
        "\t",
        " ",
        "",
        "NULL",
        "\n\\.\n",
        "\ufeff",
        "\0",
        ";",
        "'",
    ]
)


class Exact:
    """A content that says of nothing that it is plain."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.dataset = content.dataset
        self.repeatable = True

    def read(self, table: Table, *, complete: bool) -> Reading:
        return _Exact(self._content.read(table, complete=complete))

    def place(self, table: Table, number: int) -> tuple[int, dict[str, str | None]]:
        return self._content.place(table, number)


class _Exact:
    def __init__(self, reading: Reading) -> None:
        self.columns = reading.columns
        self._reading = reading

    def batches(self) -> Iterator[Batch]:
        return self._reading.batches()

    def plain(self) -> Plain | None:
        return None


def _loaded(seeding: Seeding, loaded: Loaded, *, exactly: bool) -> object:
    seeding.sql("truncate t")
    context: Context = make_context()
    try:
        with store.writing(Database("postgres", seeding.url, "the test"), context) as opened:
            loading = loaded.loading(opened, context)
            if exactly:
                loading = Loading(Exact(loading.content), loading.table, loading.how, loading.key)  # type: ignore[arg-type]
            opened.load(loading)
    except PermanentError as error:
        return str(error)
    return seeding.rows("select a, b, ctid::text from t order by ctid")


@example("\\.\n1,2\n")
@example('"\n\\.\n",x\n')
@example("x,\\.\n")
@example('"x"y,z\n')
@example('x,y\n\n""\n,\n"",""\n')
@example('x,y\r\nz,"w"\r\n')
@example("x,y\n\r\nz,w\n")
@example("a,b")
@example('a,"b')
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_PIECES, max_size=14).map("".join))
def test_the_fast_way_gives_the_same_rows_or_the_same_error(seeding: Seeding, text: str) -> None:
    seeding.sql("create table if not exists t (a text, b text)")
    loaded = seeding.csv("t", f"a,b\n{text}", "insert")
    assert _loaded(seeding, loaded, exactly=False) == _loaded(seeding, loaded, exactly=True)


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["\\", "\\N", "\t", "\n", "\r", "\\.", "\\t", ""]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.none() | _TEXTS, st.none() | _TEXTS), max_size=30))
def test_every_text_arrives_as_it_was(seeding: Seeding, rows: list[tuple[str | None, str | None]]) -> None:
    with psycopg.connect(seeding.url) as connection:
        connection.execute("create temp table t (a text, b text, c int)")
        with connection.cursor().copy("copy t from stdin (encoding 'UTF8')") as copy:
            copy.write(encode(rows, None, "7"))
        assert connection.execute("select * from t order by ctid").fetchall() == [(*row, 7) for row in rows]


def test_chosen_columns_come_in_the_order_of_their_places() -> None:
    rows = [("a", None, "c\t")] * 10
    assert encode(rows, [2, 0]) == encode(rows[:1], [2, 0]) * 10 == b"c\\t\ta\n" * 10


def test_a_nul_is_left_for_the_server_to_refuse(seeding: Seeding) -> None:
    seeding.sql("create table t (a text)")
    lines = '{"a": "x"}\n' * 20
    with pytest.raises(PermanentError, match="line 21"):
        seeding.load(seeding.ndjson("t", lines + '{"a": "\\u0000"}\n', "insert"))
    with pytest.raises(PermanentError, match="line 21"):
        seeding.load(seeding.ndjson("t", lines + '{"a": "\\ud800"}\n', "insert"))


def test_dates_are_read_as_the_database_is_set(seeding: Seeding) -> None:
    name = seeding.rows("select current_database()")[0][0]
    seeding.sql(f"alter database {name} set datestyle = 'SQL, DMY'; create table t (id int primary key, at date)")
    seeding.load(seeding.csv("t", "id,at\n1,02/01/2026\n"))
    assert seeding.rows("select to_char(at, 'YYYY-MM-DD') from t") == [("2026-01-02",)]
    assert seeding.load(seeding.csv("t", "id,at\n1,2026-01-02\n")) == [Counts(unchanged=1)]


@pytest.mark.parametrize(("encoding", "size"), [("LATIN1", 1), ("SQL_ASCII", 2)])
def test_a_database_of_another_encoding_takes_what_it_can(seeding: Seeding, encoding: str, size: int) -> None:
    name = seeding.rows("select current_database()")[0][0] + "_l"
    seeding.sql(f"create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0")
    url, seeding.url = seeding.url, seeding.url.replace(name.removesuffix("_l"), name)
    try:
        seeding.sql(
            "set client_encoding = 'UTF8'; create table t (id int primary key); alter table t add größe text"
            if encoding == "LATIN1"
            else "create table t (id int primary key, gr text)"
        )
        column = "größe" if encoding == "LATIN1" else "gr"
        seeding.load(seeding.csv("t", f"id,{column}\n1,é\n", "insert"))
        changed = seeding.csv("t", f"id,{column}\n1,ü\n")
        assert seeding.compare(changed) == Counts(updated=1)
        assert seeding.load(changed) == [Counts(updated=1)]
        assert seeding.rows("select octet_length(x) from (select * from t) t (id, x)") == [(size,)]
        if encoding == "LATIN1":
            with pytest.raises(PermanentError, match=r"line 2.* has no equivalent in encoding"):
                seeding.load(seeding.csv("t", "id,größe\n2,\u4f60\n"))
    finally:
        seeding.url = url
        seeding.sql(f"drop database {name}")
