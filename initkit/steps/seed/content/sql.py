"""SQL datasets: their statements, one by one, without what would end the transaction that they are run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.secrets import expand
from initkit.db.sqlfiles.forbidden import head, is_transaction, lets_backslash_escape
from initkit.db.sqlfiles.lexer import tokens
from initkit.db.sqlfiles.splitter import SplitError, split_pieces
from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.content.lines import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from initkit.db.sqlfiles.lexer import Dialect, Token
    from initkit.db.sqlfiles.splitter import Statement
    from initkit.steps.seed.dataset import Dataset


def statements(
    dataset: Dataset, blocks: Iterable[bytes], dialect: Dialect, environ: Mapping[str, str]
) -> Iterator[Statement]:
    """The statements of a file.

    Raises:
        PermanentError: it is no SQL, or holds what no dataset may.
    """
    try:
        for statement in split_pieces(texts(dataset, blocks), dialect):
            _refuse(statement, dialect)
            yield _expanded(statement, dialect, environ) if dataset.form.expand else statement
    except SplitError as error:
        raise bad_row(dataset, error.line, error.cause, advice=error.advice) from error


def _refuse(statement: Statement, dialect: Dialect) -> None:
    words = head(statement.text, dialect)
    if is_transaction(words, dialect):
        advice = "remove it: all datasets of a step are loaded in one transaction"
        raise SplitError(statement.line, f"{statement.shown} is no business of a dataset", advice)
    if lets_backslash_escape(words):
        raise SplitError(statement.line, "strings in which a backslash escapes", "remove it, and write E'...'")


def _expanded(statement: Statement, dialect: Dialect, environ: Mapping[str, str]) -> Statement:
    """The statement with references replaced inside quotes, where no value can become anything but a value."""
    found = [_replaced(statement, token, dialect, environ) for token in tokens(statement.text, dialect)]
    return statement.but(text="".join(found))


def _replaced(statement: Statement, token: Token, dialect: Dialect, environ: Mapping[str, str]) -> str:
    line = statement.line + statement.text.count("\n", 0, token.start)
    if token.kind not in {"string", "name"}:
        if token.text == "$" and statement.text.startswith("${", token.start):
            raise SplitError(line, "a reference that is not in quotes", "write '${NAME}', whatever the value's type")
        return token.text
    if "$" not in token.text:
        return token.text
    is_escaped = token.kind == "string" and token.text[0] in "eE" and dialect == "postgres"
    opening = 2 if is_escaped else 1
    quote = token.text[-1]
    try:
        # text that is written there stays as it is: only what comes in is quoted
        found = _expand_quoted(token.text[opening:-1], quote, environ, is_escaped=is_escaped)
    except ValueError as error:
        reason, _, advice = str(error).partition("; ")
        raise SplitError(line, reason, advice or "mend the file") from error
    return token.text[:opening] + found + quote


def _expand_quoted(text: str, quote: str, environ: Mapping[str, str], *, is_escaped: bool) -> str:
    found, at = [], 0
    while (begin := text.find("$", at)) >= 0:
        end = _end_of_reference(text, begin)
        value = expand(text[begin:end], environ).replace(quote, quote * 2)
        found += [text[at:begin], value.replace("\\", "\\\\") if is_escaped else value]
        at = end
    return "".join([*found, text[at:]])


def _end_of_reference(text: str, begin: int) -> int:
    if text.startswith("${", begin):
        return text.find("}", begin) + 1 or len(text)
    return begin + (2 if text.startswith("$$", begin) else 1)
