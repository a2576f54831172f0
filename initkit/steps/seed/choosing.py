"""From what several say of a file to one dataset: whose word counts, and which words cannot stand together.

What is said of one file goes before what is said of all, and of two such words that of the plan or of the command line
goes before that of ``seed.yaml``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from initkit.core.errors import PermanentError
from initkit.core.options import kebab
from initkit.steps.seed.dataset import STDIN, Dataset, Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.seed.dataset import Format, Mode
    from initkit.steps.seed.settings import Settings

SUFFIXES = (".csv", ".tsv", ".ndjson", ".jsonl", ".json", ".yaml", ".yml", ".sql")
_SPELLED = {"tsv": "csv", "jsonl": "ndjson", "yml": "yaml"}
_OF_CSV = ("delimiter", "quote", "nulls")
_NAME, _FILE = 0, 100  # levels: what a file's name says counts least, and is yet said of that file alone
_KEYED = ("upsert", "insert-missing", "replace")


class Layer(NamedTuple):
    """What one place says.

    Attributes:
        source: the place, for messages.
        own: whether it says it of this file, not of all.
    """

    settings: Settings
    source: str
    own: bool = False


class Misfit(NamedTuple):
    """Two settings that cannot stand together: which of them, and what was expected."""

    name: str
    cause: str


def split_name(path: str) -> tuple[str, str, bool]:
    """What a file's name says: its stem, its suffix (empty where that is none of ours), and whether it is gzip."""
    name = os.path.basename(path)
    compressed = name.lower().endswith(".gz")
    stem, suffix = os.path.splitext(name[:-3] if compressed else name)
    return (stem, suffix.lower(), compressed) if suffix.lower() in SUFFIXES else (name, "", compressed)


def chosen(path: str, layers: Sequence[Layer]) -> Dataset:
    """The dataset at `path` of everything that is said of it.

    Args:
        path: a file, or `STDIN`.
        layers: the later ones count more.

    Raises:
        PermanentError: nothing says which format it has or which table it is for, or two settings exclude each other.
    """
    said = _Said(path, layers)
    stem, suffix, compressed = ("", "", False) if path == STDIN else split_name(path)
    spelled = said.get("format") or suffix.removeprefix(".")
    if not spelled:
        known = ", ".join(f"*{one}" for one in SUFFIXES)
        raise said.wrong(f"expected {known} or one of them with .gz, got {os.path.basename(path)!r}", "rename the file")
    format_ = cast("Format", _SPELLED.get(spelled, spelled))
    said.refuse(misfits(said, format_))
    said.refuse_form(format_)
    mode: Mode = said.get("mode") or "once"
    on_change = said.fitting("on_change", mode == "once", "fail")
    found = Dataset(
        path,
        _table(said, stem, format_),
        format_,
        compressed,
        mode,
        tuple(said.fitting("key", mode in _KEYED or on_change == "upsert", ())),
        bool(said.fitting("prune", mode == "upsert", default=False)),
        on_change,
        said.get("order") or 0,
        _form(said, format_, "\t" if spelled == "tsv" else ""),
    )
    try:
        f"{found.name} {found.table}".encode()
    except UnicodeEncodeError as error:
        raise said.wrong("its name, or its folder's, is not UTF-8", "rename it") from error
    return found


def _table(said: _Said, stem: str, format_: Format) -> str:
    if format_ == "sql":
        return ""
    table: str = said.get("table") or stem
    parts = table.split(".")
    if not all(parts) or len(parts) > 2:  # noqa: PLR2004 - schema and table
        cause = f"expected TABLE or SCHEMA.TABLE before the format in its name, got {os.path.basename(said.path)!r}"
        raise said.wrong(cause, "rename the file, or set its table in seed.yaml")
    return table


def _form(said: _Said, format_: Format, delimiter: str) -> Form:
    usual = Form()
    if format_ == "sql":
        return Form(expand=bool(said.get("expand")))
    columns = said.get("columns")
    renamed = columns.renamed if columns else ()
    if format_ != "csv":
        return Form(renamed=renamed, expand=bool(said.get("expand")))
    quote, nulls = said.get("quote"), said.get("nulls")
    return Form(
        delimiter=said.get("delimiter") or delimiter,
        quote=usual.quote if quote is None else quote,
        nulls=usual.nulls if nulls is None else tuple(dict.fromkeys(nulls)),
        header=columns.header if columns else (),
        renamed=renamed,
        expand=bool(said.get("expand")),
    )


def misfits(said: _Said, format_: Format | None = None) -> list[Misfit]:
    """Settings that the mode has no use for, said at least as closely of the file as the mode is."""
    mode, level = said.get("mode") or "once", said.level("mode")
    found: list[Misfit] = []
    if format_ == "sql" and mode != "once":
        found.append(Misfit("mode", f"expected mode once for SQL, got {mode}"))
    if format_ == "sql" and said.get("on_change") == "upsert" and mode == "once":
        found.append(Misfit("on_change", "expected on-change fail or ignore for SQL, got upsert"))
    if mode != "upsert" and said.get("prune") and said.level("prune") >= level:
        found.append(Misfit("prune", f"expected mode upsert with prune, got {mode}"))
    if mode != "once" and said.get("on_change") and said.level("on_change") >= level:
        found.append(Misfit("on_change", f"expected mode once with on-change {said.get('on_change')}, got {mode}"))
    keyed = mode in _KEYED or (mode == "once" and said.get("on_change") == "upsert")
    if not keyed and said.get("key") and said.level("key") >= level:
        found.append(Misfit("key", f"expected mode {', '.join(_KEYED)} or on-change upsert with key, got {mode}"))
    return found


class _Said:
    """Everything that is said of one file, by level."""

    def __init__(self, path: str, layers: Sequence[Layer]) -> None:
        self.path = path
        self._layers = layers

    def _found(self, name: str) -> tuple[Any, int]:
        for number in range(len(self._layers), 0, -1):
            layer = self._layers[number - 1]
            value = getattr(layer.settings, name, None)
            if value is not None:
                return value, number + (_FILE if layer.own else 0)
        return None, _NAME

    def get(self, name: str) -> Any:  # noqa: ANN401 - a setting's value
        """What is said last of a setting; None where nothing is."""
        return self._found(name)[0]

    def level(self, name: str) -> int:
        """How closely that is said of this file."""
        return self._found(name)[1]

    def fitting(self, name: str, fits: bool, default: Any) -> Any:  # noqa: ANN401, FBT001 - a setting's value
        """What is said of a setting that says nothing where it does not fit."""
        value = self.get(name) if fits else None
        return default if value is None else value

    def wrong(self, cause: str, advice: str) -> PermanentError:
        """The error for this file."""
        shown = "standard input" if self.path == STDIN else self.path
        return PermanentError(f"load {shown}", cause, advice)

    def refuse(self, found: Sequence[Misfit]) -> None:
        """Raise the first, with where it was said."""
        for name, cause in found:
            place = self._source(name)
            raise self.wrong(cause, f"mend {place}" if self.level(name) > _FILE else _advice(place))

    def refuse_form(self, format_: Format) -> None:
        """Refuse what is said of this file, or together with its format, and is for other formats."""
        least = self.level("format") or _FILE
        unfit = [name for name in _OF_CSV if format_ != "csv" and self.get(name) is not None]
        columns = self.get("columns")
        if columns and (format_ == "sql" or (columns.header and format_ != "csv")):
            unfit.append("columns")
        if format_ == "sql" and self.get("table"):
            unfit.append("table")
        for name in unfit:
            if self.level(name) >= least or name == "table":
                cause = f"{kebab(name)} is not for {'SQL' if format_ == 'sql' else format_}"
                raise self.wrong(cause, f"mend {self._source(name)}")
        delimiter = self.get("delimiter")
        quote = self.get("quote")
        if delimiter and delimiter == (quote if quote is not None else '"'):
            raise self.wrong("delimiter and quote are the same sign", f"mend {self._source('delimiter')}")

    def _source(self, name: str) -> str:
        number = self.level(name) % _FILE
        return self._layers[number - 1].source if number else "the file's name"


def _advice(place: str) -> str:
    return f"mend {place}, or say otherwise for this file in seed.yaml"


def refuse_nonsense(settings: Settings, place: str) -> None:
    """Refuse what cannot stand together in one place, whatever is said elsewhere.

    Raises:
        ValueError: so it is.
    """
    for _, cause in misfits(_Said("", [Layer(settings, place)])):
        raise ValueError(cause)
