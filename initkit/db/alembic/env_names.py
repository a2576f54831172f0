"""What the names in an env.py stand for, as far as its text says; what is done with them is read elsewhere."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from initkit.core.record import Record
from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Bound(Record):
    """One place where a name gets a value.

    Attributes:
        how: ``value`` for an assignment, ``with`` for ``with … as``, ``argument`` of a function, else ``other``.
        value: what is assigned, or what ``with`` enters.
        function: whose argument it is.
        place: which of its arguments.
    """

    how: str
    value: ast.expr | None = None
    function: str = ""
    place: int = 0


class Names:
    """The names of one module, all scopes taken together: what holds of every binding holds of each.

    Attributes:
        modules: what is imported, with dots, as far as it is a module or something in one.
        functions: those that the module defines, by name.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.modules: set[str] = set()
        self.functions: dict[str, Function] = {}
        self._imported: dict[str, str] = {}
        self._bound: dict[str, list[Bound]] = {}
        for node in ast.walk(tree):
            self._note(node)
        for name in self._bound:
            if name in self._imported or name in self.functions:
                raise Unsure(f"env.py sets {name} twice")

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._define(node)
        elif isinstance(node, ast.Lambda):
            for argument in _arguments(node.args):
                self._bind(argument, Bound("other"))
        else:
            self._note_binding(node)

    def _note_binding(self, node: ast.AST) -> None:
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._assign(item.optional_vars, Bound("with", item.context_expr))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, Bound("value", node.value))
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            self._assign(node.target, Bound("value", node.value))
        elif isinstance(node, (ast.AugAssign, ast.For, ast.AsyncFor, ast.comprehension)):
            self._assign(node.target, Bound("other"))
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            self._bind(node.name, Bound("other"))

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.modules.add(alias.name)
                self._name(alias.asname or alias.name.partition(".")[0], alias.name if alias.asname else "")
            return
        if node.level or node.module is None:
            raise Unsure("env.py imports relatively")
        for alias in node.names:
            if alias.name == "*":
                raise Unsure(f"env.py imports all names of {node.module}")
            self.modules.add(f"{node.module}.{alias.name}")
            self._name(alias.asname or alias.name, f"{node.module}.{alias.name}")

    def _name(self, name: str, origin: str) -> None:
        origin = origin or name
        if self._imported.setdefault(name, origin) != origin:
            raise Unsure(f"env.py imports {name} twice")

    def _define(self, node: Function) -> None:
        if node.name in self.functions or node.name in self._imported:
            raise Unsure(f"env.py defines {node.name} twice")
        self.functions[node.name] = node
        places = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        for argument in _arguments(node.args):
            how = "argument" if argument in places else "other"
            place = places.index(argument) if argument in places else 0
            self._bind(argument, Bound(how, None, node.name, place))

    def _assign(self, target: ast.expr | None, bound: Bound) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, bound)
        elif target is not None:
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self._bind(node.id, Bound("other"))

    def _bind(self, name: str, bound: Bound) -> None:
        self._bound.setdefault(name, []).append(bound)

    def bound(self, name: str) -> list[Bound]:
        """All places where a name gets a value; none for one that is imported, a function or unknown."""
        return self._bound.get(name, [])

    def is_ours(self, name: str) -> bool:
        """Whether the module itself gives a meaning to a name: a built-in of that name is hidden."""
        return name in self._bound or name in self._imported or name in self.functions

    def origin(self, node: ast.expr | None) -> str:
        """Where something comes from, with dots, such as ``alembic.context.config``; empty where that is not plain."""
        if isinstance(node, ast.Attribute):
            inner = self.origin(node.value)
            return f"{inner}.{node.attr}" if inner else ""
        if not isinstance(node, ast.Name):
            return ""
        if node.id in self._imported:
            return self._imported[node.id]
        bound = self.bound(node.id)
        if len(bound) == 1 and bound[0].how == "value" and not _mentions(bound[0].value, node.id):
            return self.origin(bound[0].value)
        return ""

    def constant(self, node: ast.expr | None) -> object:
        """A literal, or a name that is one once and for all; an ellipsis for anything else."""
        if isinstance(node, ast.Name) and len(bound := self.bound(node.id)) == 1 and bound[0].how == "value":
            node = bound[0].value
        return node.value if isinstance(node, ast.Constant) else ...


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            yield argument.arg


def _mentions(node: ast.expr | None, name: str) -> bool:
    return node is not None and any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))
