"""Reads revision files with `ast`, without running them; how they build upon one another is `graph`'s business.

Which files count, and what they must say, is what ``Script._list_py_dir`` and ``Script._from_path`` of
``alembic/script/base.py`` do.
"""

from __future__ import annotations

import ast
import os
import re
from typing import TYPE_CHECKING, Any

from initkit.core.record import Record
from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.db.alembic.project import Project

_NAMES = frozenset({"revision", "down_revision", "branch_labels", "depends_on"})
_IGNORED = (".#", "__init__")
# where the head of a file ends; inside a string or brackets this leaves a head that is no Python
_BODY = (b"\ndef ", b"\nasync ", b"\nclass ", b"\n@")
_MENTIONED = (b"revision", b"branch_labels", b"depends_on")
# what could set a module's names without naming them: worth a look at the whole file
_HIDDEN = (
    *(b"globals", b"locals", b"vars", b"eval", b"__dict__", b"__getattr__", b"f_globals", b"builtins"),
    *(b"modules", b"import_module", b"__import__", b"runpy"),
)
_ALL = re.compile(rb"import\s*\(?\s*\*")
_EXEC = re.compile(rb"exec\b")
_HIDING = frozenset(
    {
        *("globals", "locals", "vars", "exec", "eval", "runpy", "import_module", "builtins"),
        *("__dict__", "__getattr__", "f_globals", "__builtins__", "__import__"),
    }
)
_ILLEGAL = re.compile(r"[@\-+:\s]")


class Script(Record):
    """One revision as its file says it.

    Attributes:
        revision: its identifier.
        down: ``down_revision``, as a tuple.
        labels: ``branch_labels``, as a tuple.
        depends_on: as a tuple; identifiers or labels.
        message: the first line of its docstring.
        file: its file's name.
    """

    revision: str
    down: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    message: str = ""
    file: str = ""


def read_all(project: Project) -> list[Script]:
    """All revisions of a project, in the order in which alembic meets them.

    Raises:
        Unsure: a file does not say literally what it is, or alembic would refuse it.
    """
    if project.dynamic:
        raise Unsure(project.dynamic)
    if project.sourceless:
        raise Unsure("revisions may be compiled ones (sourceless)")
    seen: set[str] = set()
    found = []
    for path in _files(project):
        if path in seen:  # alembic warns, and goes on
            continue
        seen.add(path)
        name = os.path.basename(path)
        if name.endswith(".py") and not name.startswith(_IGNORED):
            found.append(_read(path, name))
    return found


def _files(project: Project) -> Iterator[str]:
    """The real paths of all files, sorted within each folder."""
    for location in project.version_locations:
        if project.recursive:
            yield from _below(location)
        elif os.path.isdir(location):
            yield from _in_folder(location)


def _in_folder(folder: str) -> list[str]:
    real = os.path.realpath(folder)
    with os.scandir(folder) as entries:
        files = sorted((entry.name, entry.is_symlink()) for entry in entries if not entry.is_dir())
    # only links are followed one by one: a folder of 200 files is read at every pod's start
    return [os.path.realpath(f"{real}/{name}") if linked else f"{real}/{name}" for name, linked in files]


def _below(folder: str) -> Iterator[str]:
    for root, folders, _ in os.walk(folder):
        if os.path.basename(root).endswith("__pycache__"):
            continue
        yield from _in_folder(root)
        folders.sort()


def _read(path: str, name: str) -> Script:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:
            source = file.read()
    except OSError as error:
        raise Unsure(f"{name} cannot be read: {error.strerror}") from error
    return parse(source, name)


def parse(source: bytes, name: str) -> Script:
    """What a revision file says.

    Raises:
        Unsure: something in it is not literal, or could be changed later in the file.
    """
    # far quicker than one expression for all
    hidden = any(word in source for word in _HIDDEN) or _ALL.search(source) or _EXEC.search(source)
    tree = (None if hidden else _head(source)) or _parsed(source, name)
    if tree is None:
        raise Unsure(f"{name} is not valid Python")
    if hidden:
        _see_nothing_hidden(tree, name)
    values = _values(tree, name)
    if "revision" not in values or "down_revision" not in values:
        raise Unsure(f"{name} does not say its revision and down_revision")
    revision = values["revision"]
    if not isinstance(revision, str) or not revision or _ILLEGAL.search(revision):
        raise Unsure(f"{name} has a revision that is no plain text")
    down, labels, depends_on = (
        _several(values.get(key), name, key) for key in ("down_revision", "branch_labels", "depends_on")
    )
    return Script(revision, down, labels, depends_on, _message(tree), name)


def _head(source: bytes) -> ast.Module | None:
    """The file before its first function, where all that matters stands there; parsing 200 whole files takes long."""
    body = min((place for word in _BODY if (place := source.find(word)) >= 0), default=-1)
    if body < 0 or any(source.find(word, body) >= 0 for word in _MENTIONED):
        return None
    return _parsed(source[: body + 1], "")


def _parsed(source: bytes, name: str) -> ast.Module | None:
    try:
        return ast.parse(source, name or "<head>")
    except (SyntaxError, ValueError):
        return None


def _see_nothing_hidden(tree: ast.Module, name: str) -> None:
    """See that nothing in it can reach a module's own names; a method may be called ``exec``, and text may say it."""
    for node in ast.walk(tree):
        bare = node.id if isinstance(node, ast.Name) else getattr(node, "name", "")
        attribute = node.attr if isinstance(node, ast.Attribute) else ""
        root = attribute and isinstance(node.value, ast.Name) and node.value.id  # type: ignore[attr-defined]
        if (
            bare in _HIDING | {"*"}
            or attribute in _HIDING - {"exec", "eval"}
            or (root, attribute) == ("sys", "modules")
        ):
            raise Unsure(f"{name} may set its names indirectly")


def _values(tree: ast.Module, name: str) -> dict[str, Any]:
    """The literals that a module assigns to the names that matter, each once."""
    found: dict[str, Any] = {}
    for statement in tree.body:
        target, value = _assigned(statement)
        if target in _NAMES and value is not None:
            if target in found:
                raise Unsure(f"{name} sets {target} twice")
            found[target] = _literal(value, name, target)
        else:
            _see_no_other(statement, name)
    return found


def _assigned(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    """The name and the value of a plain assignment to one name."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id, statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, statement.value
    return "", None


def _see_no_other(statement: ast.stmt, name: str) -> None:
    """See that nothing else in a statement binds one of the names; a function's own names and arguments are its own."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):  # each file has some: the quick way
        names = {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
        if not names & _NAMES:
            return
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return
    own = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    bound = set(_bound(statement, inside=own))
    if bound & _NAMES:
        raise Unsure(f"{name} sets {min(bound & _NAMES)} in more than a plain assignment")


def _bound(statement: ast.stmt, *, inside: bool) -> Iterator[str]:
    if inside:
        yield statement.name  # type: ignore[attr-defined]  # functions and classes have one
    for node in ast.walk(statement):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from node.names
        elif isinstance(node, ast.NamedExpr):  # in a default it is the module's
            yield node.target.id
        elif inside:
            continue
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        else:
            # functions and classes, except … as, match … as
            yield from (value for key in ("name", "rest") if isinstance(value := getattr(node, key, None), str))


def _literal(node: ast.expr, name: str, target: str) -> Any:  # noqa: ANN401 - whatever the user wrote
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise Unsure(f"{name} computes {target}") from error


def _several(value: object, name: str, target: str) -> tuple[str, ...]:
    words = () if value is None else (value,) if isinstance(value, str) else value
    if not isinstance(words, (tuple, list)) or not all(isinstance(word, str) and word for word in words):
        raise Unsure(f"{name} has a {target} that is neither text nor several")
    if len(set(words)) < len(words):
        raise Unsure(f"{name} has a {target} with one twice")
    return tuple(words)


def _message(tree: ast.Module) -> str:
    return (ast.get_docstring(tree) or "").strip().partition("\n")[0]
