"""What is asked of a MySQL server that has let us in, and what its answers mean; logging in is the scheme's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.db.mysql_errors import MADE_BY_OTHERS
from initkit.db.queries import shown
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from initkit.db.mysql import Server

_ABSENT = dict.fromkeys(MADE_BY_OTHERS, AbsentError)
_OFF = ("OFF", "0")
_BLANK = 0x20  # what is below is no text


def see_writable(server: Server, task: str) -> None:
    """See that the server takes writes.

    Raises:
        AbsentError: it is read-only, as replicas mostly are.
    """
    # not every server has both, and select @@… would fail there
    rows = server.rows("show global variables where variable_name in ('read_only', 'innodb_read_only')", task)
    on = sorted(_text(row[0]).lower() for row in rows if _text(row[1]).upper() not in _OFF)
    if on:
        raise AbsentError(task, f"it is read-only ({', '.join(on)})", "wait for its promotion, or name the primary")


def see_table(server: Server, table: str, task: str) -> None:
    """See that there is a table or view of this name, ``t`` or ``shop.t``, and that it may be read.

    Raises:
        AbsentError: there is none.
        SuspectError: it may not be read, whether it is there or not.
    """
    quoted = ".".join(f"`{part.replace('`', '``')}`" for part in table.split("."))
    server.row(f"select 1 from {quoted} limit 0", task, _ABSENT)  # noqa: S608 - quoted


def see_answer(server: Server, query: str, expected: str | None, task: str) -> None:
    """See that a query's first value is `expected`; without it, that it is neither NULL nor 0 nor false.

    Raises:
        AbsentError: it is not, there is no row, or what the query names does not exist.
        PermanentError: it is no query that only reads.
    """
    row = server.query(query, task, _ABSENT)
    if row is None:
        raise AbsentError(task, "the query gives no row", "see who is to make it true")
    value = None if row[0] is None else _text(row[0])
    if not (_is_true(value) if expected is None else value == expected):
        wanted = "something true" if expected is None else shown(expected)
        raise AbsentError(task, f"the query gives {shown(value)}, expected {wanted}", "see who is to make it true")


def _text(value: str | bytes | None) -> str:
    if isinstance(value, bytes):
        # BIT comes as bytes, and so does text of a binary type
        return str(int.from_bytes(value)) if value and value[0] < _BLANK else value.decode(errors="replace")
    return value or ""


def _is_true(value: str | None) -> bool:
    if value is None or value.strip().lower() == "false":
        return False
    return not re.fullmatch(r"[-+]?(0+\.?0*|\.0+)(e[-+]?\d+)?", value.strip(), re.IGNORECASE)
