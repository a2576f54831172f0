"""Queries that a person gives, and the values that they give, as messages show them; asking is each database's own."""

from __future__ import annotations

from typing import Annotated

from initkit.core.options import Parser

_LONGEST = 60  # characters of a value in a message


def parse_query(text: str) -> str:
    """A query in SQL, as it is.

    Raises:
        ValueError: it is empty, or holds what no server can be sent.
    """
    if not text.strip() or "\0" in text:
        raise ValueError(f"expected a query in SQL, got {text!r}")
    return text


def shown(value: str | None, null: str = "NULL") -> str:
    """A value in quotes, cut where it is long; `null` where there is none."""
    if value is None:
        return null
    return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")


Query = Annotated[str, Parser("SQL", parse_query)]
