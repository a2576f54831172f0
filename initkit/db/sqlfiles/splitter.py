"""SQL text to statements, as PostgreSQL and SQLite tell them apart, and its checksum; not what statements do.

Semicolons inside parentheses (``CREATE RULE``) and ``BEGIN ATOMIC`` bodies end nothing on PostgreSQL, as psql has it
(src/fe_utils/psqlscan.l); on SQLite a trigger ends at ``; END ;`` (https://www.sqlite.org/c3ref/complete.html).
"""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from initkit.core.record import Record
from initkit.db.sqlfiles.lexer import significant, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from initkit.db.sqlfiles.lexer import Dialect, Token

_HEAD = 4  # words that tell what a statement begins with: CREATE OR REPLACE FUNCTION
_STREAMS = {("from", "stdin"), ("to", "stdout")}


class Statement(Record):
    """One statement.

    Attributes:
        text: from its first word to its last, without the semicolon.
        line: of its first word in the file.
        start: its offset in the text that was split.
    """

    text: str
    line: int
    start: int = 0

    @property
    def shown(self) -> str:
        """Its beginning, for messages."""
        return shown(self.text)


class SplitError(ValueError):
    """The text is not only SQL statements.

    Attributes:
        line: where.
        cause: what is there.
        advice: what to do about it.
    """

    def __init__(self, line: int, cause: str, advice: str) -> None:
        super().__init__(line, cause, advice)
        self.line = line
        self.cause = cause
        self.advice = advice


_SHOWN = 60  # characters of a statement in a message


def shown(text: str, longest: int = _SHOWN) -> str:
    """The beginning of a statement on one line, up to the first string in it, which may be anybody's secret."""
    pieces: list[str] = []
    for token in tokens(text[: longest * 4], "postgres"):
        if token.kind in {"string", "dollar", "unended"}:
            pieces.append(f"{_opening(token.text)}…")
            break
        pieces.append(" " if token.is_blank else token.text)
    line = " ".join("".join(pieces).split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def _opening(text: str) -> str:
    match = _OPENING.match(text)
    return match[0] if match else ""


_OPENING = re.compile(r"/\*|\$\w*\$|[eE]?['\"`\[]")


def split(text: str, dialect: Dialect, *, line: int = 1) -> Iterator[Statement]:
    """The statements of a text, in order.

    Args:
        text: without a byte order mark.
        dialect: whose rules.
        line: the number of its first line.

    Raises:
        SplitError: it holds what is no SQL, or does not end.
    """
    yield from (found for found, _ in _split(text, dialect, line, is_all=True) if found)


def split_pieces(pieces: Iterable[str], dialect: Dialect) -> Iterator[Statement]:
    """The statements of a text that comes in pieces, in order; no more of it is kept than the longest of them needs.

    Raises:
        SplitError: it holds what is no SQL, or does not end.
    """
    text, line, rest = "", 1, iter(pieces)
    while more := _as_much_as(len(text), rest):
        text += more
        done = 0
        for found, end in _split(text, dialect, line, is_all=False):
            if found:
                yield found
            done = end
        line += text.count("\n", 0, done)
        text = text[done:]
    yield from split(text, dialect, line=line)


def _as_much_as(size: int, pieces: Iterator[str]) -> str:
    """At least so much of what follows, so that a long statement is not looked at again for every piece of it."""
    found: list[str] = []
    length = 0
    for piece in pieces:
        found.append(piece)
        length += len(piece)
        if length and length >= size:
            break
    return "".join(found)


def _split(text: str, dialect: Dialect, line: int, *, is_all: bool) -> Iterator[tuple[Statement | None, int]]:
    """The statements, and where each ends, behind its semicolon; None for an empty one."""
    nul = text.find("\0")
    if nul >= 0:
        raise SplitError(_line(text, nul, line), "a NUL character", "no database takes one: remove it")
    gathered: list[Token] = []
    ending = _Postgres() if dialect == "postgres" else _Sqlite()
    for token in significant(text, dialect):
        if token.kind == "unended" and not is_all:
            return
        _refuse(text, token, is_first=not gathered, dialect=dialect, line=line)
        if token.text == ";" and ending.is_reached():
            yield _statement(text, gathered, dialect, line) if gathered else None, token.start + 1
            gathered, ending = [], type(ending)()
            continue
        ending.pass_by(token)
        gathered.append(token)
    if gathered and is_all:
        yield _statement(text, gathered, dialect, line), len(text)


def whole(text: str, dialect: Dialect, *, line: int = 1) -> Statement | None:
    """All of a text as one statement, whatever semicolons are in it; None where there is nothing.

    Raises:
        SplitError: it holds what is no SQL, or does not end.
    """
    gathered: list[Token] = []
    for token in significant(text, dialect):
        _refuse(text, token, is_first=not gathered, dialect=dialect, line=line)
        gathered.append(token)
    return _statement(text, gathered, dialect, line) if gathered else None


def _line(text: str, at: int, first: int) -> int:
    return first + text.count("\n", 0, at)


def _refuse(text: str, token: Token, *, is_first: bool, dialect: Dialect, line: int) -> None:
    if token.kind == "unended":
        cause, advice = f"what begins with {_opening(token.text)} does not end", "close the quote or comment"
    elif token.text == "\\" and dialect == "postgres":
        cause, advice = "a command of psql, which is no SQL", "remove it, or write what it does in SQL"
    elif token.text == "." and is_first and dialect == "sqlite":
        cause, advice = "a command of the sqlite3 shell, which is no SQL", "remove it, or write what it does in SQL"
    else:
        return
    raise SplitError(_line(text, token.start, line), cause, advice)


def _statement(text: str, gathered: Sequence[Token], dialect: Dialect, first: int) -> Statement:
    begin, last = gathered[0], gathered[-1]
    statement = Statement(text[begin.start : last.start + len(last.text)], _line(text, begin.start, first), begin.start)
    if dialect == "postgres" and begin.text.lower() == "copy" and _streams(gathered):
        advice = "write INSERT statements, or load rows from a CSV file with initkit seed"
        raise SplitError(statement.line, "COPY from or to the client, who is not psql", advice)
    return statement


def _streams(gathered: Sequence[Token]) -> bool:
    words = [token.text.lower() for token in gathered]
    return any(pair in _STREAMS for pair in pairwise(words))


class _Postgres:
    """Whether a semicolon ends the statement, on PostgreSQL."""

    def __init__(self) -> None:
        self._parentheses = 0
        self._blocks = 0
        self._head: list[str] = []
        self._last = ""

    def is_reached(self) -> bool:
        return not self._parentheses and not self._blocks

    def pass_by(self, token: Token) -> None:
        word = token.text.lower() if token.kind in {"word", "sign"} else ""
        if word == "(":
            self._parentheses += 1
        elif word == ")":
            self._parentheses = max(0, self._parentheses - 1)
        elif token.kind == "word":
            self._pass_word(word)
        self._last = word

    def _pass_word(self, word: str) -> None:
        if len(self._head) < _HEAD:
            self._head.append(word)
        if self._parentheses or self._last in {"as", "."} or not self._is_routine():
            return  # after AS and a dot a keyword is a name
        if word == "atomic" and self._last == "begin":
            self._blocks = 1
        elif word == "case" and self._blocks:
            self._blocks += 1
        elif word == "end" and self._blocks:
            self._blocks -= 1

    def _is_routine(self) -> bool:
        head = [word for word in self._head if word not in {"or", "replace"}]
        return head[:1] == ["create"] and head[1:2] in (["function"], ["procedure"])


class _Sqlite:
    """Whether a semicolon ends the statement, on SQLite: the states of ``sqlite3_complete``, in complete.c."""

    def __init__(self) -> None:
        self._state = "begin"

    def is_reached(self) -> bool:
        return self._state in {"begin", "explain", "create", "other", "trigger end"}

    def pass_by(self, token: Token) -> None:
        word = token.text.lower() if token.kind in {"word", "sign"} else ""
        word = "temp" if word == "temporary" else word
        if self._state.startswith("trigger"):
            following = {";": "trigger semicolon", "end": "trigger end"}.get(word, "trigger")
            is_end_of_body = following != "trigger end" or self._state == "trigger semicolon"
            self._state = following if is_end_of_body else "trigger"
        else:
            self._state = self._head(word)

    def _head(self, word: str) -> str:
        if self._state == "begin":
            return word if word in {"explain", "create"} else "other"
        if self._state == "explain" and word not in {"explain", "temp", "trigger", "end"}:
            return "create" if word == "create" else "explain"
        if self._state == "create" and word in {"temp", "trigger"}:
            return "create" if word == "temp" else "trigger"
        return "other"


def normalised(text: str, dialect: Dialect) -> str:
    """The text with one space wherever white space and comments may stand, so that only changes of meaning show.

    Strings, quoted names and dollar-quoted bodies are kept as they are, but for line ends of Windows: they depend on
    who checked the file out, not on who changed it.
    """
    pieces = [token.text for token in significant(text.replace("\r\n", "\n"), dialect)]
    while pieces and pieces[-1] == ";":
        pieces.pop()
    return " ".join(pieces)


def checksum(text: str, dialect: Dialect) -> str:
    """Of `text` normalised and, after a hyphen, of the text itself: `agrees` need not normalise what is the same."""
    return f"{_digest(normalised(text, dialect))[:40]}-{_digest(text)[:16]}"


def agrees(recorded: str, text: str, dialect: Dialect) -> bool:
    """Whether a `checksum` is of this text, or of one that differs in comments and white space only."""
    meaning, _, exact = recorded.partition("-")
    return exact == _digest(text)[:16] or meaning == _digest(normalised(text, dialect))[:40]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
