"""A plan's text into steps, or every mistake at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from fix_plan import EXAMPLE

from initkit.core.redact import KNOWN
from initkit.engine.plan import PlanError, parse
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from initkit.engine.entries import Entry


def steps(text: str, environ: dict[str, str] | None = None) -> list[Entry]:
    return parse(text, "plan.yaml", environ or {})


def waits(text: str, environ: dict[str, str] | None = None) -> list[Wait]:
    return [cast("Wait", entry.step) for entry in steps(text, environ)]


def mistakes(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(PlanError) as caught:
        steps(text, environ)
    assert caught.value.exit_code == 2
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_the_example_of_the_design_is_a_plan() -> None:
    entries = steps(EXAMPLE)
    assert [(entry.name, entry.step.kind, entry.needs) for entry in entries] == [
        ("deps", "wait", ()),
        ("migrate", "migrate", ("deps",)),
        ("seed", "seed", ("migrate",)),
        ("content", "git", ()),
        ("perms", "perms", ("content",)),
    ]
    deps, migrate, _, content, perms = (cast("Any", entry.step) for entry in entries)
    assert (deps.retry.timeout, deps.retry.max_interval, migrate.retry.timeout) == (300, 0.25, 600)
    assert [target.name for target in deps.targets] == [
        "postgres://db:5432/shop",
        "https://config/ready",
        "file:/vault/token",
    ]
    assert deps.targets[2].not_empty
    assert content.ref == "v1.10"
    assert str(perms.rules[0].file_mode) == "0640"


def test_five_mistakes_are_all_told_each_with_file_line_path_and_what_to_do() -> None:
    text = """\
retry: {timeout: soon}
steps:
- wiat: db:5432
- name: deps
  wait:
    targets: [db:5432, htp://config/ready]
    anny: true
- needs: [dep]
  wait: cache:6379
"""
    with pytest.raises(PlanError) as caught:
        steps(text)
    assert str(caught.value) == (
        "cannot run plan.yaml: 5 mistakes; nothing was attempted\n"
        "  plan.yaml:1: retry.timeout: expected a duration such as 250ms, 30s or 1h30m, got 'soon'\n"
        "  plan.yaml:3: steps[0].wiat: unknown key 'wiat'; did you mean 'wait'?\n"
        "  plan.yaml:6: steps[1].wait.targets[1]: there is no scheme 'htp'; did you mean 'http'?\n"
        "  plan.yaml:7: steps[1].wait.anny: unknown option 'anny'; did you mean 'any'?\n"
        "  plan.yaml:8: steps[2].needs[0]: expected the name of an earlier step, got 'dep'; did you mean 'deps'?"
    )


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "plan.yaml:1: expected a mapping with 'steps', got nothing"),
        ("- wait: a:1", "plan.yaml:1: expected a mapping with 'steps', got a list of 1"),
        ("{}", "plan.yaml:1: expected a list of steps, got nothing"),
        ("steps: []", "plan.yaml:1: steps: expected a list of steps, got a list of 0"),
        ("steps: {wait: a:1}", "plan.yaml:1: steps: expected a list of steps, got a mapping (wait)"),
        ("step: []\nsteps: [{wait: a:1}]", "plan.yaml:1: step: unknown key 'step'; did you mean 'steps'?"),
        ("xyz: 1\nsteps: [{wait: a:1}]", "plan.yaml:1: xyz: unknown key 'xyz'; expected one of retry, steps"),
        ("retry: 5m\nsteps: [{wait: a:1}]", "plan.yaml:1: retry: expected a mapping, got '5m'"),
        (
            "retry: {interval: 0}\nsteps: [{wait: a:1}]",
            "plan.yaml:1: retry.interval: expected a duration longer than 0, got '0'",
        ),
        ("steps:\n- wait", "plan.yaml:2: steps[0]: expected a step such as 'migrate: /migrations', got 'wait'"),
        (
            "steps:\n- name: a",
            "plan.yaml:2: steps[0]: expected exactly one kind of step (git, migrate, perms, seed, wait), got none",
        ),
        (
            "steps:\n- {wait: a:1, migrate: /m}",
            (
                "plan.yaml:2: steps[0]: expected exactly one kind of step (git, migrate, perms, seed, wait), "
                "got wait and migrate"
            ),
        ),
        ("steps:\n- wait:", "plan.yaml:2: steps[0].wait: TARGET is missing"),
        ("steps:\n- wait: []", "plan.yaml:2: steps[0].wait: TARGET is missing"),
        ("steps:\n- wait: {targets: []}", "plan.yaml:2: steps[0].wait: expected at least one TARGET, got none"),
        (
            "steps:\n- {wait: a:1, retry: {interval: 0s}}",
            "plan.yaml:2: steps[0].retry.interval: expected a duration longer than 0, got '0s'",
        ),
        (
            "steps:\n- {wait: a:1, retry: {time: 1s}}",
            "plan.yaml:2: steps[0].retry.time: unknown option 'time'; did you mean 'timeout'?",
        ),
        (
            "steps:\n- wait:\n    targets: a:1\n    retry: {timeout: 1s}",
            "plan.yaml:4: steps[0].wait.retry: expected retry beside the kind, got it inside",
        ),
        ("steps:\n- {name: [], wait: a:1}", "plan.yaml:2: steps[0].name: expected a name, got a list of 0"),
        ("steps:\n- {name: ' ', wait: a:1}", "plan.yaml:2: steps[0].name: expected a name, got ' '"),
        (
            "steps:\n- {name: a, wait: a:1}\n- {name: a, wait: b:1}",
            "plan.yaml:3: steps[1].name: expected a name of its own, got 'a' again",
        ),
        (
            "steps:\n- {name: a, needs: a, wait: a:1}",
            "plan.yaml:2: steps[0].needs[0]: expected the name of an earlier step, got 'a'",
        ),
        (
            "steps:\n- {needs: [{a: b}], wait: a:1}",
            "plan.yaml:2: steps[0].needs[0]: expected the name of an earlier step, got a mapping (a)",
        ),
        ("steps:\n- {migrate: [/a, /b]}", "plan.yaml:2: steps[0].migrate: expected PATH, got '/b' too many"),
        ("steps:\n- wait: a:1\n  wait: b:1", "plan.yaml:3: 'wait' stands twice, first in line 2"),
        ("steps: [", "plan.yaml:1: cannot be read as YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_mistakes(text: str, mistake: str) -> None:
    assert mistakes(text) == [mistake]


def test_a_reference_that_is_unset_is_a_mistake_with_its_line_beside_the_others() -> None:
    assert mistakes("steps:\n- wait:\n    targets:\n    - ${HOST}\n    any: maybe\n", {"OTHER": "x"}) == [
        (
            "plan.yaml:4: steps[0].wait.targets[0]: the environment variable HOST is not set; "
            "set it, or write ${HOST:-default}"
        ),
        "plan.yaml:5: steps[0].wait.any: expected true or false, got 'maybe'",
    ]


def test_references_are_replaced() -> None:
    (step,) = waits("steps: [{wait: '${HOST}:${PORT:-80}'}]", {"HOST": "db"})
    assert step.targets[0].name == "tcp://db:80"


def test_steps_are_named_after_their_kind_and_counted() -> None:
    entries = steps("steps: [{wait: a:1}, {wait: b:1}, {name: x, wait: c:1}, {wait: d:1}]")
    assert [entry.name for entry in entries] == ["wait", "wait-2", "x", "wait-3"]
    assert [entry.needs for entry in entries] == [(), ("wait",), ("wait-2",), ("x",)]


@pytest.mark.parametrize(("needs", "found"), [("[]", ()), ("", ()), ("a", ("a",)), ("[a, b]", ("a", "b"))])
def test_needs_are_names_of_earlier_steps(needs: str, found: tuple[str, ...]) -> None:
    entries = steps(f"steps: [{{name: a, wait: a:1}}, {{name: b, wait: b:1}}, {{wait: c:1, needs: {needs}}}]")
    assert entries[2].needs == found


def test_retry_comes_from_the_step_then_the_plan_then_the_environment_then_the_kind() -> None:
    environ = {"INITKIT_WAIT_TIMEOUT": "1s", "INITKIT_WAIT_ATTEMPTS": "9", "INITKIT_WAIT_JITTER": "50%"}
    (step,) = waits(
        "retry: {timeout: 2s, attempts: 5}\nsteps:\n- {wait: a:1, retry: {attempts: 7}}\n",
        environ,
    )
    assert (step.retry.attempts, step.retry.timeout, step.retry.jitter, step.retry.suspect_for) == (7, 2, 0.5, 60)


def test_an_empty_retry_says_nothing() -> None:
    (step,) = waits("retry:\nsteps:\n- {wait: a:1, retry: }\n")
    assert step.retry == Wait.__dataclass_fields__["retry"].default


def test_a_bad_variable_is_a_mistake_of_the_plan_that_names_it() -> None:
    assert mistakes("steps:\n- wait: a:1\n", {"INITKIT_WAIT_TIMEOUT": "soon"}) == [
        (
            "plan.yaml:2: steps[0].wait: expected a duration such as 250ms, 30s or 1h30m, got 'soon' "
            "(from the environment variable INITKIT_WAIT_TIMEOUT)"
        ),
    ]


def test_another_databases_url_is_a_mistake_with_its_line() -> None:
    mistake = "expected a postgres:// URL or key=value words, got a URL of another database"
    for url in ("sqlite://", "sqlite:////data/shop.db"):
        assert mistakes(f"steps:\n- wait:\n    targets:\n    - postgres: '{url}'\n") == [
            f"plan.yaml:4: steps[0].wait.targets[0].postgres.url: {mistake}"
        ]


def test_passwords_in_mistakes_are_masked() -> None:
    KNOWN.forget()
    found = "\n".join(mistakes("steps:\n- wait: ['http://app:hunter2@', 'mysql://app:hunter2@db/', 'x:hunter2@db:1']"))
    assert "hunter2" not in found
    KNOWN.forget()
