"""What PostgreSQL refuses, told as file, line, column and value; other errors of the driver pass through untouched.

Servers word their errors in many languages: what counts is their code, their fields, and the order of words.
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.redact import MASK, is_secret_name
from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.staging import ABSENT_ADVICE, NULL_ADVICE, STAGING, TWICE_ADVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

    from initkit.core.errors import PermanentError
    from initkit.steps.seed.postgres.copying import Copied
    from initkit.steps.seed.store import Loading

# Classes that have nothing to do with a row: of connections, transactions, rights, names, resources, the server.
# What is left is values (22), integrity (23), WITH CHECK OPTION (44), limits such as of an index's row (54), what
# triggers raise (P0), and codes of a trigger's own.
_OTHERS = (
    "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 20 21 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 53 55 57 58 72 F0 HV XX"
)
UNIQUE, FOREIGN_KEY, RESTRICT, NOT_NULL, ROW_SECURITY = "23505", "23503", "23001", "23502", "42501"
# the detail of other violations shows the whole row
_TELLING_DETAIL = (UNIQUE, FOREIGN_KEY, RESTRICT, "23P01")
_ADVICE = {
    FOREIGN_KEY: "add the row that it refers to, or mend the file",
    NOT_NULL: NULL_ADVICE,
}
_QUOTED = re.compile(r"""["'«»„“”].*["'«»“”]""", re.DOTALL)
_VALUES = re.compile(r"\)=\(.*\)", re.DOTALL)
# the server checks others row by row, in an order of its own
_EXCHANGE = "mend the file; where rows exchange values that are unique, make that constraint DEFERRABLE"


def blames(error: psycopg.Error) -> bool:
    """Whether an error can be a row's fault."""
    return bool(error.sqlstate) and (error.sqlstate or "")[:2] not in _OTHERS.split()


@contextmanager
def of_copy(loading: Loading, copied: Copied) -> Iterator[None]:
    """Have an error of a COPY that the server ascribes to a line come out with the row's place in the file.

    Raises:
        PermanentError: with the line, and the column where it is known.
    """
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        yield
    except psycopg.Error as error:
        told = _line_of_copy(error, loading) if blames(error) else None
        if told is None:
            raise
        number, column = told
        raise refusal(error, loading, copied.before + number, column) from error


def _line_of_copy(error: psycopg.Error, loading: Loading) -> tuple[int, str] | None:
    """The line and the column: ``COPY customers, line 3, column id: "x"``, ``customersのCOPY、行 3、列 id: "x"``.

    The table comes before the line, and that before the column; the words around them are any language's.
    """
    table = loading.table.name
    names = "|".join(map(re.escape, (STAGING, table, table.rpartition(".")[2])))
    context = error.diag.context or ""
    told = re.search(
        rf"^(?:COPY )?(?:{names})(?![A-Za-z0-9_])[^\d\n]*(\d+)(?P<rest>[^:\n]*)(?P<colon>:)?", context, re.MULTILINE
    )
    if told is None:
        return None
    return int(told[1]), _last_named(told["rest"], loading.table.columns) if told["colon"] else ""


def _last_named(text: str, columns: Iterable[str]) -> str:
    """The column whose name stands last in a text; of two that end there, the longer one."""
    found = {name: list(re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)) for name in columns}
    ends = {name: (matches[-1].end(), len(name)) for name, matches in found.items() if matches}
    return max(ends, key=ends.__getitem__, default="")


def refusal(error: psycopg.Error, loading: Loading, number: int = 0, column: str = "") -> PermanentError:
    """An error of the server's as ours.

    Args:
        error: what it said.
        loading: which dataset it is about.
        number: of the row, from 1; 0 where it is not known.
        column: as far as it is known from elsewhere.
    """
    state = error.sqlstate or ""
    reason = error.diag.message_primary or str(error)
    detail = error.diag.message_detail
    if detail and state in _TELLING_DETAIL:
        reason += f" ({without_secrets(detail).removesuffix('.')})"
    line, values = loading.content.place(loading.table, number) if number else (0, {})
    if number and not line:
        reason = f"row {number}: {reason}"
    column = error.diag.column_name or column or _columns_of(detail or "")
    if any(name not in loading.table.columns for name in column.split(", ")):
        column = ""
    value = values.get(column) if state != NOT_NULL else None
    if is_secret_name(column) and state.startswith("22"):  # it quotes the value, or a part of it, as it reads it
        reason = _QUOTED.sub(MASK, reason)
    advice = _advice(state, loading)
    if state == NOT_NULL and values and column not in values:
        advice = ABSENT_ADVICE
    return bad_row(loading.content.dataset, line, reason, column=column, value=value, advice=advice)


def without_secrets(detail: str) -> str:
    """A detail that names columns, without the values of those whose names say that they are secret."""
    named = any(is_secret_name(name) for name in _columns_of(detail).split(", "))
    return _VALUES.sub(f")=({MASK})", detail) if named else detail


def _columns_of(detail: str) -> str:
    """Those that a detail names: ``Key (customer_id)=(77) is not present in table "customers".``."""
    pair = re.search(r"\((.*?)\)=\(", detail)
    return ", ".join(name.strip('"') for name in pair[1].split(", ")) if pair else ""


def _advice(state: str, loading: Loading) -> str:
    if state == UNIQUE:
        return TWICE_ADVICE if loading.how == "insert" else _EXCHANGE
    return _ADVICE.get(state, "")
