"""Looks through the modules that env.py imports for what could change where it looks; env.py itself is read elsewhere.

Importing models is what every env.py does, and a module may do anything while it is imported. What does change the
version table or the connection of a migration has few names, and these are looked for, in the text of whatever env.py
imports and of what that imports in turn, without running any of it; only libraries that are known are left out.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from initkit.db.alembic.env_known import is_known
from initkit.db.alembic.env_words import suspicious
from initkit.db.alembic.import_lines import by_lines, exactly
from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MOST = 400  # files: looking through more takes longer than asking alembic
_COMPILED = (".so", ".pyd", ".pyc")


def see_harmless(modules: Iterable[str], folders: Sequence[str]) -> None:
    """See that nothing which is imported could change the outcome.

    Args:
        modules: what env.py imports, with dots; the last part may be something in a module.
        folders: where env.py may import from, besides `sys.path`.

    Raises:
        Unsure: a module could, or cannot be found.
    """
    _Look(folders).at(modules)


class _Look:
    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = [folder or os.curdir for folder in dict.fromkeys(folders)]
        self._own = _shadowing(self._folders)
        self._roots: dict[str, list[str]] = {}
        self._inside: dict[str, frozenset[str]] = {}
        self._compiled: dict[str, set[str]] = {}
        self._done: set[tuple[str, bool]] = set()
        self._todo: list[tuple[str, str]] = []  # files, each with its package
        self._seen: set[str] = set()

    def at(self, names: Iterable[str]) -> None:
        for name in names:
            self._see("env.py", name, is_module=False)
        while self._todo:
            file, package = self._todo.pop()
            self._follow(os.path.basename(file), self._checked(file), package)

    def _follow(self, by: str, text: bytes, package: str) -> None:
        for name, is_module in by_lines(text, package):
            try:
                self._see(by, name, is_module=is_module)
            except Unsure:
                if (name if is_module else name.rpartition(".")[0]) in exactly(text, package):
                    raise

    def _see(self, by: str, name: str, *, is_module: bool) -> None:
        """Take note of all files that importing `name` runs."""
        top, *rest = name.split(".")
        if (name, is_module) in self._done or (is_known(top) and not self._is_own(top)):
            return
        places = self._places(top) if top else []
        if not places:
            raise Unsure(f"{by} imports {top or 'relatively'}, which cannot be found")
        needed = len(rest) + is_module  # parts that must be modules
        if max([self._walk(path, top, rest) for path in places]) < needed:
            raise Unsure(f"{by} imports {name}, whose source cannot be found")
        self._done.add((name, is_module))

    def _walk(self, path: str, top: str, rest: Sequence[str]) -> int:
        """Note the files on the way down from one place of the top; how many parts there are."""
        package, found = top, 0
        for part in ("", *rest):
            path = os.path.join(path, part) if part else path
            package = f"{package}.{part}" if part else package
            files = list(self._files(path, package))
            self._todo += [one for one in files if one[0] not in self._seen]
            self._seen.update(file for file, _ in files)
            if not files and os.path.basename(path) not in self._in(os.path.dirname(path)):
                break
            found += 1
        return found

    def _files(self, path: str, package: str) -> Iterator[tuple[str, str]]:
        """The source of a module, each with the package that relative names in it start from."""
        folder, name = os.path.split(path)
        names = self._in(folder)
        inside = self._in(path) if name in names else frozenset[str]()
        if f"{name}.py" in names:
            yield f"{path}.py", package.rpartition(".")[0]
        if "__init__.py" in inside:
            yield f"{path}/__init__.py", package
        if name in self._compiled[folder] or (inside and "__init__" in self._compiled[path]):
            raise Unsure(f"env.py imports {name}, which is compiled")

    def _in(self, folder: str) -> frozenset[str]:
        """What is in a folder; nothing where it is none."""
        if folder not in self._inside:
            self._inside[folder] = names = _listed(folder)
            self._compiled[folder] = {one.partition(".")[0] for one in names if one.endswith(_COMPILED)}
        return self._inside[folder]

    def _is_own(self, top: str) -> bool:
        """Whether the project has a module of a known name, which may hide the known one."""
        return any(
            f"{top}.py" in names or (top in names and "__init__.py" in self._in(os.path.join(folder, top)))
            for folder, names in self._own.items()
        )

    def _places(self, top: str) -> list[str]:
        """The folders of `top`, or its file; wherever it is found, for env.py may change the order."""
        if top not in self._roots:
            around = self._own if is_known(top) else dict.fromkeys((*self._folders, *sys.path))
            paths = [os.path.join(folder, top) for folder in around if folder]
            files = [path for path in paths if os.path.isfile(f"{path}.py") or os.path.isfile(f"{path}/__init__.py")]
            folders = [path for path in paths if path not in files and os.path.isdir(path)]
            # a folder without __init__.py is a package only where there is no other
            self._roots[top] = files or [*_by_finder(top), *folders]
        return self._roots[top]

    def _checked(self, file: str) -> bytes:
        if len(self._seen) > _MOST:
            raise Unsure("env.py imports too much to look through")
        try:
            with open(file, "rb") as opened:
                text = opened.read()
        except OSError as error:
            raise Unsure(f"env.py imports {os.path.basename(file)}, which cannot be read") from error
        if found := suspicious(text):
            raise Unsure(f"env.py imports {os.path.basename(file)}, which has {found}")
        return text


def _listed(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def _shadowing(folders: Sequence[str]) -> dict[str, frozenset[str]]:
    """The project's folders: neither the standard library's nor one of installed libraries."""
    listed = {folder: _listed(folder) for folder in folders if not folder.endswith("-packages")}
    return {folder: names for folder, names in listed.items() if "os.py" not in names}


def _by_finder(top: str) -> list[str]:
    """Where an editable install or the like has it."""
    from importlib.util import find_spec  # noqa: PLC0415 - most are found in a folder

    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return []
    places = list(spec.submodule_search_locations or []) if spec else []
    if spec and not places and spec.origin and spec.origin.endswith(".py"):
        places = [spec.origin.removesuffix(".py")]
    return places
