"""Which files there are to load; what is said of them is read in `manifest`, and weighed in `choosing`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.options import did_you_mean
from initkit.steps.seed import manifest
from initkit.steps.seed.choosing import Layer, chosen, split_name
from initkit.steps.seed.content.faults import unreadable
from initkit.steps.seed.dataset import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Voice
    from initkit.steps.seed.dataset import Dataset
    from initkit.steps.seed.manifest import Manifest, Rule
    from initkit.steps.seed.settings import Settings

COMMON = "common"
# a person who puts one of these into a seed folder expects it to be loaded, and must learn that it is not
_LOOKALIKES = (".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".xlsx", ".xls", ".ods", ".parquet", ".avro")


def find(
    paths: Sequence[str], options: Settings, rules: Sequence[Rule] = (), *, env: str = "", voice: Voice | None = None
) -> list[Dataset]:
    """The datasets of files and folders, each once, in the order given; those of a folder sorted by name.

    Args:
        paths: files and folders, or `STDIN` alone.
        options: what is said of all.
        rules: what is said of some, besides what their folders say.
        env: the name of the set that is read of each folder, after ``common``; empty where folders have no sets.
        voice: is warned of files in a folder that look like datasets but are not loaded.

    Raises:
        PermanentError: a path is missing or cannot be read, a folder holds no dataset, or what is said of a file is
            wrong or does not say enough.
    """
    return _Search(options, rules, env, voice).found(paths)


class _Search:
    def __init__(self, options: Settings, rules: Sequence[Rule], env: str, voice: Voice | None) -> None:
        self._options = options
        self._rules = rules
        self._named = {rule.file: rule for rule in rules if not rule.is_pattern}
        self._env = env
        self._voice = voice
        self._files: dict[str, Dataset] = {}
        self._manifests: dict[str, Manifest] = {}

    def found(self, paths: Sequence[str]) -> list[Dataset]:
        for path in paths:
            if path == STDIN:
                self._files[STDIN] = chosen(STDIN, [Layer(self._options, "the options")])
            elif os.path.isfile(path):
                self._add(path)
            elif os.path.isdir(path):
                self._add_folder(path)
            else:
                raise _unfit(path)
        self._expect_all_matched()
        found = list(self._files.values())
        if self._options.table is not None and len(found) > 1:
            cause = f"{len(found)} datasets were found for one table, {self._options.table}"
            raise PermanentError("load them all", cause, "name the table of each in its file's name, or in seed.yaml")
        return found

    def _add(self, path: str) -> None:
        key = os.path.abspath(path)
        if key not in self._files:
            said = self._manifest(os.path.dirname(path) or ".")
            self._files[key] = chosen(path, manifest.layers(said, self._options, self._rules, path))

    def _manifest(self, folder: str) -> Manifest:
        key = os.path.abspath(folder)
        if key not in self._manifests:
            self._manifests[key] = manifest.of_folder(folder)
            self._expect_named(self._manifests[key], folder)
        return self._manifests[key]

    def _expect_named(self, said: Manifest, folder: str) -> None:
        for name, rule in said.named().items():
            if "/" in name or not os.path.isfile(os.path.join(folder, name)):
                hint = did_you_mean(name, [one for one in _listed(folder) if one not in manifest.NAMES])
                cause = f"{rule.source.removeprefix(said.path + ', ')}: there is no file {name!r} beside it{hint}"
                raise PermanentError(f"read {said.path}", cause, "mend it")

    def _expect_all_matched(self) -> None:
        paths = [one.path for one in self._files.values()]
        for rule in self._rules:
            if not any(rule.matches(path) for path in paths):
                hint = did_you_mean(rule.file, [os.path.basename(path) for path in paths])
                cause = f"no dataset is called {rule.file!r}, of which the option files speaks{hint}"
                raise PermanentError("find the datasets", cause, "mend it")

    def _add_folder(self, folder: str) -> None:
        if self._env:
            self._add_sets(folder)
            return
        files = self._datasets(folder)
        if not files:
            raise _empty(folder, _folders(folder))
        for file in files:
            self._add(file)

    def _add_sets(self, folder: str) -> None:
        """The datasets of ``common``, which may be missing, and of the set that was asked for."""
        known = _folders(folder)
        if self._env not in known:
            hint = did_you_mean(self._env, known) or (f"; there are {', '.join(known)}" if known else "")
            cause = f"there is no folder {self._env!r} in it{hint}"
            raise PermanentError(f"seed from {folder}", cause, "mend --env, or mount the volume that holds it")
        if self._voice:
            for file in [*self._datasets(folder, quiet=True), *manifest.in_folder(folder)]:
                said = f"{file} is not loaded: with --env only those in {COMMON}/ and {self._env}/ are"
                self._voice.warn(said, path=file)
        for name in dict.fromkeys((COMMON, self._env)):
            if name in known:
                for file in self._datasets(os.path.join(folder, name)):
                    self._add(file)

    def _datasets(self, folder: str, *, quiet: bool = False) -> list[str]:
        """The datasets in a folder, sorted by name."""
        names = [name for name in _listed(folder) if name not in manifest.NAMES]
        extra = {} if quiet else self._manifest(folder).named() | self._named
        found: list[str] = []
        for name in names:
            file = os.path.join(folder, name)
            is_meant = bool(split_name(name)[1]) or name in extra
            if is_meant and os.path.isfile(file):
                found.append(file)
            elif is_meant and not os.path.exists(file):
                advice = "mount the volume that holds what it leads to, or remove it"
                raise PermanentError(f"read {file}", "it is a link that leads nowhere", advice)
            elif self._voice and not quiet and name.lower().removesuffix(".gz").endswith(_LOOKALIKES):
                self._voice.warn(f"{file} is not loaded: its name ends in no format that is known", path=file)
        return found


def _listed(folder: str) -> list[str]:
    try:
        # a mounted ConfigMap also holds ..data and ..2026_01_31_…, the folders that its links lead to
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise unreadable(folder, error) from error


def _unfit(path: str) -> PermanentError:
    if os.path.exists(path):
        return PermanentError(f"read {path}", "it is neither a file nor a folder", "pipe it into initkit seed -")
    cause = "there is no such file or folder"
    return PermanentError(f"read {path}", cause, "mount the volume that holds it, or mend the path")


def _folders(folder: str) -> list[str]:
    return [name for name in _listed(folder) if os.path.isdir(os.path.join(folder, name))]


def _empty(folder: str, folders: Sequence[str]) -> PermanentError:
    task, cause = f"seed from {folder}", "there is no dataset in it (*.csv, *.ndjson, *.json, *.yaml, *.sql …)"
    sets = [name for name in folders if name != COMMON]
    if sets:
        advice = f"choose one of the folders in it by --env {' or --env '.join(sets)}"
        return PermanentError(task, cause, f"{advice}, or name the folder itself")
    return PermanentError(task, cause, "mount the volume that holds them, or mend the path")
