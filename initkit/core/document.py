"""YAML text into plain values that remember their lines: plans, and whatever else people write for us.

Not here: what the values mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from initkit.core.options import Invalid, Path, Problem
from initkit.core.secrets import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    import yaml

Value = str | None | list["Value"] | dict[str, "Value"]
_TOO_DEEP = "expected finite values, got values within values without end"
_DEEPEST = 100  # values within values; the interpreter's own limit differs between versions
_MOST_VALUES = 100_000  # aliases to aliases would otherwise fill the memory


@dataclass
class Document:
    """A YAML document with every scalar as text.

    Attributes:
        value: mappings, lists, text; None where nothing was written.
        lines: the line, counted from 1, of each path.
    """

    value: Value
    lines: dict[Path, int] = field(default_factory=dict)

    def at(self, path: Path) -> str:
        """The text that stands at `path`."""
        value: Any = self.value
        for part in path:
            value = value[part]
        return str(value)

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """Read YAML.

    A loader's own types would be wrong here: they make 416 of the mode 0640 and 1.1 of the version 1.10.

    Raises:
        Invalid: it is no YAML, or a key stands twice. The problems' paths are ``(line,)``.
    """
    import yaml  # noqa: PLC0415 - loaded when such a file is read

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise Invalid([Problem((line,), _unreadable(text, line, error.problem or error.context or ""))]) from error
    except yaml.YAMLError as error:
        raise Invalid([Problem((1,), f"cannot be read as YAML: {' '.join(str(error).split())}")]) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets these through: "\U00110000"
        raise Invalid(
            [Problem((1,), "cannot be read as YAML: it has a character or version that there is not")]
        ) from error
    except RecursionError as error:
        raise Invalid([Problem((1,), _TOO_DEEP)]) from error
    return _read(root)


def _unreadable(text: str, line: int, problem: str) -> str:
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    hint = '; within { } and [ ] quote what begins with ${: "${NAME}"' if "${" in written else ""
    return f"cannot be read as YAML: {problem}{hint}"


def _read(root: yaml.Node | None) -> Document:
    reader = _Reader()
    try:
        document = Document(reader.value(root, ()) if root else None, reader.lines)
    except RecursionError as error:
        raise Invalid([Problem((1,), _TOO_DEEP)]) from error
    if reader.problems:
        raise Invalid(reader.problems)
    return document


def whole_characters(text: str) -> str:
    """`text` with the halves of characters joined, as JSON writes those beyond the basic plane.

    Raises:
        UnicodeDecodeError: one stands alone, which no file's name, variable or log can hold.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


class _Reader:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._open: list[int] = []

    def value(self, node: yaml.Node, path: Path) -> Value:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if id(node) in self._open or len(self.lines) > _MOST_VALUES:
            problem = Problem((line,), "expected finite values, got aliases without end")
            raise Invalid([*self.problems, problem])
        if len(self._open) >= _DEEPEST:
            raise Invalid([*self.problems, Problem((line,), _TOO_DEEP)])
        self._open.append(id(node))
        value = self._content(node, path)
        self._open.pop()
        return value

    def _content(self, node: yaml.Node, path: Path) -> Value:
        import yaml  # noqa: PLC0415 - loaded already

        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        if node.tag == "tag:yaml.org,2002:null" and not cast("yaml.ScalarNode", node).style:
            return None
        return self._text(node)

    def _text(self, node: yaml.Node) -> str:
        try:
            return whole_characters(str(node.value))
        except UnicodeDecodeError:
            line = node.start_mark.line + 1
            self.problems.append(Problem((line,), "expected text, got half a character (a surrogate)"))
            return ""

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Value:
        found: dict[str, Value] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key.value, str):
                self.problems.append(Problem((line,), "expected a word as key, got a mapping or a list"))
                continue
            name = self._text(key)
            if name in found:
                self.problems.append(
                    Problem((line,), f"{name!r} stands twice, first in line {self.lines[*path, name]}")
                )
                continue
            self.lines[*path, name] = line
            found[name] = self.value(item, (*path, name))
        return found


def expanded(document: Document, environ: Mapping[str, str]) -> Document:
    """The document with ``${…}`` replaced in its values (never in its keys).

    Raises:
        Invalid: with every reference that cannot be replaced.
    """
    problems: list[Problem] = []

    def walk(value: Value, path: Path) -> Value:
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, i)) for i, item in enumerate(value)]
        try:
            return value if value is None else expand(value, environ)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
            return value

    replaced = Document(walk(document.value, ()), document.lines)
    if problems:
        raise Unexpanded(replaced, problems)
    return replaced


class Unexpanded(Invalid):
    """Some references could not be replaced; `document` has the rest, so that other mistakes can be told as well."""

    def __init__(self, document: Document, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.document = document
