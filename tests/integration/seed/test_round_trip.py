from __future__ import annotations

import gzip
import json
from itertools import count
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from initkit.core.outcome import Satisfied, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_seed import Shop

    Rows = list[tuple[int, str | None, str | None]]

# PostgreSQL stores no NUL, UTF-8 no lone surrogate
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
SIGNS = [
    "",
    '"',
    '""',
    ",",
    "\n",
    "\r\n",
    "\r",
    "\\N",
    "\\.",
    "\n\\.\n",
    "NULL",
    "\ufeff",
    "a,b",
    " x ",
    "\t",
    "'",
    ";",
]
WORDS = ["null", "~", "no", "0640", "1.10", "${HOME}", "- a", "{", "[", "# x", "--", "/*", "$$", "😀", "\x85", "\u2028"]
AWKWARD = st.sampled_from(SIGNS + WORDS)
ROWS = st.lists(st.tuples(st.none() | TEXT | AWKWARD, st.none() | TEXT | AWKWARD), max_size=8)
NUMBERS = count()
NAMES = ("id", "a", "b")


def separated(delimiter: str) -> Callable[[Rows], str]:
    def field(value: object) -> str:
        if value is None:
            return ""
        text = str(value)
        bare = text and not set(text) & set(delimiter + '"\r\n')
        return text if bare else '"' + text.replace('"', '""') + '"'

    return lambda rows: "".join(delimiter.join(map(field, row)) + "\n" for row in [NAMES, *rows])


def as_objects(rows: Rows) -> list[dict[str, object]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def as_sql(rows: Rows) -> str:
    def literal(value: object) -> str:
        if value is None or isinstance(value, int):
            return "null" if value is None else str(value)
        return "'" + str(value).replace("'", "''") + "'"

    return "".join(f"insert into words values ({', '.join(map(literal, row))});\n" for row in rows)


WRITERS: dict[str, Callable[[Rows], str]] = {
    "csv": separated(","),
    "tsv": separated("\t"),
    "csv.gz": separated(";"),
    "ndjson": lambda rows: "".join(json.dumps(one) + "\n" for one in as_objects(rows)),
    "json": lambda rows: json.dumps(as_objects(rows), indent=1, ensure_ascii=False),
    "yaml": lambda rows: yaml.safe_dump(as_objects(rows)),
    "sql": as_sql,
}


@pytest.fixture
def words(shop: Shop) -> Shop:
    shop.sql.execute("create table words (id integer primary key, a text, b text)")
    return shop


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(suffix, "once") for suffix in WRITERS]
    + [("csv", "upsert"), ("ndjson", "upsert"), ("json", "replace"), ("yaml", "insert-missing"), ("tsv", "replace")],
)
def test_what_is_written_is_read_back(words: Shop, suffix: str, mode: str) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(ROWS)
    def check(texts: list[tuple[str | None, str | None]]) -> None:
        rows = [(number, *pair) for number, pair in enumerate(texts)]
        words.sql.execute("delete from words")
        folder = f"seed{next(NUMBERS)}"
        words.folder = words.folder.with_name(folder)
        words.folder.mkdir()
        content = WRITERS[suffix](rows).encode()
        path: Path = words.write(f"words.{suffix}", gzip.compress(content) if suffix.endswith(".gz") else content)
        if "initkit_seed" in words.tables():
            words.sql.execute("delete from initkit_seed")
        words.seed(path, mode=mode)
        assert words.sql.rows("select id, a, b from words order by id") == rows
        assert words.seed(path, mode=mode).status is Status.OK
        assert isinstance(words.look(path, mode=mode), Satisfied)

    check()
