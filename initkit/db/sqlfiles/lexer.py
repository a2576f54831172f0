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
    from collections.abc import Iterator

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


# whitespace that lets an E'...' go on in a second literal: it must hold a line's end
_GAP = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+"
_ESCAPED = r"(?:[^'\\]++|\\.|'')*+"
_LETTER = r"A-Za-z_\x80-\U0010ffff"
_POSTGRES = rf"""
  (?P<space> [ \t\n\r\f\v]++ )
| (?P<comment> --[^\n\r]*+ )
| (?P<nested> /\* )
| (?P<escaped> [eE]'{_ESCAPED}(?P<escaped_end>'(?:{_GAP}'{_ESCAPED}')*+)? )
| (?P<string> '(?:[^']++|'')*+(?P<string_end>')? )
| (?P<name> "(?:[^"]++|"")*+(?P<name_end>")? )
| (?P<dollar> \$(?:[{_LETTER}][{_LETTER}0-9]*+)?+\$ )
| (?P<word> [{_LETTER}][{_LETTER}0-9$]*+ )
| (?P<number> \$?[0-9](?:[{_LETTER}0-9]|\.(?!\.)|(?<=[eE])[+-](?=[0-9]))*+ )
| (?P<sign> ::|:=|\.\.|(?:(?!--|/\*)[~!@\#^&|`?+\-*/%<>=])++ | . )
"""
_SQLITE = rf"""
  (?P<space> [ \t\n\r\f\v]++ )
| (?P<comment> --[^\n]*+ | /\*(?:[^*]++|\*(?!/))*+(?:\*/)?+ )
| (?P<string> '(?:[^']++|'')*+(?P<string_end>')? )
| (?P<name> "(?:[^"]++|"")*+(?P<name_end>")? )
| (?P<backtick> `(?:[^`]++|``)*+(?P<backtick_end>`)? )
| (?P<bracket> \[[^\]]*+(?P<bracket_end>\])? )
| (?P<word> [{_LETTER}][{_LETTER}0-9$]*+ )
| (?P<number> [0-9](?:[{_LETTER}0-9]|\.|(?<=[eE])[+-](?=[0-9]))*+ )
| (?P<sign> (?:(?!--|/\*)[~!&|+\-*/%<>=])++ | . )
"""
# a line's end in a nested comment, or what begins or ends one
_EDGE = re.compile(r"/\*|\*/")
_KINDS: dict[str, Kind] = {"escaped": "string", "backtick": "name", "bracket": "name"}
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
        group = match and match.lastgroup
        if match is None or group is None:  # never: every character matches, as a sign of its own at least
            raise AssertionError(text[at])
        kind, end = _KINDS.get(group, group), match.end()
        if group == "nested":
            kind, end = _nested(text, at)
        elif group == "dollar":
            kind, end = _dollar(text, at, end)
        elif group == "sign":
            end = _operator(text, at, end)
        elif f"{group}_end" in pattern.groupindex and match[f"{group}_end"] is None:
            kind, end = "unended", len(text)
        yield Token(kind, text[at:end], at)  # type: ignore[arg-type]  # group names are kinds
        at = end


def _nested(text: str, at: int) -> tuple[Kind, int]:
    depth, end = 1, at + 2
    while depth:
        edge = _EDGE.search(text, end)
        if edge is None:
            return "unended", len(text)
        depth += 1 if edge[0] == "/*" else -1
        end = edge.end()
    return "comment", end


def _dollar(text: str, at: int, body: int) -> tuple[Kind, int]:
    end = text.find(text[at:body], body)
    return ("unended", len(text)) if end < 0 else ("dollar", end + body - at)


def _operator(text: str, at: int, end: int) -> int:
    while end - at > 1 and text[end - 1] in "+-" and not _FREE.intersection(text[at:end]):
        end -= 1
    return end


def significant(text: str, dialect: Dialect) -> Iterator[Token]:
    """The tokens that are neither white space nor comments."""
    return (token for token in tokens(text, dialect) if not token.is_blank)
