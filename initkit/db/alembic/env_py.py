"""Reads from env.py which version table it uses, without running it; only where every step that leads there is plain.

What is understood is listed, not what is refused: a call that is not in these lists may do anything. Where it connects
is `env_reach`'s business, what it imports `env_imports`'.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from initkit.core.record import Record
from initkit.db.alembic.env_names import Names
from initkit.db.alembic.env_reach import CONFIG, ENGINES, Reach
from initkit.db.alembic.unsure import Unsure
from initkit.db.revisions import VersionTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIABLES = ("DATABASE_URL", "SQLALCHEMY_DATABASE_URI")
# what can move the version table elsewhere without `configure` saying so
_ELSEWHERE = re.compile(
    r"search_path|schema_translate_map|set\s+(?:local\s+|session\s+)?role|session\s+authorization|PGOPTIONS",
    re.IGNORECASE,
)
_CONFIGURE = "alembic.context.configure"
# https://alembic.sqlalchemy.org/en/latest/api/runtime.html#alembic.runtime.environment.EnvironmentContext.configure
_CALLBACKS = {
    *("include_name", "include_object", "process_revision_directives", "render_item", "compare_type"),
    *("compare_server_default", "on_version_apply"),
}
_HARMLESS_OPTIONS = _CALLBACKS | {
    *("connection", "url", "dialect_name", "dialect_opts", "transactional_ddl", "transaction_per_migration"),
    *("target_metadata", "include_schemas", "render_as_batch", "literal_binds", "version_table_pk", "output_buffer"),
    *("version_table", "version_table_schema", "alembic_module_prefix", "sqlalchemy_module_prefix"),
    *("user_module_prefix", "template_args", "autogenerate_plugins"),
}
_KNOWN_CALLS = {
    *("alembic.context.begin_transaction", "alembic.context.run_migrations", "alembic.context.is_offline_mode"),
    *(f"{CONFIG}.get_main_option", f"{CONFIG}.get_alembic_option", f"{CONFIG}.get_section"),
    *(f"{CONFIG}.attributes.get", "logging.config.fileConfig", "logging.getLogger", "logging.basicConfig"),
    *("os.getenv", "os.environ.get", "os.getcwd", "os.path.join", "os.path.dirname", "os.path.abspath"),
    *("os.path.realpath", "os.path.exists", "os.path.isfile", "pathlib.Path", "asyncio.run"),
    *("sys.path.append", "sys.path.insert", "sqlalchemy.MetaData"),
}
_SETTERS = {f"{CONFIG}.set_main_option", f"{CONFIG}.set_section_option"}
_BUILTINS = {"str", "int", "bool", "print", "len", "isinstance", "ValueError", "RuntimeError", "KeyError", "Exception"}
_METHODS = {
    *("connect", "begin", "dispose", "run_sync", "replace", "strip", "startswith", "lower", "resolve", "absolute"),
    *("debug", "info", "warning", "error"),
}
_NOT_PLAIN = (ast.For, ast.AsyncFor, ast.While, ast.ClassDef, ast.Delete, ast.Yield, ast.YieldFrom, ast.Match)


class EnvPy(Record):
    """What an env.py surely does.

    Attributes:
        table: its version table.
        modules: what it imports, with dots.
        uses_settings: whether its engine gets all ``sqlalchemy.*`` settings of the section.
    """

    table: VersionTable
    modules: frozenset[str]
    uses_settings: bool = False


def read(source: str | bytes, *, section: str = "alembic", exported: Iterable[str] = ()) -> EnvPy:
    """What env.py surely does, with the database that we were given.

    Args:
        source: its text.
        section: of alembic.ini.
        exported: more variables of its environment that hold the URL.

    Raises:
        Unsure: it may do something else.
    """
    text = source.decode("utf-8", "replace") if isinstance(source, bytes) else source
    found = _ELSEWHERE.search(text)
    if found:
        raise Unsure(f"env.py mentions {found.group().lower()}")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise Unsure("env.py is not valid Python") from error
    names = Names(tree)
    return _Reading(tree, names, Reach(names, section, {*VARIABLES, *exported})).result()


class _Reading:
    """One look through one env.py."""

    def __init__(self, tree: ast.Module, names: Names, reach: Reach) -> None:
        self._tree = tree
        self._names = names
        self._reach = reach
        self._configured: list[ast.Call] = []
        self._calls: list[ast.Call] = []
        self._settings: set[int] = set()  # the targets of assignments that were looked at

    def result(self) -> EnvPy:
        nodes = list(_outside(self._tree, self._callbacks()))
        self._calls = [node for node in nodes if isinstance(node, ast.Call)]
        self._reach.know_calls([*self._calls, *map(self._run_sync, self._calls_of("run_sync"))])
        for node in nodes:
            self._see(node)
        origins = {self._names.origin(call.func) for call in self._calls}
        from_settings = any("from_config" in origin for origin in origins & ENGINES)
        return EnvPy(self._table(), frozenset(self._names.modules), from_settings)

    def _callbacks(self) -> set[str]:
        """The functions that nobody calls, or only what compares schemas, which an upgrade does not."""
        handed: set[int] = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and self._names.origin(node.func) == _CONFIGURE:
                handed |= {id(one.value) for one in node.keywords if one.arg in _CALLBACKS}
        loads = [node for node in ast.walk(self._tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
        used = {node.id for node in loads if id(node) not in handed}
        # a decorator may well hand it to somebody
        return {name for name, node in self._names.functions.items() if name not in used and not node.decorator_list}

    def _calls_of(self, method: str) -> list[ast.Call]:
        return [call for call in self._calls if isinstance(call.func, ast.Attribute) and call.func.attr == method]

    def _run_sync(self, call: ast.Call) -> ast.Call:
        """The call that ``connection.run_sync(function, …)`` makes."""
        function = call.args[0] if call.args else None
        if not isinstance(function, ast.Name) or function.id not in self._names.functions:
            raise Unsure("env.py runs something else on its connection")
        return ast.Call(function, [call.func.value, *call.args[1:]], call.keywords)  # type: ignore[attr-defined]

    def _see(self, node: ast.AST) -> None:
        if isinstance(node, _NOT_PLAIN):
            raise Unsure(f"env.py has {_ARTICLES.get(type(node).__name__, 'a statement')} that may repeat or hide it")
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.decorator_list:
            raise Unsure(f"env.py decorates {node.name}")
        entered = node.context_expr if isinstance(node, ast.withitem) else None
        entered = node.value if isinstance(node, ast.Await) else entered
        if entered is not None and not isinstance(entered, ast.Call):  # calls are looked at themselves
            raise Unsure(f"env.py enters {ast.unparse(entered)}")
        if isinstance(node, ast.Call):
            self._see_call(node)
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            self._see_attribute(node)
        elif isinstance(node, ast.Assign):
            self._see_setting(node)

    def _see_attribute(self, node: ast.Attribute | ast.Subscript) -> None:
        if id(node) in self._settings:
            return
        root: ast.expr = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if not isinstance(root, ast.Name) or root.id != "target_metadata":
            raise Unsure(f"env.py sets {ast.unparse(node)}")

    def _see_setting(self, node: ast.Assign) -> None:
        """See that ``section["sqlalchemy.url"] = …`` says our URL."""
        for target in node.targets:
            if isinstance(target, ast.Subscript) and self._reach.is_section(target.value):
                self._settings.add(id(target))
                self._see_set(target.slice, node.value)

    def _see_set(self, key: ast.expr, value: ast.expr) -> None:
        name = self._names.constant(key)
        if not isinstance(name, str):
            raise Unsure("env.py sets a setting with a computed name")
        if name == "sqlalchemy.url" and self._reach.is_url(value):
            return
        if name.startswith("sqlalchemy."):
            raise Unsure(f"env.py sets {name}")

    def _see_call(self, call: ast.Call) -> None:
        origin = self._names.origin(call.func)
        if origin == _CONFIGURE:
            self._configured.append(call)
        elif origin in ENGINES:
            self._reach.see_engine(call)
        elif origin in _SETTERS:
            self._see_setter(call, origin)
        elif origin not in _KNOWN_CALLS and not self._is_harmless(call, origin):
            raise Unsure(f"env.py calls {ast.unparse(call.func)}")

    def _see_setter(self, call: ast.Call, origin: str) -> None:
        *section, key, value = call.args if len(call.args) > 1 else (call, call)
        if call.keywords or len(section) != origin.endswith("section_option"):
            raise Unsure("env.py sets a setting in a way of its own")
        self._see_set(key, value)

    def _is_harmless(self, call: ast.Call, origin: str) -> bool:
        function, names = call.func, self._names
        if isinstance(function, ast.Name):
            return function.id in names.functions or (function.id in _BUILTINS and not names.is_ours(function.id))
        # what is imported has methods of its own, whatever they are called
        known = isinstance(function, ast.Attribute) and not origin and function.attr in _METHODS
        return known and self._reach.is_made_here(function.value)  # type: ignore[attr-defined]  # see `known`

    def _table(self) -> VersionTable:
        online = [
            call for call in self._configured if call.args or any(one.arg == "connection" for one in call.keywords)
        ]
        if not online:
            raise Unsure("env.py never calls context.configure with a connection")
        found = {self._table_of(call) for call in online}
        if len(found) > 1:
            raise Unsure("env.py names several version tables")
        return found.pop()

    def _table_of(self, call: ast.Call) -> VersionTable:
        given = {one.arg: one.value for one in call.keywords}
        odd = [str(name or "options") for name in given if name not in _HARMLESS_OPTIONS]
        if odd or len(call.args) > 1:
            raise Unsure(f"env.py gives {', '.join(odd) or 'several arguments'} to context.configure")
        if not self._reach.is_connection(call.args[0] if call.args else given["connection"]):
            raise Unsure("env.py may be given its connection by another")
        name = self._text(given.get("version_table"), "version_table") or VersionTable.name
        return VersionTable(name, self._text(given.get("version_table_schema"), "version_table_schema") or None)

    def _text(self, node: ast.expr | None, option: str) -> str:
        value = None if node is None else self._names.constant(node)
        if value is not None and not isinstance(value, str):
            raise Unsure(f"env.py computes {option}")
        return value or ""


_ARTICLES = {"For": "a loop", "AsyncFor": "a loop", "While": "a loop", "ClassDef": "a class"}


def _outside(node: ast.AST, functions: set[str]) -> Iterator[ast.AST]:
    """All nodes, except for what is in these functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and child.name in functions:
            yield from _outside(child.args, functions)
            continue
        yield child
        yield from _outside(child, functions)
