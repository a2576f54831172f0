"""From given values to a step's dataclass, with everything that is wrong at once.

Not here: where the values come from (argv, a plan), which is the business of `cli` and `engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol, TypeVar, cast

from initkit.core.options import (
    Declared,
    Invalid,
    Option,
    Parser,
    Path,
    Problem,
    Scope,
    default_of,
    describe,
    did_you_mean,
    groups_of,
    kebab,
    options_of,
)

D = TypeVar("D", bound=Declared)
NOWHERE = Scope()


class MappingParser(Parser):
    """A value that text or, in a plan, a mapping of the options of `cls` can give."""

    def __init__(self, metavar: str, parse: Callable[[str], Any], cls: type[Declared], **more: Any) -> None:  # noqa: ANN401
        super().__init__(metavar, parse, **more)
        self.cls = cls

    def read(self, node: object, scope: Scope) -> Any:  # noqa: ANN401 - the type is the annotated field's
        """From a mapping by the options of `cls`, otherwise from text."""
        if isinstance(node, Mapping):
            return assemble(self.cls, cast("Mapping[str, object]", node))
        return super().read(node, scope)


class Variants(Protocol):
    """The named forms that one positional argument can take, each a dataclass: the schemes of a wait's target."""

    def names(self) -> Sequence[str]:
        """The name of each form, in order."""
        ...

    def words(self) -> Sequence[str]:
        """All names: a form may have several (http, https)."""
        ...

    def load(self, name: str) -> type[Declared] | None:
        """The dataclass behind one of `words`, or None."""
        ...

    def named(self, word: str) -> type[Declared] | None:
        """The dataclass that a bare word means where it stands alone, or None: the word may be something else."""
        ...


class VariantParser(Parser):
    """A value in one of several named forms: text, or in a plan a mapping ``{NAME: value}``."""

    def __init__(
        self,
        metavar: str,
        name_of: Callable[[str], str],
        variants: Variants,
        *,
        what: str,
        **more: Any,  # noqa: ANN401 - as `Parser` has it
    ) -> None:
        super().__init__(metavar, str, **more)
        self.name_of = name_of
        self.variants = variants
        self.what = what

    def read(self, node: object, scope: Scope) -> Any:  # noqa: ANN401 - the type is the annotated field's
        """From ``{NAME: value}`` by the options of that form; from text by the form that `name_of` finds in it."""
        if isinstance(node, str):
            return self._from_text(node, scope)
        if not isinstance(node, Mapping):
            return super().read(node, scope)
        if len(node) != 1:
            raise ValueError(f"expected exactly one {self.what}, got {describe(node)}")
        ((name, value),) = node.items()
        try:
            return self._assemble(name, value, scope)
        except Invalid as invalid:
            raise invalid.below(name) from None

    def _from_text(self, text: str, scope: Scope) -> Declared:
        try:
            return self._assemble(self.name_of(text), text, scope)
        except Invalid as invalid:
            # it was written in one piece, so there is nothing below it to point at
            raise Invalid([Problem((), problem.message) for problem in invalid.problems]) from None

    def _assemble(self, name: str, node: object, scope: Scope) -> Declared:
        cls = self.variants.load(name)
        if cls is None:
            hint = did_you_mean(name, self.variants.names())
            raise Invalid([Problem((), f"expected one of {', '.join(self.variants.names())}, got {name!r}{hint}")])
        return assemble(cls, from_node(cls, node), scope.below(cls.__name__.lower()))


def from_node(cls: type[Declared], node: object) -> Mapping[str, object]:
    """The mapping that a plan's node stands for: a scalar or a list gives the positional arguments.

    Raises:
        Invalid: it gives more positional arguments than there are.
    """
    if isinstance(node, Mapping):
        return cast("Mapping[str, object]", node)
    if node is None:
        return {}
    words = list(node) if isinstance(node, list | tuple) else [node]
    given: dict[str, object] = {}
    for option in options_of(cls):
        if not option.positional or not words:
            continue
        if option.many:
            given[option.key], words = words, []
        else:
            given[option.key] = words.pop(0)
    if words:
        takes = " ".join(option.metavar for option in options_of(cls) if option.positional) or "no arguments"
        raise Invalid([Problem((), f"expected {takes}, got {describe(words[0])} too many")])
    return given


def assemble(
    cls: type[D],
    given: Mapping[str, object],
    scope: Scope = NOWHERE,
    *,
    fallback: Mapping[str, object] | None = None,
) -> D:
    """Make a `cls` of text values by key; where `given` is silent, of the environment, then of the defaults.

    Args:
        cls: the dataclass.
        given: text, or lists of it, by key; a nested dataclass is a mapping.
        scope: where environment variables are looked up; by default nowhere.
        fallback: like `given`, and asked after it but before the environment.

    Raises:
        Invalid: with everything that is wrong, not only the first thing.
    """
    problems: list[Problem] = []
    options = options_of(cls)
    values = _Values(scope, problems)
    tree = _tree(cls)
    problems += _unknown_keys(cls, given)
    arguments = {name: _field(cls, name, entry, given, fallback or {}, values) for name, entry in tree.items()}
    absent = [o for o in options if o.required and _lookup(arguments, o.path) is _ABSENT]
    missing = [o for o in absent if o.path not in values.refused and not _refused(problems, o)]
    problems += [Problem((), f"{_spoken(option)} is missing") for option in missing]
    if problems:
        raise Invalid(problems)
    return cast("D", _construct(cls, arguments))


_ABSENT: Any = object()


def _spoken(option: Option) -> str:
    return option.metavar if option.positional else f"option {option.key!r}"


def _refused(problems: Sequence[Problem], option: Option) -> bool:
    return any(problem.path[:1] == (option.key,) for problem in problems)


class _Values:
    """Reads one option's value from the first source that has it."""

    def __init__(self, scope: Scope, problems: list[Problem]) -> None:
        self.scope = scope
        self.problems = problems
        self.refused: list[tuple[str, ...]] = []  # paths of options whose variables are no good

    def read(self, option: Option, sources: Sequence[Mapping[str, object]], path: Path) -> Any:  # noqa: ANN401
        for source in sources:
            if option.key in source:
                return self._from_node(option, source[option.key], (*path, option.key))
        name = self.scope.variable(option.key)
        text = self.scope.environ.get(name, "")
        return self._from_variable(option, name, text) if text else _ABSENT

    def _from_node(self, option: Option, node: object, path: Path) -> Any:  # noqa: ANN401
        if not option.many:
            return self._one(option, node, path)
        nodes = list(node) if isinstance(node, list | tuple) else [node]
        read = [self._one(option, item, (*path, i) if node is not item else path) for i, item in enumerate(nodes)]
        return tuple(read) if _ABSENT not in read else _ABSENT

    def _one(self, option: Option, node: object, path: Path) -> Any:  # noqa: ANN401
        try:
            return option.parser.read(node, self.scope)
        except Invalid as invalid:
            self.problems.extend(invalid.below(*path).problems)
        except ValueError as error:
            self.problems.append(Problem(path, str(error)))
        return _ABSENT

    def _from_variable(self, option: Option, name: str, text: str) -> Any:  # noqa: ANN401
        import shlex  # noqa: PLC0415 - only needed where a variable holds several values

        try:
            words = shlex.split(text) if option.many else [text]
            values = tuple(option.parser.read(word, self.scope) for word in words)
        except ValueError as error:
            self.problems.append(Problem((), f"{error} (from the environment variable {name})"))
            self.refused.append(option.path)
            return _ABSENT
        return values if option.many else values[0]


def _tree(cls: type[Declared]) -> dict[str, Option | type[Declared]]:
    tree: dict[str, Option | type[Declared]] = {}
    groups = groups_of(cls)
    for option in options_of(cls):
        head = option.path[0]
        tree[head] = option if len(option.path) == 1 else groups[kebab(head)]
    return tree


def _field(  # noqa: PLR0913, PLR0917 - one place for the precedence of sources
    cls: type[Declared],
    name: str,
    entry: Option | type[Declared],
    given: Mapping[str, object],
    fallback: Mapping[str, object],
    values: _Values,
) -> Any:  # noqa: ANN401 - a field's value
    if isinstance(entry, Option):
        return values.read(entry, (given, fallback), ())
    key = kebab(name)
    nested, back = given.get(key, {}), fallback.get(key, {})
    if not isinstance(nested, Mapping):
        values.problems.append(Problem((key,), f"expected a mapping, got {describe(nested)}"))
        return {}
    values.problems.extend(Problem((key, *p.path), p.message) for p in _unknown_keys(entry, nested))
    sources = (nested, cast("Mapping[str, object]", back))
    inside = [option for option in options_of(cls) if option.path[0] == name]
    return {option.path[1]: values.read(option, sources, (key,)) for option in inside}


def _unknown_keys(cls: type[Declared], given: Mapping[str, object]) -> list[Problem]:
    known = [option.key for option in options_of(cls) if len(option.path) == 1] + list(groups_of(cls))
    return [
        Problem(
            (key,), f"unknown option {key!r}{did_you_mean(str(key), known) or '; expected one of ' + ', '.join(known)}"
        )
        for key in given
        if key not in known
    ]


def _lookup(arguments: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401
    value: Any = arguments
    for name in path:
        value = value[name]
    return value


def _construct(cls: type[Declared], arguments: Mapping[str, Any]) -> Declared:
    """Make the dataclass, its groups by replacing what their defaults have."""
    ready: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in arguments.items():
        if not isinstance(value, dict):
            if value is not _ABSENT:
                ready[name] = value
            continue
        present = {key: item for key, item in value.items() if item is not _ABSENT}
        default = default_of(next(f for f in fields(cls) if f.name == name))
        whole = {f.name: getattr(default, f.name) for f in fields(default)} | present
        try:
            ready[name] = type(default)(**whole)
        except ValueError as error:
            problems.append(Problem((kebab(name),), str(error)))
    if problems:
        raise Invalid(problems)
    try:
        return cls(**ready)
    except Invalid:
        raise
    except ValueError as error:
        raise Invalid([Problem((), str(error))]) from error
