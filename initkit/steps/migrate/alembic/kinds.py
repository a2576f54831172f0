"""What a statement does to a transaction, as far as its first words tell; the index that one makes: `db.pg.indexes`."""

from __future__ import annotations

import re

_BEFORE = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_SETS = re.compile(r"(?:show|set|reset|discard|explain|begin|start|savepoint|release|rollback|use)\b", re.IGNORECASE)
# a function may write, but for those that the catalogues are read with
_SELECTS = re.compile(r"select\b(?:[^(]*$|.*\b(?:pg_catalog|information_schema)\.)", re.IGNORECASE | re.DOTALL)
_REPEATABLE = re.compile(
    r"(?:drop\s+index\s+(?:concurrently\s+)?if\s+exists|drop\s+\w+(?:\s+view)?\s+if\s+exists|vacuum|analyze|reindex|checkpoint"
    r"|alter\s+type\s+.*\badd\s+value\s+if\s+not\s+exists|refresh\s+materialized)\b",
    re.IGNORECASE | re.DOTALL,
)
_COMMITS = re.compile(r"(?:commit|end)\b", re.IGNORECASE)
# all else commits before and after itself there: https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html
_MYSQL_KEEPS = re.compile(r"(?:insert|update|delete|replace|with|select|do|call)\b", re.IGNORECASE)


def _words(statement: str) -> str:
    found = _BEFORE.match(statement)
    return statement[found.end() :] if found else statement


def reads(statement: str) -> bool:
    """Whether it surely changes nothing that is stored."""
    words = _words(statement)
    return bool(_SETS.match(words) or _SELECTS.match(words))


def repeats(statement: str) -> bool:
    """Whether it can simply be run again, whatever came of it."""
    return bool(_REPEATABLE.match(_words(statement)))


def commits(statement: str) -> bool:
    """Whether it commits what came before."""
    return bool(_COMMITS.match(_words(statement)))


def commits_in_mysql(statement: str) -> bool:
    """Whether MySQL commits what came before, and this too."""
    return not (reads(statement) or _MYSQL_KEEPS.match(_words(statement)))


def is_concurrent(statement: str) -> bool:
    """Whether it works without keeping others out, for as long as that takes."""
    return re.search(r"\bconcurrently\b", statement, re.IGNORECASE) is not None
