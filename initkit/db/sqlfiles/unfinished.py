"""What was begun outside transactions and not finished: whether it can be gone on with; undoing it is a step's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.db.sqlfiles.forbidden import head
from initkit.db.sqlfiles.lexer import significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.db.ledger import Left
    from initkit.db.sqlfiles.lexer import Dialect

# these can be done twice; https://www.postgresql.org/docs/current/sql-commands.html, https://www.sqlite.org/lang.html
_REPEATABLE = {"vacuum", "analyze", "reindex", "cluster", "pragma", "checkpoint"}


def is_one_index(begun: Sequence[Left]) -> bool:
    """Whether all that was begun is one index, which the next run drops."""
    return len(begun) == 1 and bool(begun[0].index)


def goes_on(begun: Sequence[Left], dialect: Dialect) -> bool:
    """Whether the next run knows how to go on from what was begun."""
    return is_one_index(begun) or all(does_no_harm_twice(left.statement, dialect) for left in begun)


def does_no_harm_twice(statement: str, dialect: Dialect) -> bool:
    """Whether a statement can be run again, whether or not it was done."""
    words = head(statement, dialect)
    if words[0] in _REPEATABLE:
        return "concurrently" not in words  # it leaves an index behind where it is interrupted
    text = " ".join(token.text.lower() for token in significant(statement, dialect))
    return text.startswith("drop index concurrently if exists ") or (
        text.startswith("alter type ") and " add value if not exists " in text
    )
