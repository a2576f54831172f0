"""Every kind of step and every scheme of target keeps the promises that all surfaces are derived from."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, cast

import jsonschema
import pytest
from fix_program import initkit

from initkit.cli.debug import Hold
from initkit.cli.run import Run, Schema
from initkit.cli.settings import Settings
from initkit.core.assemble import assemble
from initkit.core.options import Declared, Invalid, Option, Scope, groups_of, options_of
from initkit.core.retry import RetryPolicy
from initkit.core.schema import json_schema
from initkit.core.step import Applies, Watches
from initkit.engine import kinds
from initkit.engine.schema import plan_schema
from initkit.steps.wait.target import SCHEMES, Target

if TYPE_CHECKING:
    from pathlib import Path

KINDS = kinds.names()
DECLARED: dict[str, type[Declared]] = {
    **{kind: kinds.load(kind) for kind in KINDS},
    **{f"wait {name}": cast("type[Declared]", SCHEMES.load(name)) for name in SCHEMES.names()},
    "run": Run,
    "hold": Hold,
    "schema": Schema,
    "": Settings,
}
OPTIONS = [
    pytest.param(name, option, id=f"{name} {option.key}")
    for name, cls in DECLARED.items()
    for option in options_of(cls)
]


def test_the_five_kinds_are_there() -> None:
    assert set(KINDS) >= {"wait", "migrate", "seed", "perms", "git"}
    assert set(SCHEMES.names()) >= {"tcp", "http", "file", "postgres"}


@pytest.mark.parametrize("name", DECLARED)
def test_it_is_a_frozen_dataclass_of_options(name: str) -> None:
    cls = DECLARED[name]
    assert dataclasses.is_dataclass(cls)
    assert cast("Any", cls).__dataclass_params__.frozen
    declared = {field.name for field in dataclasses.fields(cls)}
    assert declared == {option.path[0] for option in options_of(cls)}, "a field without Opt or Arg is no option"
    assert (cls.__doc__ or "").strip().split("\n")[0].endswith("."), "the first line is the help of the command"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_a_step_that_applies_or_watches(kind: str) -> None:
    cls = kinds.load(kind)
    assert cast("Any", cls).kind == kind
    assert groups_of(cls)["retry"] is RetryPolicy
    methods = {"check", "apply"} if hasattr(cls, "apply") else {"check", "watch"}
    protocol = Applies if "apply" in methods else Watches
    assert all(callable(getattr(cls, method)) for method in methods), protocol


@pytest.mark.parametrize("name", SCHEMES.names())
def test_a_scheme_is_a_target_with_its_file_s_name(name: str) -> None:
    cls = cast("Any", SCHEMES.load(name))
    assert name in cls.schemes
    assert cls.pace.interval > 0
    assert callable(cls.probe)
    assert all(hasattr(cls, attribute) for attribute in ("schemes", "pace", "name", "probe")), Target
    mine = {option.key for option in options_of(cls)}
    wait = {option.key for option in options_of(kinds.load("wait"))} | {option.key for option in options_of(Settings)}
    assert not mine & wait, "on the command line they stand side by side"


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_has_help_and_a_name_that_kubernetes_does_not_use(name: str, option: Option) -> None:
    assert re.fullmatch(r"[a-z][a-z-]*", option.key), name
    assert option.key.split("-")[-1] not in {"port", "host", "service"}, "Kubernetes sets INITKIT_…_PORT and the like"
    assert option.help.endswith((".", ").", "]."), 0) or option.help.endswith((".", "]")), "help is a sentence"
    assert option.metavar == option.metavar.upper() or "|" in option.metavar


@pytest.mark.parametrize("name", [name for name in DECLARED if name])
def test_help_shows_every_option_with_its_default(name: str) -> None:
    ended = initkit(*name.split(), "--help")
    assert ended.returncode == 0
    shown = _squeezed(ended.stdout)
    for option in options_of(DECLARED[name]):
        assert (option.metavar if option.positional else f"--{option.key}") in shown
        assert _squeezed(option.help) in shown
        default = option.shown_default()
        if default and not option.is_flag and not option.positional:
            assert _squeezed(f"[default: {default}]") in shown


def _squeezed(text: str) -> str:
    """Without white space: help is wrapped, at hyphens too."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_s_default_is_written_as_it_is_read(name: str, option: Option) -> None:
    default = option.shown_default()
    if default is None:
        assert option.required or option.default in (None, ())
        return
    values = [option.parser.read(word, Scope()) for word in (default.split() if option.many else [default])]
    shown = [option.parser.show(value) for value in values]
    assert " ".join(shown) == default, name


@pytest.mark.parametrize(("name", "option"), [p for p in OPTIONS if p.values[0] in KINDS])
def test_a_bad_value_is_told_alike_by_the_plan_and_the_environment(name: str, option: Option) -> None:
    cls = DECLARED[name]
    bad = "\0 no value of any option"
    try:
        option.parser.read(bad, Scope())
    except ValueError as error:
        expected = error.problems[0].message if isinstance(error, Invalid) else str(error)
    else:
        return  # any text will do
    given: dict[str, object] = {option.key: [bad] if option.many else bad}
    nested: dict[str, object] = {option.path[0]: given} if len(option.path) > 1 else given
    assert expected in _complaints(cls, nested, Scope())
    variable = Scope(name).variable(option.key)
    text = f"'{bad}'" if option.many else bad
    (from_environment,) = [c for c in _complaints(cls, {}, Scope(name, {variable: text})) if variable in c]
    assert from_environment == f"{expected} (from the environment variable {variable})"


def _complaints(cls: type[Declared], given: dict[str, object], scope: Scope) -> list[str]:
    with pytest.raises(Invalid) as caught:
        assemble(cls, given, scope)
    return [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize("name", DECLARED)
def test_the_json_schema_has_every_option(name: str) -> None:
    schema = json_schema(DECLARED[name])
    for option in options_of(DECLARED[name]):
        place = schema
        for group in option.path[:-1]:
            place = place["properties"][group]
        assert place["properties"][option.key]["description"] == option.help


def test_the_plan_s_schema_is_a_schema_and_has_every_kind() -> None:
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {kind for kind in KINDS if kind in schema["$defs"]} == set(KINDS)


def test_a_new_scheme_is_one_new_file(tmp_path: Path) -> None:
    """Added at run time, it is there in commands, plans, variables, help and schema; nothing else was touched."""
    (tmp_path / "moon.py").write_text(_MOON)
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"steps:\n- wait:\n    targets: [{{moon: {{path: {tmp_path}/full, phase: full}}}}]\n")
    run = f"""
import sys
from initkit.steps.wait import schemes
schemes.__path__.append({str(tmp_path)!r})
from initkit.cli.main import main
main()
"""
    (tmp_path / "full").touch()

    def moon(*words: str, **env: str) -> tuple[int, str]:
        import subprocess  # noqa: PLC0415 - not the program itself
        import sys  # noqa: PLC0415

        from fix_program import environment  # noqa: PLC0415

        ended = subprocess.run(
            [sys.executable, "-c", run, *words], env=environment(env), capture_output=True, text=True, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    assert moon("wait", f"moon:{tmp_path}/full")[0] == 0
    assert moon("wait", f"luna:{tmp_path}/full")[0] == 0
    code, output = moon("wait", "moon", f"{tmp_path}/full", "--phase", "new")
    assert (code, "expected one of full, half, got 'new'" in output) == (2, True)
    code, output = moon("wait", f"moon:{tmp_path}/full", INITKIT_WAIT_MOON_PHASE="new")
    assert (code, "INITKIT_WAIT_MOON_PHASE" in output) == (2, True)
    assert moon("run", str(plan))[0] == 0
    assert "The moon's phase." in moon("wait", "moon", "--help")[1]
    assert "A moon that has risen." in moon("wait", "--help")[1]
    assert '"moon"' in moon("schema")[1]


_MOON = '''
"""moon: a test's own scheme."""
import os
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal
from initkit.core.errors import TemporaryError
from initkit.core.options import Arg, Declared, Opt, Parser, declared
from initkit.steps.wait.target import Pace

Path = Annotated[str, Parser("PATH", lambda text: text.partition(":")[2] or text)]

@declared
class Moon(Declared):
    """A moon that has risen."""

    schemes: ClassVar[tuple[str, ...]] = ("moon", "luna")
    pace: ClassVar[Pace] = Pace()
    path: Annotated[Path, Arg("Where it rises.", "PATH")]
    phase: Annotated[Literal["full", "half"], Opt("The moon's phase.")] = "half"

    @property
    def name(self):
        return f"moon:{self.path}"

    def probe(self, context):
        if not os.path.exists(self.path):
            raise TemporaryError("see the moon", "not yet")
        return "has risen"

TARGET = Moon
'''
