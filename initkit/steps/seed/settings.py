"""What can be said of how a dataset is read and loaded: on the command line, in a plan, in ``seed.yaml``.

Not here: whose word counts where several say something (`choosing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from initkit.core.assemble import MappingParser, assemble
from initkit.core.options import Declared, Invalid, Opt, Parser, Problem, Scope, declared, describe
from initkit.core.values import Count

FormatName = Literal["csv", "tsv", "ndjson", "jsonl", "json", "yaml", "sql"]


class Names(tuple[str, ...]):
    """Names of columns."""

    __slots__ = ()


class Columns(NamedTuple):
    """Which columns a file has where its own names don't say it.

    Attributes:
        header: all of a CSV file without a header line, in order.
        renamed: names in the file, with the columns that they mean; an empty one is left out.
    """

    header: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()


def _twice(names: tuple[str, ...]) -> str:
    return next((name for name in names if names.count(name) > 1), "")


def parse_names(text: str) -> Names:
    """Names from ``a,b``.

    Raises:
        ValueError: one is empty, or stands there twice.
    """
    return _names([part.strip() for part in text.split(",")])


def _names(parts: object) -> Names:
    if not isinstance(parts, list | tuple) or not parts or not all(isinstance(part, str) and part for part in parts):
        got = repr(",".join(map(str, parts))) if isinstance(parts, list | tuple) else describe(parts)
        raise ValueError(f"expected names of columns such as id,name, got {got}")
    names = Names(parts)
    if twice := _twice(names):
        raise ValueError(f"expected each column once, got {twice!r} twice")
    return names


_NAMES_SCHEMA = {
    "type": ["string", "array"],
    "pattern": r"\S",
    "items": {"type": ["string", "number", "boolean"]},
    "minItems": 1,
}


class NamesParser(Parser):
    """Names of columns: text with commas or, in a plan, a list."""

    def __init__(self) -> None:
        super().__init__("NAMES", parse_names, show=",".join, schema=_NAMES_SCHEMA)

    def read(self, node: object, scope: Scope) -> Any:  # noqa: ANN401 - as `Parser` has it
        """From a list or from text."""
        return _names(node) if isinstance(node, list) else super().read(node, scope)


class ColumnsParser(Parser):
    """Columns: text with commas or a list where there is no header line, a mapping where names are others."""

    def __init__(self) -> None:
        schema = _NAMES_SCHEMA | {
            "type": ["string", "array", "object"],
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }
        super().__init__("COLUMNS", lambda text: Columns(header=parse_names(text)), show=_show_columns, schema=schema)

    def read(self, node: object, scope: Scope) -> Any:  # noqa: ANN401 - as `Parser` has it
        """From a mapping, a list or text."""
        if isinstance(node, Mapping):
            return Columns(renamed=_renamed(node))
        return Columns(header=_names(node)) if isinstance(node, list) else super().read(node, scope)


def _renamed(node: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    wrong = [name for name, column in node.items() if not (column is None or isinstance(column, str))]
    if wrong:
        raise Invalid([Problem((name,), f"expected a column's name, got {describe(node[name])}") for name in wrong])
    renamed = tuple((name, str(column or "")) for name, column in node.items())
    if twice := _twice(tuple(column for _, column in renamed if column)):
        raise ValueError(f"expected each column once, got {twice!r} twice")
    return renamed


def _show_columns(columns: Columns) -> str:
    return ",".join(columns.header) or ",".join(f"{name}={column}" for name, column in columns.renamed)


class NullParser(Parser):
    """What stands for NULL: text, which YAML takes for nothing where it is NULL and stands without quotes."""

    def __init__(self) -> None:
        super().__init__("TEXT", str)

    def read(self, node: object, scope: Scope) -> Any:  # noqa: ANN401 - as `Parser` has it
        """From text."""
        if node is None:
            raise ValueError('expected text, got nothing; quote the word: "NULL"')
        return super().read(node, scope)


_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_MARK_SCHEMA = {"type": "string", "minLength": 0}


def parse_delimiter(text: str) -> str:
    """What stands between fields, from itself or from its name.

    Raises:
        ValueError: it is more than one character, or one that fields are made of.
    """
    sign = _WORDS.get(text, text)
    if len(sign) != 1 or not (sign.isprintable() or sign == "\t") or not sign.isascii() or sign.isalnum():
        raise ValueError(f"expected a sign, or one of {', '.join(w for w in _WORDS if w.isalpha())}, got {text!r}")
    return sign


def parse_quote(text: str) -> str:
    """What stands around a field; empty, or ``none``, where nothing is quoted.

    Raises:
        ValueError: it is more than one character, or one that fields are made of.
    """
    if text in {"", "none"}:
        return ""
    if len(text) != 1 or not text.isprintable() or not text.isascii() or text.isalnum() or text == " ":
        raise ValueError(f"expected a sign such as ', or none, got {text!r}")
    return text


def show_delimiter(sign: str) -> str:
    """A delimiter as it can be typed."""
    return "tab" if sign == "\t" else sign


def parse_table(text: str) -> str:
    """A table's name, with its schema or without.

    Raises:
        ValueError: it has another form.
    """
    parts = text.split(".")
    if not all(parts) or len(parts) > 2:  # noqa: PLR2004 - schema and table
        raise ValueError(f"expected TABLE or SCHEMA.TABLE, got {text!r}")
    return text


NullText = Annotated[str, NullParser()]
TableName = Annotated[str, Parser("TABLE", parse_table)]
ColumnNames = Annotated[Names, NamesParser()]
ColumnsOption = Annotated[Columns, ColumnsParser()]
Delimiter = Annotated[str, Parser("SIGN", parse_delimiter, show=show_delimiter, schema=_MARK_SCHEMA)]
Quote = Annotated[str, Parser("SIGN", parse_quote, show=lambda sign: sign or "none", schema=_MARK_SCHEMA)]


@declared
class Settings(Declared):
    """How datasets are read and loaded; None where nothing is said."""

    table: Annotated[TableName | None, Opt("The table, where a file's name does not say it.")] = None
    format: Annotated[FormatName | None, Opt("The format, where a file's name does not say it.")] = None
    mode: Annotated[
        Literal["once", "upsert", "insert-missing", "replace", "if-empty"] | None,
        Opt("once (default): load a file a single time; all others look at the table each time, and load what is due."),
    ] = None
    key: Annotated[ColumnNames | None, Opt("Columns by which a row is known (default: the table's primary key).")] = (
        None
    )
    prune: Annotated[bool | None, Opt("With mode upsert: delete rows that are not in the file; try --check first.")] = (
        None
    )
    on_change: Annotated[
        Literal["fail", "upsert", "ignore"] | None,
        Opt("With mode once: what to do when a file has changed since it was loaded (default: fail)."),
    ] = None
    nulls: Annotated[
        tuple[NullText, ...] | None,
        Opt("What stands for NULL in CSV where it is not quoted (default: nothing, as in a,,b)."),
    ] = None
    delimiter: Annotated[
        Delimiter | None, Opt("Between the fields of CSV: a sign, or tab (default: as the header line shows).")
    ] = None
    quote: Annotated[Quote | None, Opt('Around fields of CSV that need it (default: "), or none.')] = None
    columns: Annotated[
        ColumnsOption | None, Opt("The columns of CSV without a header line; in a plan also {name-in-file: column}.")
    ] = None
    expand: Annotated[bool | None, Opt("Replace ${NAME} and ${file:PATH} in values.")] = None


@declared
class FileSettings(Settings):
    """How one file, or those that match a pattern, are read and loaded."""

    order: Annotated[Count | None, Opt("Lower ones come first, whatever foreign keys say (default: 0).")] = None


@declared
class FileRule(FileSettings):
    """How one file, or those that match a pattern, are read and loaded."""

    file: Annotated[str, Opt("Its name, FOLDER/NAME, or a pattern such as *.tsv.", "FILE")]


def parse_rule(text: str) -> FileRule:
    """A rule from ``FILE=MODE``.

    Raises:
        ValueError: it has another form.
    """
    file, equals, mode = text.rpartition("=")
    if not equals or not file:
        raise ValueError(f"expected FILE=MODE such as users.csv=upsert, got {text!r}")
    return assemble(FileRule, {"file": file, "mode": mode})


def show_rule(rule: FileRule) -> str:
    """The text form of a rule that has only a mode."""
    return f"{rule.file}={rule.mode}"


RuleOption = Annotated[
    FileRule,
    MappingParser("FILE=MODE", parse_rule, FileRule, show=show_rule, schema={"type": "string", "pattern": "="}),
]
