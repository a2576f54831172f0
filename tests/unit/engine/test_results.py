"""How steps ended, as programs read it, and the exit code of the whole."""

from __future__ import annotations

import json
import math

import pytest

from initkit.core.outcome import Status
from initkit.engine.results import Result, exit_code, printable, redact_json, word


def result(status: Status, code: int = 0) -> Result:
    return Result(name="s", kind="k", status=status, exit_code=code)


OK, CHANGED = result(Status.OK), result(Status.CHANGED)
FAILED, USAGE = result(Status.FAILED, 1), result(Status.FAILED, 2)
WOULD, UNKNOWN = result(Status.WOULD_CHANGE, 3), result(Status.UNKNOWN, 3)
TIMED_OUT, SKIPPED = result(Status.TIMED_OUT, 124), result(Status.SKIPPED)
STOPPED, INTERRUPTED = result(Status.STOPPED, 143), result(Status.STOPPED, 130)


@pytest.mark.parametrize(
    ("results", "code", "status"),
    [
        ([], 0, "ok"),
        ([OK, OK], 0, "ok"),
        ([OK, CHANGED, OK], 0, "changed"),
        ([CHANGED, FAILED, SKIPPED], 1, "failed"),
        ([TIMED_OUT, SKIPPED, FAILED], 124, "timed out"),
        ([FAILED, TIMED_OUT], 1, "failed"),
        ([FAILED, STOPPED], 143, "stopped"),
        ([TIMED_OUT, INTERRUPTED], 130, "stopped"),
        ([WOULD, UNKNOWN], 3, "would change"),
        ([UNKNOWN], 3, "would change"),
        ([WOULD, FAILED], 1, "failed"),
        ([USAGE], 2, "failed"),
    ],
)
def test_the_exit_code_and_the_word_for_a_run(results: list[Result], code: int, status: str) -> None:
    assert (exit_code(results), word(results)) == (code, status)


def test_results_as_json_leave_out_what_is_empty() -> None:
    assert OK.as_json() == {"name": "s", "kind": "k", "status": "ok", "seconds": 0.0}
    full = Result("a", "k", Status.CHANGED, "3 rows", 1.23456, 2, {"rows": 3}, ("x",))
    assert full.as_json() == {
        "name": "a",
        "kind": "k",
        "status": "changed",
        "detail": "3 rows",
        "seconds": 1.235,
        "attempts": 2,
        "changes": ["x"],
        "facts": {"rows": 3},
    }


def test_facts_are_redacted_however_deep_and_become_json() -> None:
    facts = {
        "list": ["postgres://u:hunter2@h", ("password=hunter2",), {1}],
        "map": {"https://x:hunter2@h": None, 3: True},
        "number": 1.5,
        "infinite": math.inf,
        "nan": math.nan,
        "path": object,
        "name": "caf\udce9",
    }
    text = json.dumps(redact_json(facts), ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "hunter2" not in text
    found = json.loads(text)
    assert (found["infinite"], found["nan"], found["number"], found["map"]["3"]) == (None, None, 1.5, True)


def test_octets_that_are_no_text_can_be_printed() -> None:
    assert printable("caf\udce9 é") == "caf\\udce9 é"
