"""The termination message: never more than 4096 bytes, always JSON, and the reason is kept."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from initkit import __version__
from initkit.core.errors import UsageError
from initkit.core.outcome import Status
from initkit.engine import termination
from initkit.engine.results import Result

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def ok(name: str = "deps", detail: str = "1 target ready", *, number: int = 0) -> Result:
    return Result(name=f"{name}{number or ''}", kind="wait", status=Status.OK, detail=detail, seconds=1.0, attempts=1)


def failed(detail: str, name: str = "schema") -> Result:
    return Result(name=name, kind="migrate", status=Status.FAILED, detail=detail, exit_code=1, traceback="x" * 9000)


def test_a_summary_of_each_step() -> None:
    assert json.loads(termination.message([ok(), failed("cannot connect")])) == {
        "initkit": __version__,
        "exit_code": 1,
        "status": "failed",
        "steps": [
            {"name": "deps", "kind": "wait", "status": "ok", "detail": "1 target ready", "seconds": 1.0, "attempts": 1},
            {"name": "schema", "kind": "migrate", "status": "failed", "detail": "cannot connect", "seconds": 0.0},
        ],
    }


def test_facts_and_changes_are_left_to_the_report() -> None:
    result = Result("a", "k", Status.CHANGED, "x", facts={"rows": 1}, changes=("y",))
    (step,) = json.loads(termination.message([result]))["steps"]
    assert set(step) == {"name", "kind", "status", "detail", "seconds"}


def test_long_details_of_what_went_well_are_cut_first() -> None:
    found = json.loads(termination.message([ok(detail="a" * 4000), failed("because " + "b" * 900)]))
    assert found["steps"][1]["detail"] == "because " + "b" * 900
    assert found["steps"][0]["detail"].endswith("a…")
    assert "steps_left_out" not in found


def test_of_many_steps_those_that_failed_are_kept() -> None:
    many = [ok(number=i) for i in range(200)]
    found = json.loads(termination.message([*many, failed("because of this"), *many]))
    assert [step["detail"] for step in found["steps"]] == ["because of this"]
    assert (found["steps_left_out"], found["exit_code"]) == (400, 1)


def test_of_many_failures_the_first_are_kept() -> None:
    found = json.loads(termination.message([failed(f"reason {i}") for i in range(500)]))
    assert [step["detail"] for step in found["steps"]] == [f"reason {i}" for i in range(30)]
    assert found["steps_left_out"] == 470


def test_of_many_that_went_well_some_are_kept() -> None:
    found = json.loads(termination.message([ok(number=i) for i in range(500)]))
    assert (len(found["steps"]), found["steps_left_out"], found["exit_code"]) == (30, 470, 0)


TEXTS = st.text(max_size=40) | st.builds(lambda text, times: text * times, st.text(max_size=20), st.integers(0, 600))
RESULTS = st.builds(
    Result,
    name=TEXTS,
    kind=st.sampled_from(["wait", "migrate"]),
    status=st.sampled_from(Status),
    detail=TEXTS,
    seconds=st.floats(0, 1e9),
    attempts=st.integers(0, 10**9),
    exit_code=st.sampled_from([0, 0, 1, 2, 3, 124, 143]),
)


@settings(max_examples=50)
@given(st.lists(RESULTS, max_size=12), st.integers(1, 20))
def test_whatever_comes_in_it_is_json_of_at_most_4096_bytes(results: list[Result], times: int) -> None:
    text = termination.message(results * times)
    assert len(text.encode()) <= 4096
    found = json.loads(text)
    bad = [result for result in results * times if result.exit_code]
    if bad:
        assert found["exit_code"]
        start = str(bad[0].as_json().get("detail", ""))[:60]
        assert any(str(step.get("detail", "")).startswith(start) for step in found["steps"])


def test_the_reason_is_kept_whatever_the_steps_name_is() -> None:
    found = json.loads(termination.message([failed("because of this", name="\U0001f511" * 5000)]))
    assert found["steps"][0]["detail"] == "because of this"


def test_names_that_are_no_text_do_no_harm() -> None:
    found = json.loads(termination.message([failed("cannot look at caf\udce9")]))
    assert found["steps"][0]["detail"] == "cannot look at caf\\udce9"


@given(TEXTS, TEXTS)
def test_a_refusal_is_json_of_at_most_4096_bytes(cause: str, advice: str) -> None:
    text = termination.refusal(UsageError("run plan.yaml", cause, advice))
    assert len(text.encode()) <= 4096
    found = json.loads(text)
    assert (found["exit_code"], found["status"], found["initkit"]) == (2, "failed", __version__)
    assert found["message"].startswith("cannot run plan.yaml: ")


def test_a_refusal_is_redacted() -> None:
    assert "hunter2" not in termination.refusal(UsageError("read", "postgres://u:hunter2@h"))


def test_it_is_written_into_a_file_that_may_be_there_before(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert termination.write(str(path), "a long first message")
    inode = path.stat().st_ino
    assert termination.write(str(path), "short")
    assert (path.read_text(), path.stat().st_ino) == ("short", inode)
    assert termination.write(str(path), "")
    assert path.read_text() == ""
    assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0


def test_a_path_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    assert not termination.write(str(tmp_path), "x")
    assert not termination.write(str(tmp_path / "no" / "folder"), "x")
    assert not termination.write("/dev/full", "x")


def test_without_a_path_only_what_the_kubelet_has_mounted_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "termination-log"
    monkeypatch.setattr(termination, "DEFAULT_PATH", str(mounted))
    assert not termination.write(None, "x")
    assert not mounted.exists()
    mounted.touch()
    assert termination.write(None, "x")
    assert mounted.read_text() == "x"
    assert os.path.basename(termination.DEFAULT_PATH) == "termination-log"
