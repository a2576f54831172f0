from __future__ import annotations

import pytest

from initkit.core.assemble import assemble
from initkit.core.options import Invalid, Scope, options_of
from initkit.steps.seed.settings import Columns, FileRule, parse_rule, show_rule
from initkit.steps.seed.step import STEP, Seed


def test_options_come_from_text() -> None:
    step = assemble(Seed, {"paths": ["/seed", "/more"], "mode": "upsert", "key": "a, b", "url": "sqlite:////x.db"})
    assert (step.paths, step.mode, step.key, step.on_change) == (("/seed", "/more"), "upsert", ("a", "b"), None)
    assert step.retry.timeout == 600
    assert STEP is Seed
    assert {"paths", "mode", "on-change", "url", "url-env", "url-file", "env"} <= {o.key for o in options_of(Seed)}


def test_the_set_may_come_from_the_environment() -> None:
    assert assemble(Seed, {"paths": "/seed"}, Scope("seed", {"INITKIT_SEED_ENV": "prod"})).env == "prod"


def test_a_plan_says_anything_of_a_file() -> None:
    given = {"paths": "/seed", "files": [{"file": "a.csv", "columns": {"x": "y", "z": None}}, "*.tsv=replace"]}
    first, second = assemble(Seed, given).files
    assert first == FileRule(file="a.csv", columns=Columns(renamed=(("x", "y"), ("z", ""))))
    assert second == FileRule(file="*.tsv", mode="replace")
    assert show_rule(parse_rule("*.tsv=replace")) == "*.tsv=replace"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "PATH is missing"),
        ({"paths": []}, "expected at least one PATH, got none"),
        (
            {"paths": "/x", "mode": "onec"},
            "expected one of once, upsert, insert-missing, replace, if-empty, got 'onec'",
        ),
        (
            {"paths": "/x", "mode": "upsert", "on-change": "ignore"},
            "expected mode once with on-change ignore, got upsert",
        ),
        ({"paths": "/x", "prune": "yes"}, "expected mode upsert with prune, got once"),
        ({"paths": "/x", "mode": "replace", "prune": "yes"}, "expected mode upsert with prune, got replace"),
        ({"paths": "/x", "key": "id"}, "or on-change upsert with key, got once"),
        ({"paths": "/x", "mode": "if-empty", "key": "id"}, "or on-change upsert with key, got if-empty"),
        ({"paths": ["/x", "/y"], "table": "t"}, "expected one PATH with table, got 2"),
        ({"paths": "/x", "env": "../prod"}, "expected the name of a folder, got '../prod'"),
        ({"paths": "/x", "files": ["a.csv"]}, "expected FILE=MODE such as users.csv=upsert, got 'a.csv'"),
        ({"paths": "/x", "files": [{"file": "a", "modes": "x"}]}, "unknown option 'modes'; did you mean 'mode'"),
        ({"paths": "-"}, r"expected table and format with standard input \(-\)"),
        (
            {"paths": "-", "table": "t", "format": "csv"},
            "or if-empty with standard input .* got once, which has to see",
        ),
        ({"paths": "-", "table": "t", "format": "csv", "mode": "once"}, "got once"),
        ({"paths": "-", "table": "t", "format": "sql", "mode": "upsert"}, "expected another format .* got sql"),
        ({"paths": ["-", "x"], "mode": "upsert", "format": "csv"}, r"expected standard input \(-\) alone"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        assemble(Seed, given)
