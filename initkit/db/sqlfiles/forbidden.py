"""Statements that no migration can hold, as the transaction is initkit's; what a server refuses, it says itself."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING

from initkit.db.sqlfiles.lexer import significant
from initkit.db.sqlfiles.splitter import SplitError, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.db.sqlfiles.lexer import Dialect
    from initkit.db.sqlfiles.splitter import Statement

_WORDS = 5  # that tell what a statement is
_ENDS = {"commit", "end", "abort"}
_LOOSE = "or say -- initkit: no-transaction in the first line"
# https://www.sqlite.org/pragma.html: both do nothing inside a transaction, without an error
_IDLE_PRAGMAS = {"foreign_keys", "journal_mode"}


def refuse(statement: Statement, dialect: Dialect, *, in_transaction: bool) -> None:
    """See that a statement may stand in a file.

    Raises:
        SplitError: it may not.
    """
    for part in split(statement.text, dialect, line=statement.line):  # what goose marks as one may be several
        _refuse(part, dialect, in_transaction=in_transaction)


def _refuse(statement: Statement, dialect: Dialect, *, in_transaction: bool) -> None:
    words = head(statement.text, dialect)
    # outside transactions a savepoint begins one (SQLite), or is an error
    if is_transaction(words, dialect) or (words[0] == "savepoint" and not in_transaction):
        advice = "remove it: initkit runs the file in one transaction" if in_transaction else "remove it"
        raise SplitError(statement.line, f"{statement.shown} is no business of a migration", advice)
    if lets_backslash_escape(words):
        raise SplitError(statement.line, "strings in which a backslash escapes", "remove it, and write E'...'")
    if in_transaction and dialect == "sqlite" and words[:1] == ["pragma"] and _IDLE_PRAGMAS.intersection(words):
        advice = f"put PRAGMA foreign_keys before all other statements, {_LOOSE}"
        raise SplitError(statement.line, f"{statement.shown} does nothing inside a transaction", advice)


def lets_backslash_escape(words: list[str]) -> bool:
    """Whether a statement that begins with these words makes strings be read otherwise than the splitter does."""
    return words[0] == "set" and "standard_conforming_strings" in words and words[-1].strip("'") not in {"on", "true"}


def prelude(statements: Sequence[Statement], dialect: Dialect) -> int:
    """How many of the first statements have to run before the transaction begins, where they would do nothing.

    ``PRAGMA foreign_keys = off``, on SQLite: https://www.sqlite.org/lang_altertable.html#otheralter.
    """
    if dialect != "sqlite":
        return 0
    keys = ["pragma", "foreign_keys"]
    return len(list(takewhile(lambda statement: head(statement.text, dialect)[:2] == keys, statements)))


def head(text: str, dialect: Dialect) -> list[str]:
    """The first words and signs of a statement, in small letters."""
    return [token.text.lower() for token in islice(significant(text, dialect), _WORDS)]


def is_transaction(words: list[str], dialect: Dialect) -> bool:
    """Whether a statement that begins with these words begins or ends a transaction."""
    first, second = words[0], [*words, ""][1]
    if first in _ENDS or first == "begin" or (first, second) in {("start", "transaction"), ("prepare", "transaction")}:
        return second != "prepared"
    # back to a savepoint is within the transaction
    return first == "rollback" and "to" not in words[1:3] and (second != "prepared" or dialect == "sqlite")
