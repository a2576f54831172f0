"""Whether env.py surely connects to the database that we were given; what it does there is read elsewhere.

It does where the URL comes from alembic's ``sqlalchemy.url`` or from one of the environment's variables: both say what
we say, whoever runs env.py for us.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from initkit.db.alembic.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.db.alembic.env_names import Bound, Function, Names

CONFIG = "alembic.context.config"
_FROM_CONFIG = {
    "sqlalchemy.engine_from_config",
    "sqlalchemy.engine.engine_from_config",
    "sqlalchemy.ext.asyncio.async_engine_from_config",
    "sqlalchemy.ext.asyncio.engine.async_engine_from_config",
}
_CREATE = {
    "sqlalchemy.create_engine",
    "sqlalchemy.engine.create_engine",
    "sqlalchemy.ext.asyncio.create_async_engine",
    "sqlalchemy.ext.asyncio.engine.create_async_engine",
}
_WRAP = {"sqlalchemy.ext.asyncio.AsyncEngine", "sqlalchemy.ext.asyncio.engine.AsyncEngine"}
ENGINES = _FROM_CONFIG | _CREATE | _WRAP
_GET = {"os.environ.get", "os.getenv"}
_OPTIONS = {"configuration", "url", "prefix", "poolclass", "future", "echo", "echo_pool", "hide_parameters"}
_POOL = ("pool_", "max_overflow")
_CONNECT_ARGS = {"connect_timeout", "timeout", "check_same_thread", "application_name", "command_timeout"}
_SCHEME = re.compile(r"[a-z][a-z0-9+_]*://")
_ENTER = {"connect", "begin"}


class Reach:
    """The flow of URL, engine and connection through one env.py.

    Args:
        names: of the module.
        section: of alembic.ini.
        variables: the environment's variables that hold our URL.
    """

    def __init__(self, names: Names, section: str, variables: set[str]) -> None:
        self._names = names
        self._section = section
        self._variables = variables
        self._calls: dict[str, list[ast.Call]] = {}
        self._known: dict[tuple[str, str], bool] = {}

    def know_calls(self, calls: list[ast.Call]) -> None:
        """Take note of all calls of the module's own functions."""
        for call in calls:
            if isinstance(call.func, ast.Name):
                self._calls.setdefault(call.func.id, []).append(call)

    def _every(self, what: str, node: ast.Name, holds: Callable[[Bound], bool]) -> bool:
        """Whether something holds of all values of a name; one that is being asked about does not speak against it."""
        key = (what, node.id)
        if key not in self._known:
            self._known[key] = True
            bound = self._names.bound(node.id)
            self._known[key] = bool(bound) and all(holds(one) for one in bound)
        return self._known[key]

    def is_made_here(self, node: ast.expr | None) -> bool:
        """Whether it is of a type that is known: a literal, or what one of the calls returned that are looked at."""
        names = self._names
        if isinstance(node, ast.Name):
            made = self._every("made", node, lambda one: one.how in {"value", "with"} and self.is_made_here(one.value))
            return made or self.is_connection(node)
        if isinstance(node, ast.Call):
            function = names.functions.get(node.func.id) if isinstance(node.func, ast.Name) else None
            return function is None or self._returns(function, self.is_made_here)
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Await)):
            return names.origin(node.value) == "os.environ" or self.is_made_here(node.value)
        if parts := _either(node):
            return all(map(self.is_made_here, parts))
        return isinstance(node, (ast.Constant, ast.JoinedStr))

    def _returns(self, function: Function, holds: Callable[[ast.expr | None], bool]) -> bool:
        """Whether something holds of all that a function returns."""
        returned = [inner.value for inner in ast.walk(function) if isinstance(inner, ast.Return)]
        return bool(returned) and all(holds(value) for value in returned)

    def is_url(self, node: ast.expr | None) -> bool:
        """Whether it is the URL that we say, perhaps under another driver's name."""
        names = self._names
        if isinstance(node, ast.Name):
            return self._every("url", node, lambda one: one.how == "value" and self.is_url(one.value))
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            return self.is_url(node.values[0])  # it is always set
        if isinstance(node, ast.IfExp):
            return self.is_url(node.body) and self.is_url(node.orelse)
        if isinstance(node, ast.Subscript):
            key = names.constant(node.slice)
            if names.origin(node.value) == "os.environ":
                return key in self._variables
            return key == "sqlalchemy.url" and self.is_section(node.value)
        return isinstance(node, ast.Call) and self._gives_url(node)

    def _gives_url(self, call: ast.Call) -> bool:
        names, origin = self._names, self._names.origin(call.func)
        first = names.constant(call.args[0]) if call.args else ...
        if origin in _GET:
            return first in self._variables
        if origin in {f"{CONFIG}.get_main_option", f"{CONFIG}.get_alembic_option"}:
            return first == "sqlalchemy.url"
        if isinstance(call.func, ast.Name):
            if call.func.id == "str" and not names.is_ours("str"):
                return len(call.args) == 1 and self.is_url(call.args[0])
            function = names.functions.get(call.func.id)
            return function is not None and self._returns(function, self.is_url)
        if not isinstance(call.func, ast.Attribute) or not self.is_url(call.func.value):
            return False
        return call.func.attr in {"replace", "strip"} and self._keeps_url(call)

    def _keeps_url(self, call: ast.Call) -> bool:
        """Whether a replacement changes no more than the driver's name, or escapes a percent sign for the ini."""
        words = [self._names.constant(argument) for argument in call.args[:2]]
        if not words or words == ["%", "%%"]:
            return True
        return len(words) == 2 and all(isinstance(word, str) and _SCHEME.fullmatch(word) for word in words)  # noqa: PLR2004 - old and new

    def is_section(self, node: ast.expr | None) -> bool:
        """Whether it is our section of alembic.ini, as a dictionary."""
        names = self._names
        if isinstance(node, ast.Name):
            return self._every("section", node, lambda one: one.how == "value" and self.is_section(one.value))
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            return self.is_section(node.values[0])
        if isinstance(node, ast.Dict):
            keys = [names.constant(key) for key in node.keys]
            return keys == ["sqlalchemy.url"] and self.is_url(node.values[0])
        if not isinstance(node, ast.Call) or names.origin(node.func) != f"{CONFIG}.get_section" or not node.args:
            return False
        return self.is_our_section(node.args[0])

    def is_our_section(self, node: ast.expr) -> bool:
        """Whether it is the name of our section."""
        origin = self._names.origin(node)
        return origin == f"{CONFIG}.config_ini_section" or self._names.constant(node) == self._section

    def is_engine(self, node: ast.expr | None) -> bool:
        """Whether it is an engine for our database, or nothing at all."""
        if isinstance(node, ast.Name):
            return self._every("engine", node, lambda one: one.how == "value" and self.is_engine(one.value))
        if isinstance(node, ast.Constant):
            return node.value is None
        if parts := _either(node):
            return all(map(self.is_engine, parts))
        if not isinstance(node, ast.Call):
            return False
        # nobody shares a connection with us: https://alembic.sqlalchemy.org/en/latest/cookbook.html#connection-sharing
        origin = self._names.origin(node.func)
        if origin in ENGINES or origin == f"{CONFIG}.attributes.get":
            return True
        function = self._names.functions.get(node.func.id) if isinstance(node.func, ast.Name) else None
        return function is not None and self._returns(function, self.is_engine)

    def see_engine(self, call: ast.Call) -> None:
        """See that a call makes an engine for our database.

        Raises:
            Unsure: it may be another's, or the engine changes what is seen there.
        """
        origin = self._names.origin(call.func)
        given: dict[str | None, ast.expr] = {keyword.arg: keyword.value for keyword in call.keywords}
        first = call.args[0] if call.args else given.get("configuration", given.get("url"))
        reached = (
            self.is_section(first)
            if origin in _FROM_CONFIG
            else (self.is_engine(first) if origin in _WRAP else self.is_url(first))
        )
        reached = reached and ("url" not in given or self.is_url(given["url"]))  # it counts before the section's
        if not reached or any(isinstance(argument, ast.Starred) for argument in call.args):
            raise Unsure("env.py may connect to another database")
        prefix = call.args[1] if len(call.args) > 1 else given.get("prefix")
        if prefix is not None and self._names.constant(prefix) != "sqlalchemy.":
            raise Unsure("env.py reads its engine's settings under another prefix")
        for name, value in given.items():
            if name is None or not (name in _OPTIONS or name.startswith(_POOL) or self._is_plain(name, value)):
                raise Unsure(f"env.py sets {name or 'options'} of its engine")

    def _is_plain(self, name: str, value: ast.expr) -> bool:
        """Whether it is ``connect_args`` with nothing in them that changes what is seen."""
        if name != "connect_args" or not isinstance(value, ast.Dict):
            return False
        return all(self._names.constant(key) in _CONNECT_ARGS for key in value.keys)

    def is_connection(self, node: ast.expr | None) -> bool:
        """Whether it is a connection to our database."""
        if isinstance(node, ast.Await):
            node = node.value
        if isinstance(node, ast.Name):
            return self._every("connection", node, self._binds_connection)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ENTER:
            return self.is_engine(node.func.value)
        return self.is_engine(node)

    def _binds_connection(self, bound: Bound) -> bool:
        if bound.how == "argument":
            calls = self._calls.get(bound.function, [])
            return bool(calls) and all(self._passes_connection(call, bound) for call in calls)
        return bound.how in {"value", "with"} and self.is_connection(bound.value)

    def _passes_connection(self, call: ast.Call, bound: Bound) -> bool:
        names = {keyword.arg: keyword.value for keyword in call.keywords}
        if bound.place < len(call.args):
            return self.is_connection(call.args[bound.place])
        arguments = self._names.functions[bound.function].args
        name = [*arguments.posonlyargs, *arguments.args][bound.place].arg
        return name in names and self.is_connection(names[name])


def _either(node: ast.expr | None) -> list[ast.expr]:
    """What an expression chooses from; nothing where it is none that chooses."""
    if isinstance(node, ast.BoolOp):
        return node.values
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else []
