"""SQL text to tokens, as PostgreSQL and SQLite read it; what tokens mean together is the splitter's concern.

No character is lost: the tokens of a text, joined, are the text. Nothing is refused: what does not end is `unended`.

PostgreSQL: https://www.postgresql.org/docs/current/sql-syntax-lexical.html, and src/backend/parser/scan.l where that
page is silent. SQLite: https://www.sqlite.org/lang_keywords.html, lang_comment.html beside it, and tokenize.c.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Dialect = Literal["postgres", "sqlite"]
Kind = Literal["space", "comment", "string", "name", "dollar", "word", "number", "sign", "unended"]


class Token(NamedTuple):
    """A piece of SQL text; `start` is its offset."""

    kind: Kind
    text: str
    start: int

    @property
    def is_blank(self) -> bool:
        """Whether it only separates others."""
        return self.kind in {"space", "comment"}


# What ends in a way of its own is only begun here. No possessive groups, though nothing is ever to be taken back:
# before CPython 3.11.5 they match wrongly (https://github.com/python/cpython/issues/106052). Every loop is the last
# part of an alternative, so that nothing after it can fail and have it tried again in other ways.
_LETTER = r"A-Za-z_\x80-\U0010ffff"
_OPERATOR = 128  # characters: twice as long as a server takes
_POSTGRES = rf"""
  (?P<space> [ \t\n\r\f\v]+ )
| (?P<comment> --[^\n\r]* )
| (?P<nested> /\* )
| (?P<escaped> [eE]' )
| (?P<string> ' )
| (?P<name> " )
| (?P<dollar> \$(?:[{_LETTER}][{_LETTER}0-9]*)?\$ )
| (?P<word> [{_LETTER}][{_LETTER}0-9$]* )
| (?P<number> \$?[0-9](?:[{_LETTER}0-9]|\.(?!\.)|(?<=[eE])[+-](?=[0-9]))* )
| (?P<sign> ::|:=|\.\.|(?:(?!--|/\*)[~!@\#^&|`?+\-*/%<>=]){{1,{_OPERATOR}}} | . )
"""
_SQLITE = rf"""
  (?P<space> [ \t\n\r\f\v]+ )
| (?P<comment> --[^\n]* )
| (?P<flat> /\* )
| (?P<string> ' )
| (?P<name> ["`] )
| (?P<bracket> \[ )
| (?P<word> [{_LETTER}][{_LETTER}0-9$]* )
| (?P<number> [0-9](?:[{_LETTER}0-9]|\.|(?<=[eE])[+-](?=[0-9]))* )
| (?P<sign> (?:(?!--|/\*)[~!&|+\-*/%<>=]){{1,{_OPERATOR}}} | . )
"""
_EDGE = re.compile(r"/\*|\*/")
_BLANK = re.compile(r"[ \t\n\r\f\v]+|--[^\n\r]*")
_LINE_END = re.compile(r"[\n\r]")
_IN_ESCAPED = re.compile(r"\\|'")
# an operator ends in + or - only where one of these is in it
_FREE = frozenset("~!@#%^&|`?")


@cache
def _pattern(dialect: Dialect) -> re.Pattern[str]:
    return re.compile(_POSTGRES if dialect == "postgres" else _SQLITE, re.VERBOSE | re.DOTALL)


def tokens(text: str, dialect: Dialect) -> Iterator[Token]:
    """The tokens of a text, one after the other."""
    pattern, at = _pattern(dialect), 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:  # never: every character matches, as a sign of its own at least
            raise AssertionError(text[at])
        group, end = str(match.lastgroup), match.end()
        if group in _ENDS:
            kind, find = _ENDS[group]
            end = find(text, at, end)
        else:
            kind = group  # type: ignore[assignment]  # the other groups are kinds
        if end < 0:
            kind, end = "unended", len(text)
        if end <= at:  # never either: it would go on for ever
            raise AssertionError(text[at])
        yield Token(kind, text[at:end], at)
        at = end


# Where something ends that goes from `at` and whose inside begins at `body`; -1 where it does not.


def _nested(text: str, at: int, body: int) -> int:  # noqa: ARG001 - all of them take the same
    depth, end = 1, body
    while depth:
        edge = _EDGE.search(text, end)
        if edge is None:
            return -1
        depth += 1 if edge[0] == "/*" else -1
        end = edge.end()
    return end


def _flat(text: str, at: int, body: int) -> int:  # noqa: ARG001 - as above
    end = text.find("*/", body)
    return len(text) if end < 0 else end + 2  # SQLite does not mind one that is not ended


def _quoted(text: str, at: int, body: int) -> int:
    quote, end = text[at], body
    while (end := text.find(quote, end)) >= 0 and text.startswith(quote, end + 1):
        end += 2  # it is doubled
    return end if end < 0 else end + 1


def _bracket(text: str, at: int, body: int) -> int:  # noqa: ARG001 - as above
    return text.find("]", body) + 1 or -1


def _dollar(text: str, at: int, body: int) -> int:
    end = text.find(text[at:body], body)
    return end if end < 0 else end + body - at


def _escaped(text: str, at: int, body: int) -> int:  # noqa: ARG001 - as above
    end, following = -1, body
    while following >= 0:
        end = _escaped_once(text, following)
        following = _second_literal(text, end) if end >= 0 else -1
    return end


def _escaped_once(text: str, body: int) -> int:
    end = body
    while sign := _IN_ESCAPED.search(text, end):
        if sign[0] == "'" and not text.startswith("'", sign.end()):
            return sign.end()
        end = sign.end() + 1  # with the character that is escaped, or doubled
    return -1


def _second_literal(text: str, at: int) -> int:
    """Where the inside of a literal begins in which an E'...' goes on: after a line's end at least; -1 for none."""
    end = at
    while blank := _BLANK.match(text, end):
        end = blank.end()
    return end + 1 if text.startswith("'", end) and _LINE_END.search(text, at, end) else -1


def _operator(text: str, at: int, end: int) -> int:
    sign = text[at:end]
    return end if _FREE.intersection(sign) else at + max(1, len(sign.rstrip("+-")))


_ENDS: dict[str, tuple[Kind, Callable[[str, int, int], int]]] = {
    "nested": ("comment", _nested),
    "flat": ("comment", _flat),
    "escaped": ("string", _escaped),
    "string": ("string", _quoted),
    "name": ("name", _quoted),
    "bracket": ("name", _bracket),
    "dollar": ("dollar", _dollar),
    "sign": ("sign", _operator),
}


def significant(text: str, dialect: Dialect) -> Iterator[Token]:
    """The tokens that are neither white space nor comments."""
    return (token for token in tokens(text, dialect) if not token.is_blank)
