"""``seed.yaml``: what a folder says of the datasets in it."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError
from initkit.core.options import Invalid, Path, Problem, describe, did_you_mean
from initkit.core.redact import redact
from initkit.steps.seed.choosing import Layer
from initkit.steps.seed.content.faults import unreadable
from initkit.steps.seed.settings import FileSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.core.document import Document

NAMES = ("seed.yaml", "seed.yml")
_KEYS = ("defaults", "files")
S = TypeVar("S", bound=Settings)


class Rule(NamedTuple):
    """What is said of the files that match.

    Attributes:
        file: a name, ``FOLDER/NAME``, a path, or a pattern of one of them.
        source: where it is said, for messages.
    """

    file: str
    settings: FileSettings
    source: str

    @property
    def is_pattern(self) -> bool:
        """Whether it may mean several files."""
        return any(sign in self.file for sign in "*?[")

    def matches(self, path: str) -> bool:
        """Whether it means the file at `path`."""
        whole = os.path.abspath(path)
        folder, name = os.path.split(whole)
        names = (name, f"{os.path.basename(folder)}/{name}", whole, path)
        if self.is_pattern:
            return any(fnmatch.fnmatchcase(one, self.file) for one in names)
        return self.file in names


class Manifest(NamedTuple):
    """What a folder's ``seed.yaml`` says of all its files, and of some."""

    path: str = ""
    defaults: Settings | None = None
    rules: tuple[Rule, ...] = ()

    def named(self) -> dict[str, Rule]:
        """The files that are called by their names."""
        return {rule.file: rule for rule in self.rules if not rule.is_pattern}


def layers(manifest: Manifest, options: Settings, rules: Sequence[Rule], path: str) -> list[Layer]:
    """All that is said of the file at `path`; the later ones count more."""
    found = [Layer(manifest.defaults, manifest.path)] if manifest.defaults else []
    found.append(Layer(options, "the options"))
    for said in (manifest.rules, rules):
        matching = [rule for rule in said if rule.matches(path)]
        # of a name that is written out, more is meant than of a pattern, wherever it stands
        matching.sort(key=lambda rule: not rule.is_pattern)
        found += [Layer(rule.settings, rule.source, own=True) for rule in matching]
    return found


def of_folder(folder: str) -> Manifest:
    """The manifest of a folder; an empty one where there is none.

    Raises:
        PermanentError: there are two, it cannot be read, or something in it is wrong: then with everything.
    """
    present = in_folder(folder)
    if len(present) > 1:
        names = " and ".join(map(os.path.basename, present))
        raise PermanentError(f"read {folder}", f"it has {names}", "keep one of them")
    return _read(present[0]) if present else Manifest()


def in_folder(folder: str) -> list[str]:
    """The paths of a folder's manifests; more than one is a mistake."""
    return [path for name in NAMES if os.path.isfile(path := os.path.join(folder, name))]


def _read(path: str) -> Manifest:
    from initkit.core import document  # noqa: PLC0415 - YAML is loaded where there is a manifest

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise PermanentError(f"read {path}", "it is not UTF-8", "save it as UTF-8") from error
    try:
        found = document.read(text)
    except Invalid as invalid:
        raise _wrong(path, [(cast("int", one.path[0]), (), one.message) for one in invalid.problems]) from invalid
    reader = _Reader(path, found)
    manifest = reader.manifest()
    if reader.problems:
        raise _wrong(path, [(found.line(one.path), one.path, one.message) for one in reader.problems])
    return manifest


def _wrong(path: str, problems: Sequence[tuple[int, Path, str]]) -> PermanentError:
    """Everything that is wrong, a line each if there are several."""
    lines = [
        f"line {line}: {'.'.join(map(str, where)) + ': ' if where else ''}{text}" for line, where, text in problems
    ]
    said = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} mistakes", *lines])
    return PermanentError(f"read {path}", redact(said), "mend it")


class _Reader:
    def __init__(self, path: str, found: Document) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._found = found

    def manifest(self) -> Manifest:
        whole = self._mapping((), self._found.value)
        for key in whole:
            if key not in _KEYS:
                hint = did_you_mean(key, _KEYS) or f"; expected one of {', '.join(_KEYS)}"
                self.problems.append(Problem((key,), f"unknown key {key!r}{hint}"))
        defaults = self._settings(Settings, ("defaults",), whole.get("defaults"))
        files = self._mapping(("files",), whole.get("files"))
        rules = [
            Rule(file, settings, f"{self._path}, line {self._found.line(('files', file))}")
            for file, said in files.items()
            if (settings := self._settings(FileSettings, ("files", file), said)) is not None
        ]
        self._one_table(defaults)
        return Manifest(self._path, defaults, tuple(rules))

    def _mapping(self, path: Path, value: object) -> Mapping[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problems.append(Problem(path, f"expected a mapping, got {describe(value)}"))
            return {}
        return value

    def _settings(self, cls: type[S], path: Path, value: object) -> S | None:
        try:
            return assemble(cls, self._mapping(path, value))
        except Invalid as invalid:
            self.problems += invalid.below(*path).problems
            return None

    def _one_table(self, defaults: Settings | None) -> None:
        if defaults is not None and defaults.table is not None:
            self.problems.append(Problem(("defaults", "table"), "expected the table of one file, got one for all"))
