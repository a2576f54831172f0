"""Which part of a file is to be run, and how: what its comments say to dbmate, goose and initkit; not how it is split.

dbmate: ``-- migrate:up transaction:false``, ``-- migrate:down`` (https://github.com/amacneil/dbmate#writing-migrations).
goose: ``-- +goose Up``, ``Down``, ``StatementBegin``, ``StatementEnd``, ``NO TRANSACTION``, in any case of letters
(https://pressly.github.io/goose/reference/annotations/). initkit: ``-- initkit: no-transaction``.

A mark that is overlooked could run what takes a migration back: each must stand alone at the beginning of its line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.core.record import Record
from initkit.db.sqlfiles.lexer import tokens
from initkit.db.sqlfiles.splitter import SplitError, split, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.db.sqlfiles.lexer import Dialect
    from initkit.db.sqlfiles.splitter import Statement

_TOOLS = r"(?:(?P<dbmate>migrate:(?:up|down))\b|(?P<goose>\+goose)\b|(?P<own>initkit:))"
_MARK = re.compile(rf"--[ \t]*{_TOOLS}[ \t]*(?P<words>.*?)[ \t\r]*", re.IGNORECASE)
_ANY = re.compile(rf"--[ \t]*{_TOOLS}", re.IGNORECASE)


class Mark(Record):
    """A comment that says something to a tool; `words` is what, in small letters."""

    tool: str
    words: str
    start: int
    end: int
    line: int


class Piece(Record):
    """A part of a file; `is_whole` where it is one statement, whatever is in it."""

    text: str
    line: int
    is_whole: bool = False


class Section(Record):
    """What is to be run of a file.

    Attributes:
        pieces: in order; the rest of the file is not looked at.
        in_transaction: whether in one transaction.
    """

    pieces: tuple[Piece, ...]
    in_transaction: bool = True

    @property
    def text(self) -> str:
        """All of it; what a checksum is made of."""
        return "\n".join(piece.text for piece in self.pieces)

    def statements(self, dialect: Dialect) -> Iterator[Statement]:
        """The statements, in order.

        Raises:
            SplitError: the text is not only SQL.
        """
        for piece in self.pieces:
            if not piece.is_whole:
                yield from split(piece.text, dialect, line=piece.line)
            elif statement := whole(piece.text, dialect, line=piece.line):
                yield statement


def section_of(text: str, dialect: Dialect) -> Section:
    """What is to be run of a file's text.

    Raises:
        SplitError: its marks contradict each other, or say what initkit does not know.
    """
    if not _ANY.search(text):
        return Section((Piece(text, 1),))
    marks, first = _marks(text, dialect)
    own = _own([mark for mark in marks if mark.tool == "initkit"], first)
    dbmate = [mark for mark in marks if mark.tool == "dbmate"]
    goose = [mark for mark in marks if mark.tool == "goose"]
    if dbmate and goose:
        raise SplitError(goose[0].line, "marks of dbmate and of goose in one file", "keep those of one")
    section = _of_dbmate(text, dbmate, first) if dbmate else _of_goose(text, goose, first) if goose else None
    section = section or Section((Piece(text, 1),))
    return section.but(in_transaction=False) if own else section


def _marks(text: str, dialect: Dialect) -> tuple[list[Mark], int]:
    """The marks, and the offset of the first statement."""
    found, first, line, counted = list[Mark](), -1, 1, 0
    for token in tokens(text, dialect):
        if not token.is_blank:
            first = token.start if first < 0 else first
            continue
        match = _MARK.fullmatch(token.text)
        if match:
            line, counted = line + text.count("\n", counted, token.start), token.start
            if token.start and text[token.start - 1] != "\n":
                raise SplitError(line, f"{token.text.strip()} is not at the beginning of its line", "put it there")
            found.append(_mark(match, token.start, line))
    return found, len(text) if first < 0 else first


def _mark(match: re.Match[str], start: int, line: int) -> Mark:
    tool = "dbmate" if match["dbmate"] else "goose" if match["goose"] else "initkit"
    words = f"{match['dbmate'] or ''} {match['words']}".lower().split()
    return Mark(tool, " ".join(words), start, start + match.end(), line)


def _own(marks: Sequence[Mark], first: int) -> bool:
    for mark in marks:
        if mark.words != "no-transaction":
            raise SplitError(mark.line, f"initkit: {mark.words}, which means nothing", "write initkit: no-transaction")
        if mark.start > first:
            raise SplitError(mark.line, "initkit: no-transaction after a statement", "put it before all statements")
    return bool(marks)


def _of_dbmate(text: str, marks: Sequence[Mark], first: int) -> Section:
    ups = [mark for mark in marks if mark.words.startswith("migrate:up")]
    downs = [mark for mark in marks if mark not in ups]
    if len(ups) != 1 or len(downs) > 1 or (downs and downs[0].start < ups[0].start):
        raise SplitError(marks[-1].line, "not one migrate:up and, after it, one migrate:down at most", "split the file")
    if first < ups[0].start:
        raise SplitError(1, "a statement before migrate:up", "put it after that")
    end = downs[0].start if downs else len(text)
    piece = Piece(text[ups[0].end : end], ups[0].line)
    return Section((piece,), in_transaction="transaction:false" not in ups[0].words.split())


_GOOSE = {"up", "down", "statementbegin", "statementend", "no transaction", "envsub off"}


def _of_goose(text: str, marks: Sequence[Mark], first: int) -> Section:
    for mark in marks:
        if mark.words.startswith("envsub on"):
            raise SplitError(
                mark.line, "goose's annotation ENVSUB, which initkit does not know", "write the values out"
            )
        if mark.words not in _GOOSE:
            raise SplitError(mark.line, f"goose has no annotation {mark.words!r}", "mend it")
    parts = [mark for mark in marks if mark.words not in {"no transaction", "envsub off"}]
    if not parts or parts[0].words != "up" or sum(mark.words == "up" for mark in parts) > 1 or first < parts[0].start:
        raise SplitError(marks[0].line, "not one +goose Up before all else", "put it before the first statement")
    is_loose = any(mark.words == "no transaction" for mark in marks)
    return Section(tuple(_pieces(text, parts)), in_transaction=not is_loose)


def _pieces(text: str, parts: Sequence[Mark]) -> Iterator[Piece]:
    for mark, following in zip(parts, [*parts[1:], None], strict=True):
        if mark.words == "down":
            return
        is_whole = mark.words == "statementbegin"
        if is_whole != (following is not None and following.words == "statementend"):
            raise SplitError(mark.line, "StatementBegin and StatementEnd do not belong together", "mend them")
        yield Piece(text[mark.end : following.start if following else len(text)], mark.line, is_whole)
