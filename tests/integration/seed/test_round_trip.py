from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    from fix_seed import Shop

# PostgreSQL stores no NUL, UTF-8 no lone surrogate
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
AWKWARD = st.sampled_from(
    ["", '"', '""', ",", "\n", "\r\n", "\r", "\\N", "\\.", "NULL", "\ufeff", "a,b", " x ", "\t", "'"]
)
ROWS = st.lists(st.tuples(st.none() | TEXT | AWKWARD, st.none() | TEXT | AWKWARD), max_size=8)
NUMBERS = count()


def as_csv(rows: list[tuple[int, str | None, str | None]]) -> str:
    def field(value: object) -> str:
        if value is None:
            return ""
        text = str(value)
        bare = text and not set(text) & set(',"\r\n')
        return text if bare else '"' + text.replace('"', '""') + '"'

    return "".join(",".join(map(field, row)) + "\n" for row in [("id", "a", "b"), *rows])


def as_ndjson(rows: list[tuple[int, str | None, str | None]]) -> str:
    return "".join(json.dumps(dict(zip(("id", "a", "b"), row, strict=True))) + "\n" for row in rows)


@pytest.fixture
def words(shop: Shop) -> Shop:
    shop.sql.execute("create table words (id integer primary key, a text, b text)")
    return shop


@pytest.mark.parametrize("mode", ["once", "upsert"])
@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_what_is_written_is_read_back(words: Shop, suffix: str, mode: str) -> None:
    write = as_csv if suffix == "csv" else as_ndjson

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(ROWS)
    def check(texts: list[tuple[str | None, str | None]]) -> None:
        rows = [(number, *pair) for number, pair in enumerate(texts)]
        words.sql.execute("delete from words")
        folder = f"seed{next(NUMBERS)}"
        words.folder = words.folder.with_name(folder)
        words.folder.mkdir()
        path: Path = words.write(f"words.{suffix}", write(rows))
        if "initkit_seed" in words.tables():
            words.sql.execute("delete from initkit_seed")
        words.seed(path, mode=mode)
        assert words.sql.rows("select id, a, b from words order by id") == rows

    check()
