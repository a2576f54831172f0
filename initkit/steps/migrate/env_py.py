"""Reads from env.py which version table it uses, without running it; only where that is certain."""

from __future__ import annotations

import ast
import re

from initkit.db.revisions import VersionTable

# what can move the version table elsewhere without `configure` saying so
_ELSEWHERE = re.compile(r"search_path|schema_translate_map|set\s+role|session\s+authorization", re.IGNORECASE)


def version_table(source: str) -> VersionTable | None:
    """The version table that env.py's `configure` calls name literally or leave at its default; None where unsure."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_configure(node)]
    online = [call for call in calls if any(keyword.arg == "connection" for keyword in call.keywords)]
    if not online or _ELSEWHERE.search(source):
        return None
    found = {_table(call) for call in online}
    return found.pop() if len(found) == 1 else None


def _is_configure(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name == "configure"


def _table(call: ast.Call) -> VersionTable | None:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    # **options may hold anything, and tokens are what env.py of several databases has
    if not given.keys().isdisjoint({None, "upgrade_token"}):
        return None
    values = [_literal(given.get("version_table")), _literal(given.get("version_table_schema"))]
    if ... in values:
        return None
    name, schema = values
    return VersionTable(str(name or VersionTable.name), str(schema) if schema else None)


def _literal(node: ast.expr | None) -> object:
    """A string, None where nothing is given, or an ellipsis for what is no literal."""
    if node is None:
        return None
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str)):
        return node.value
    return ...
