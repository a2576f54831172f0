"""How much memory a step takes does not depend on how much there is to load."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator  # noqa: TC003 - a record's fields
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from fix_seed import Shop
    from fix_seed_runs import Runner

GROWTH = 2_000  # kB
LONG, LONGER = "so long a name " * 6, "so long a name " * 600


def separated(rows: int) -> Iterator[str]:
    yield "id,name,email\n"
    for number in range(rows):
        yield f'{number},"{LONG}, the {number}th",{number}@example.org\n'


def objects(rows: int) -> Iterator[str]:
    for number in range(rows):
        yield json.dumps({"id": number, "name": f"{LONG}{number}", "email": f"{number}@example.org"}) + "\n"


def array(rows: int) -> Iterator[str]:
    for number, line in enumerate(objects(rows)):
        yield (", " if number else "[") + line
    yield "]"


def listed(rows: int) -> Iterator[str]:
    for number in range(rows):
        yield f"- {{id: {number}, name: {LONGER}, email: {number}@example.org}}\n"


def statements(rows: int) -> Iterator[str]:
    for number in range(rows):
        yield f"insert into customers (id, name, email) values ({number}, '{LONGER};', '{number}@example.org');\n"


class Sizes(NamedTuple):
    """Rows of a small file, which fills the caches of SQLite, and of a large one."""

    write: Callable[[int], Iterator[str]]
    few: int = 50_000
    many: int = 120_000


FORMATS = {
    "csv": Sizes(separated),
    "csv.gz": Sizes(separated),
    "ndjson": Sizes(objects),
    "json": Sizes(array),
    "yaml": Sizes(listed, 1_500, 4_500),
    "sql": Sizes(statements, 1_500, 4_500),
}


def peak(shop: Shop, runner: Runner, suffix: str, rows: int, mode: str) -> int:
    """In kB, of a child that loads so many rows."""
    text = "".join(FORMATS[suffix].write(rows)).encode()
    path = shop.write(f"customers.{suffix}", gzip.compress(text, 1) if suffix.endswith("gz") else text)
    ask = runner(shop, mode=mode)
    found = int(ask()["kilobytes"])
    assert shop.sql.rows("select count(*) from customers where id >= 0") == [(rows,)]
    path.unlink()
    shop.sql.execute("delete from customers; drop table initkit_seed")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_memory_does_not_grow_with_the_file(shop: Shop, suffix: str, seed_runner: Runner) -> None:
    sizes = FORMATS[suffix]
    few, many = (peak(shop, seed_runner, suffix, rows, "once") for rows in (sizes.few, sizes.many))
    assert many - few < GROWTH


@pytest.mark.slow
def test_memory_does_not_grow_where_rows_are_compared(shop: Shop, seed_runner: Runner) -> None:
    found = []
    for rows in FORMATS["csv"][1:]:
        shop.sql.execute("insert into customers (id, name, email) values (-1, 'there', 'before')")
        found.append(peak(shop, seed_runner, "csv", rows, "upsert"))
    assert found[1] - found[0] < GROWTH
