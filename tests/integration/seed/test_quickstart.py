from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from initkit.core.outcome import Status

if TYPE_CHECKING:
    from fix_seed import Shop

SEED = Path(__file__).parents[3] / "examples" / "quickstart" / "seed"


def test_the_quickstarts_files_fit_their_tables(shop: Shop) -> None:
    assert shop.seed(SEED).detail == "2 datasets loaded: customers 6 rows, orders 9 rows"
    assert shop.seed(SEED).status is Status.OK
    assert shop.names()[1:4] == ["Müller, Jürgen", 'Siobhán "Shiv" O\'Brien', "李小龍"]
    assert shop.sql.rows("select note from orders where id in (4, 6) order by id") == [
        ("Deliver to the back door,\nring twice",),
        ("",),
    ]
    assert shop.sql.rows("select cast(sum(quantity * price) as integer) from orders")[0][0] == 538
