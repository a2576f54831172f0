"""Which modules a module's text imports, by its lines, which is fast, or exactly; whether they exist is not asked."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = re.compile(rb"(?:^|[:;])[ \t]*(?=(?:from|import)\b)", re.MULTILINE)
_IMPORT = re.compile(
    rb"from[ \t]+([.\w]+)[ \t]+import\b[ \t]*(\((?:[^)#]|#[^\n]*)*\)|[^\n;]*)"
    rb"|import[ \t]+([\w.]+(?:[ \t]+as[ \t]+\w+)?(?:[ \t]*,[ \t]*[\w.]+(?:[ \t]+as[ \t]+\w+)?)*)[ \t]*(?=$|[#;\r])",
    re.MULTILINE,
)
_COMMENT = re.compile(rb"#[^\n]*")
_WORD = re.compile(rb"\w[\w.]*")
_ALIAS = re.compile(rb"\bas[ \t]+\w+")


def by_lines(text: bytes, package: str) -> Iterator[tuple[str, bool]]:
    """What seems to be imported; a text in quotes may look like it.

    Args:
        text: of the module.
        package: in which it is.

    Yields:
        names with dots, and whether that is surely a module: else it may be something in one.
    """
    for statement in _statements(text.replace(b"\\\n", b" ").replace(b"\\\r\n", b" ")):
        module, names, plain = statement.groups()
        if plain:
            yield from ((word.decode(), True) for word in _words(plain))
            continue
        origin = absolute(module.decode(), package)
        yield origin, True
        yield from ((f"{origin}.{word.decode()}", False) for word in _words(names))


def _statements(text: bytes) -> Iterator[re.Match[bytes]]:
    """The statements in the lines that have the word: most have not, and are not looked at."""
    end = 0
    while (at := text.find(b"import", end)) >= 0:
        begin, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        end = len(text) if end < 0 else end
        for start in _START.finditer(text, begin, end):
            if found := _IMPORT.match(text, start.end()):
                yield found


def _words(names: bytes) -> list[bytes]:
    return _WORD.findall(_ALIAS.sub(b"", _COMMENT.sub(b"", names)))


def exactly(text: bytes, package: str) -> set[str]:
    """The modules that are imported, other than for the sake of types."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {name for name, _ in by_lines(text, package)}
    found = set[str]()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(absolute("." * node.level + (node.module or ""), package))
    return found


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes, except for what is there for a type checker alone."""
    if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        for other in node.orelse:
            yield from _running(other)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _running(child)


def absolute(module: str, package: str) -> str:
    """The name of what is imported as `module` in a package."""
    level = len(module) - len(module.lstrip("."))
    if not level:
        return module
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [module.lstrip(".")])])
