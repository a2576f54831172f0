"""A step's options, declared once on its dataclass; the command line, plans, variables and schema all read them here.

Not here: how values become a dataclass (`core.assemble`), how an option looks on the command line (`cli.commands`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import get_annotations
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

from initkit.core.record import Record

Path = tuple[str | int, ...]


class Declared:
    """Base of every frozen dataclass whose fields are options; see `declared`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def declared(cls: type[T]) -> type[T]:
    """Make a dataclass of options: frozen, by keyword only; compared and shown as `Declared` has it once for all.

    A comparison and a representation of its own for each take as long to make as all the rest of it.
    """
    return dataclass(frozen=True, kw_only=True, eq=False, repr=False)(cls)


class Opt(Record):
    """A field that is an option: ``--like-this`` on the command line, ``like-this`` in a plan.

    Attributes:
        short: one letter, for ``-x``; only where people know it from the tool that it is for.
    """

    help: str
    metavar: str = ""
    short: str = ""


class Arg(Record):
    """A field that is a positional argument; in a plan also the kind's value when that is a scalar or a list."""

    help: str
    metavar: str


class Scope(Record):
    """Where environment variables are looked up: under which prefix, and in what.

    Attributes:
        name: the kind's name, or ``""`` for global options.
        environ: the environment; empty asks no variables.
    """

    name: str = ""
    environ: Mapping[str, str] = MappingProxyType({})

    def variable(self, key: str) -> str:
        """The environment variable of an option: ``INITKIT_<KIND>_<OPTION>``."""
        return "_".join(["INITKIT", *([self.name] if self.name else []), key]).upper().replace("-", "_")

    def below(self, name: str) -> Scope:
        """The scope of one named form of the kind: ``wait`` and then ``http``."""
        return Scope(f"{self.name}_{name}", self.environ)


# to a plan's reader every scalar is text; to an editor 12 and true are none
_ANY_SCALAR = {"type": ["string", "number", "boolean"]}


class Parser:
    """How a value is written: from text, into text, and as JSON Schema (`schema`; by default any scalar).

    `parse` raises ValueError with a message of the form ``expected X, got Y``.
    """

    def __init__(
        self,
        metavar: str,
        parse: Callable[[str], Any],
        *,
        show: Callable[[Any], str] = str,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        self.metavar = metavar
        self.parse = parse
        self.show = show
        self.schema = dict(schema or _ANY_SCALAR)

    def read(self, node: object, scope: Scope) -> Any:  # noqa: ANN401, ARG002 - the annotated field's type; for subclasses
        """The value of a plan's node: here a scalar; a subclass may take mappings, and their variables from `scope`.

        Raises:
            ValueError: the node is no scalar, or `parse` refused it.
            Invalid: several things are wrong below it.
        """
        if not isinstance(node, str):
            raise ValueError(f"expected {self.metavar}, got {describe(node)}")  # noqa: TRY004 - one error for all
        return self.parse(node)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of what `parse` takes, as an editor reads YAML: 12 is a number, yes may be a boolean."""
        return dict(self.schema)


_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _parse_flag(text: str) -> bool:
    if text.strip().lower() not in _FLAGS:
        raise ValueError(f"expected true or false, got {text!r}")
    return _FLAGS[text.strip().lower()]


def _any_case(word: str) -> str:
    """The pattern of a word in capitals or not; ECMA-262, which JSON Schema's patterns follow, has no flag for it."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in word)


def _parse_whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"expected a whole number, got {text!r}") from None


TEXT = Parser("TEXT", str)
FLAG = Parser(
    "BOOL",
    _parse_flag,
    show=lambda flag: "true" if flag else "false",
    schema={
        "type": ["boolean", "integer", "string"],
        "pattern": rf"^\s*({'|'.join(map(_any_case, _FLAGS))})\s*$",
        "minimum": 0,
        "maximum": 1,
    },
)
WHOLE = Parser("NUMBER", _parse_whole, schema={"type": ["integer", "string"], "pattern": r"^\s*[-+]?\d+(_\d+)*\s*$"})


class ChoiceParser(Parser):
    """One of a few words."""

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__("|".join(choices), self._one, schema={"enum": list(choices)})
        self.choices = tuple(choices)

    def _one(self, text: str) -> str:
        if text not in self.choices:
            hint = did_you_mean(text, self.choices)
            raise ValueError(f"expected one of {', '.join(self.choices)}, got {text!r}{hint}")
        return text


class Option(Record):
    """One option as every surface sees it.

    Attributes:
        path: the fields that lead to it: ``("retry", "timeout")``.
        key: its name in a plan and, after ``--``, on the command line.
        many: whether it takes several values.
    """

    path: tuple[str, ...]
    key: str
    parser: Parser
    help: str
    metavar: str
    positional: bool
    many: bool
    required: bool
    default: Any
    short: str = ""

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false and takes no value on the command line."""
        return self.parser is FLAG and not self.many

    def shown_default(self) -> str | None:
        """The default as a person would write it; None where there is none to show."""
        if self.required or self.default is None or self.default == ():
            return None
        values = self.default if self.many else (self.default,)
        return " ".join(self.parser.show(value) for value in values)


class Problem(Record):
    """One thing that is wrong: where, below the value that was read, and what."""

    path: Path
    message: str


class Invalid(ValueError):  # noqa: N818 - a collection of problems
    """Everything that is wrong with some given values, all at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)

    def below(self, *path: str | int) -> Invalid:
        """The same problems, seen from further up."""
        return Invalid([Problem((*path, *problem.path), problem.message) for problem in self.problems])


def kebab(name: str) -> str:
    """``attempt_timeout`` as people type it: ``attempt-timeout``; a trailing underscore (``not_``) goes."""
    return name.strip("_").replace("_", "-")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?``, or nothing when no known word is near."""
    import difflib  # noqa: PLC0415 - only needed once something is wrong

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def describe(node: object) -> str:
    """What stands there, in a plan's terms and without its content."""
    if isinstance(node, Mapping):
        return f"a mapping ({', '.join(map(str, node)) or 'empty'})"
    if isinstance(node, list | tuple):
        return f"a list of {len(node)}"
    return "nothing" if node is None else f"{node!r}"


_OPTIONS: dict[type[Declared], tuple[Option, ...]] = {}


def options_of(cls: type[Declared]) -> tuple[Option, ...]:
    """All options of a dataclass, positional ones first; a nested dataclass is flattened."""
    if cls not in _OPTIONS:
        _OPTIONS[cls] = tuple(sorted(_options(cls, (), {}), key=lambda option: not option.positional))
    return _OPTIONS[cls]


def groups_of(cls: type[Declared]) -> dict[str, type[Declared]]:
    """The nested dataclasses of `cls`, by key."""
    hints = _hints(cls)
    return {kebab(f.name): hints[f.name] for f in fields(cls) if _is_group(hints[f.name])}


_HINTS: dict[type[Declared], dict[str, Any]] = {}


def _hints(cls: type[Declared]) -> dict[str, Any]:
    if cls not in _HINTS:
        # what typing.get_type_hints does besides takes longer than all the rest
        _HINTS[cls] = {
            name: hint for base in reversed(cls.__mro__) for name, hint in get_annotations(base, eval_str=True).items()
        }
    return _HINTS[cls]


def _is_group(hint: object) -> bool:
    return isinstance(hint, type) and is_dataclass(hint) and issubclass(hint, Declared)


def _options(cls: type[Declared], path: tuple[str, ...], defaults: Mapping[str, Any]) -> Iterable[Option]:
    hints = _hints(cls)
    for declared in fields(cls):
        hint = hints[declared.name]
        default = defaults.get(declared.name, default_of(declared))
        where = (*path, declared.name)
        if _is_group(hint):
            group = {} if default is MISSING else {f.name: getattr(default, f.name) for f in fields(default)}
            yield from _options(hint, where, group)
            continue
        parser, many, metas = _read_hint(hint)
        mark = next((meta for meta in metas if isinstance(meta, Opt | Arg)), None)
        if mark is None:
            continue
        yield Option(
            path=where,
            key=kebab(declared.name),
            parser=parser,
            help=mark.help,
            metavar=mark.metavar or parser.metavar,
            positional=isinstance(mark, Arg),
            many=many,
            required=default is MISSING,
            default=None if default is MISSING else default,
            short=mark.short if isinstance(mark, Opt) else "",
        )


def default_of(declared: Any) -> Any:  # noqa: ANN401 - whatever the field holds
    """The default of a dataclass's field, or MISSING."""
    if declared.default is not MISSING:
        return declared.default
    return declared.default_factory() if declared.default_factory is not MISSING else MISSING


def _read_hint(hint: object) -> tuple[Parser, bool, list[object]]:
    """The parser, whether there are many, and all annotations of a type hint."""
    metas: list[object] = []
    many = False
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, *more = get_args(hint)
            metas += more
        elif origin in (Union, UnionType):
            hint = next(arg for arg in get_args(hint) if arg is not NoneType)
        elif origin is tuple:
            many, hint = True, get_args(hint)[0]
        else:
            break
    parser = next((meta for meta in metas if isinstance(meta, Parser)), None)
    return parser or _parser_for(hint), many, metas


def _parser_for(hint: object) -> Parser:
    if get_origin(hint) is Literal:
        return ChoiceParser(get_args(hint))
    known: dict[object, Parser] = {str: TEXT, bool: FLAG, int: WHOLE}
    if hint not in known:
        raise TypeError(f"an option of type {hint!r} needs a Parser in its annotation")
    return known[hint]


def summary(cls: type) -> str:
    """The first line of a class's docstring."""
    return (cls.__doc__ or "").strip().split("\n", maxsplit=1)[0]
