"""Looks through the modules that env.py imports for what could change where it looks; env.py itself is read elsewhere.

Importing models is what every env.py does, and a module may do anything while it is imported. What does change the
version table or the connection of a migration has few names, and these are looked for, in the text of whatever env.py
imports and of what that imports from the same package, without running any of it.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# libraries that are known to do nothing of the kind by being imported
_KNOWN = frozenset(
    {
        *("alembic", "sqlalchemy", "sqlmodel", "pydantic", "pydantic_settings", "psycopg", "psycopg2", "asyncpg"),
        *("aiosqlite", "pymysql", "geoalchemy2", "pgvector", "sqlalchemy_utils", "typing_extensions", "greenlet"),
    }
)
_SUSPICIOUS = re.compile(
    rb"search_path|schema_translate_map|set\s+(?:local\s+|session\s+)?role\b|session\s+authorization|PGOPTIONS"
    rb"|^\s*(?:import|from)\s+alembic\b|load_dotenv|putenv|environ\s*\[[^\]]*\]\s*=[^=]|environ\s*\.\s*(?:update|setdefault|pop)"
    rb"|\blisten(?:s_for)?\s*\([^)]*[\"'](?:connect|do_connect|first_connect|engine_connect|checkout|begin"
    rb"|before_execute|before_cursor_execute|set_connection_execution_options)[\"']"
    rb"|\bregistry\s*\.\s*register\b|default_schema_name",
    re.MULTILINE | re.IGNORECASE,
)
_IMPORTS = re.compile(
    rb"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))", re.MULTILINE
)
_WORD = re.compile(rb"\w[\w.]*")
_MOST = 400  # files: looking through more takes longer than asking alembic


def see_harmless(modules: Iterable[str], folders: Sequence[str]) -> None:
    """See that nothing which is imported could change the outcome.

    Args:
        modules: what env.py imports, with dots; the last part may be something in a module.
        folders: where env.py may import from, besides `sys.path`.

    Raises:
        Unsure: a module could, or cannot be found.
    """
    foreign = [name for name in modules if _is_foreign(name)]
    if foreign:
        _Look(folders).at(foreign)


def _is_foreign(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in _KNOWN and top not in sys.stdlib_module_names


class _Look:
    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._roots: dict[str, list[str]] = {}
        self._seen: set[str] = set()

    def at(self, names: Sequence[str]) -> None:
        tops = {name.partition(".")[0] for name in names}
        todo, done = list(names), set[str]()
        for top in tops:
            if not self._places(top):
                raise Unsure(f"env.py imports {top}, which cannot be found")
        while todo:
            name = todo.pop()
            if name in done:
                continue
            done.add(name)
            for file, package in self._files(name):
                todo += [name for name in _imported(self._checked(file), package) if name.partition(".")[0] in tops]

    def _places(self, top: str) -> list[str]:
        """The folders of `top`, or its file; wherever it is found, for env.py may change the order."""
        if top not in self._roots:
            paths = [os.path.join(folder, top) for folder in dict.fromkeys((*self._folders, *sys.path))]
            self._roots[top] = [path for path in paths if os.path.isdir(path) or os.path.isfile(f"{path}.py")]
            self._roots[top] = self._roots[top] or _by_finder(top)
        return self._roots[top]

    def _files(self, name: str) -> Iterator[tuple[str, str]]:
        """The files that importing `name` runs and that were not looked at, each with its package."""
        top, *rest = name.split(".")
        for path in self._places(top):
            package = top
            for part in ("", *rest):
                path = os.path.join(path, part) if part else path  # noqa: PLW2901 - one step down at a time
                package = f"{package}.{part}" if part else package
                for file, inside in ((f"{path}.py", package.rpartition(".")[0]), (f"{path}/__init__.py", package)):
                    if file not in self._seen and os.path.isfile(file):
                        self._seen.add(file)
                        yield file, inside

    def _checked(self, file: str) -> bytes:
        if len(self._seen) > _MOST:
            raise Unsure("env.py imports too much to look through")
        with open(file, "rb") as opened:
            text = opened.read()
        found = _SUSPICIOUS.search(text)
        if found:
            what = " ".join(found.group().decode(errors="replace").split())
            raise Unsure(f"env.py imports {os.path.basename(file)}, which has {what}")
        return text


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


def _imported(text: bytes, package: str) -> Iterator[str]:
    """What a module's text imports, with dots; the last part may be something in a module."""
    for module, names, plain in _IMPORTS.findall(text):
        if plain:
            yield from (word.decode() for word in _WORD.findall(plain) if word != b"as")
            continue
        origin = _absolute(module.decode(), package)
        yield origin
        yield from (f"{origin}.{word.decode()}" for word in _WORD.findall(names) if word != b"as")


def _absolute(module: str, package: str) -> str:
    level = len(module) - len(module.lstrip("."))
    if not level:
        return module
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [module.lstrip(".")])])
