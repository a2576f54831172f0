"""A plan's text into steps, or every mistake in it at once with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from initkit.core import document
from initkit.core.assemble import assemble, from_node
from initkit.core.errors import UsageError
from initkit.core.options import Invalid, Path, Problem, Scope, describe, did_you_mean
from initkit.core.redact import redact
from initkit.core.retry import RetryPolicy
from initkit.engine import kinds
from initkit.engine.entries import Entry, unique

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.core.step import Step

_ENTRY_KEYS = ("name", "needs", "retry")
_PLAN_KEYS = ("retry", "steps")


class PlanError(UsageError):
    """Everything that is wrong with a plan, a line each: ``FILE:LINE: PATH: what``."""

    def __init__(self, source: str, problems: Sequence[tuple[int, Path, str]]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem[0])
        lines = [_shown(source, line, path, message) for line, path, message in self.problems]
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        super().__init__(f"run {source}", f"{count}; nothing was attempted\n" + "\n".join(lines))


def _shown(source: str, line: int, path: Path, message: str) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return redact(f"  {source}:{line}: {where + ': ' if where else ''}{message}")


def parse(text: str, source: str, environ: Mapping[str, str]) -> list[Entry]:
    """The steps of a plan, in their order.

    Args:
        text: YAML.
        source: the plan's file, for messages.
        environ: for ``${NAME}`` and for options that the plan leaves out.

    Raises:
        PlanError: with all mistakes.
    """
    try:
        raw = document.read(text)
    except Invalid as invalid:
        raise PlanError(source, [(cast("int", p.path[0]), (), p.message) for p in invalid.problems]) from invalid
    problems: list[Problem] = []
    try:
        whole = document.expanded(raw, environ)
    except document.Unexpanded as unexpanded:
        whole = unexpanded.document
        problems += unexpanded.problems
    unread = {problem.path: whole.at(problem.path) for problem in problems}
    reader = _PlanReader(environ)
    entries = reader.plan(whole.value)
    # a value that could not be read is told once, not again as one of the wrong form
    told = [p for p in reader.problems if p.path in unread or any(repr(text) in p.message for text in unread.values())]
    problems += [problem for problem in reader.problems if problem not in told]
    if problems:
        raise PlanError(source, [(whole.line(p.path), p.path, p.message) for p in problems])
    return entries


class _PlanReader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[Problem] = []
        self._names: list[str] = []  # of the entries read so far
        self._given: list[object] = []  # by people, anywhere in the plan: not to be taken by entries without a name
        self._defaults: Mapping[str, object] = {}

    def plan(self, value: document.Value) -> list[Entry]:
        if not isinstance(value, dict):
            self._wrong((), f"expected a mapping with 'steps', got {describe(value)}")
            return []
        self._unknown(value, _PLAN_KEYS, ())
        self._defaults = self._plan_retry(value.get("retry"))
        steps = value.get("steps")
        if not isinstance(steps, list) or not steps:
            self._wrong(("steps",) if "steps" in value else (), f"expected a list of steps, got {describe(steps)}")
            return []
        self._given = [item["name"] for item in steps if isinstance(item, dict) and isinstance(item.get("name"), str)]
        entries = [self._entry(item, ("steps", i)) for i, item in enumerate(steps)]
        return [entry for entry in entries if entry is not None]

    def _wrong(self, path: Path, message: str) -> None:
        self.problems.append(Problem(path, message))

    def _unknown(self, value: Mapping[str, object], known: Sequence[str], path: Path) -> None:
        for key in value:
            if key not in known:
                hint = did_you_mean(key, known) or f"; expected one of {', '.join(known)}"
                self._wrong((*path, key), f"unknown key {key!r}{hint}")

    def _plan_retry(self, value: document.Value) -> Mapping[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._wrong(("retry",), f"expected a mapping, got {describe(value)}")
            return {}
        try:
            assemble(RetryPolicy, value)
        except Invalid as invalid:
            self.problems += invalid.below("retry").problems
            return {}
        return {"retry": value}

    def _entry(self, value: document.Value, path: Path) -> Entry | None:
        if not isinstance(value, dict):
            self._wrong(path, f"expected a step such as 'migrate: /migrations', got {describe(value)}")
            return None
        known = kinds.names()
        found = [key for key in value if key in known]
        self._unknown(value, [*known, *_ENTRY_KEYS], path)
        if len(found) != 1:
            if found or not set(value) - {*known, *_ENTRY_KEYS}:
                got = " and ".join(found) or "none"
                self._wrong(path, f"expected exactly one kind of step ({', '.join(known)}), got {got}")
            return self._named(value, path, None)
        return self._named(value, path, self._step(found[0], value, path))

    def _step(self, kind: str, value: Mapping[str, document.Value], path: Path) -> Any:  # noqa: ANN401 - a kind's dataclass
        cls = kinds.load(kind)
        try:
            given = dict(from_node(cls, value[kind]))
            if given.pop("retry", None) is not None:
                self._wrong((*path, kind, "retry"), "expected retry beside the kind, got it inside")
            if value.get("retry") is not None:
                given["retry"] = value["retry"]
            return assemble(cls, given, Scope(kind, self.environ), fallback=self._defaults)
        except Invalid as invalid:
            for problem in invalid.problems:
                beside = problem.path[:1] == ("retry",) and "retry" in value
                self._wrong((*path, *(() if beside else (kind,)), *problem.path), problem.message)
            return None

    def _named(self, value: Mapping[str, document.Value], path: Path, step: Step | None) -> Entry | None:
        name = self._name(value.get("name"), next((key for key in value if key in kinds.names()), "step"), path)
        needs = self._needs(value.get("needs"), path) if "needs" in value else tuple(self._names[-1:])
        self._names.append(name)
        return Entry(name, step, needs) if step is not None else None

    def _name(self, given: document.Value, kind: str, path: Path) -> str:
        taken = [*self._names, *map(str, self._given)]
        if given is None:
            return unique(kind, taken)
        if not isinstance(given, str) or not given.strip():
            self._wrong((*path, "name"), f"expected a name, got {describe(given)}")
            return unique(kind, taken)
        if given in self._names:
            self._wrong((*path, "name"), f"expected a name of its own, got {given!r} again")
        return given

    def _needs(self, given: document.Value, path: Path) -> tuple[str, ...]:
        words = given if isinstance(given, list) else [] if given is None else [given]
        for i, word in enumerate(words):
            if word not in self._names:
                hint = did_you_mean(str(word), self._names)
                self._wrong((*path, "needs", i), f"expected the name of an earlier step, got {describe(word)}{hint}")
        return tuple(str(word) for word in words)
