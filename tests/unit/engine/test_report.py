"""What a run tells people and programs while it goes on."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from initkit.core.outcome import Status
from initkit.engine.report import JsonSink, Reporter, TextSink
from initkit.engine.results import Result

if TYPE_CHECKING:
    from fix_clock import VirtualClock

    from initkit.engine.report import Level


class Told:
    """A reporter and what it wrote."""

    def __init__(self, clock: VirtualClock, *, level: Level = "info", as_json: bool = False) -> None:
        self.stream = io.StringIO()
        self.clock = clock
        sink = JsonSink(self.stream) if as_json else TextSink(self.stream)
        self.reporter = Reporter(sink, clock, level=level)

    def lines(self) -> list[str]:
        """Those since the last call."""
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return text.splitlines()

    def texts(self) -> list[str]:
        return [line.partition(" ")[2] for line in self.lines()]

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]

    def pass_time(self, seconds: int) -> list[str]:
        for _ in range(seconds):
            self.clock.advance(1)
            self.reporter.tick()
        return self.texts()


@pytest.fixture
def told(clock: VirtualClock) -> Told:
    return Told(clock)


def ended(status: Status = Status.OK, **more: Any) -> Result:
    return Result(
        **{
            "name": "deps",
            "kind": "wait",
            "status": status,
            "detail": "2 targets ready",
            "seconds": 1.25,
            "attempts": 1,
            **more,
        }
    )


def test_a_line_has_the_time_in_utc_the_step_and_what_happened(told: Told) -> None:
    told.reporter.voice("deps").note("looking")
    assert told.lines() == ["22:30:00 deps: looking"]
    told.reporter.voice("").note("holding")
    assert told.lines() == ["22:30:00 holding"]


def test_a_state_is_told_once_until_its_reason_changes(told: Told) -> None:
    voice = told.reporter.voice("deps")
    for why in ("refused", "refused", "no answer", "no answer", "refused"):
        voice.missing("tcp://db:5432", why, attempts=1)
    assert told.texts() == [
        "deps: waiting for tcp://db:5432: refused",
        "deps: waiting for tcp://db:5432: no answer",
        "deps: waiting for tcp://db:5432: refused",
    ]


def test_what_misses_itself_is_told_without_its_name(told: Told) -> None:
    told.reporter.voice("schema").missing("schema", "cannot connect", attempts=1)
    assert told.texts() == ["schema: cannot connect"]


def test_what_is_found_is_told_with_the_time_and_the_attempts(told: Told) -> None:
    voice = told.reporter.voice("deps")
    voice.found("tcp://db:5432", "accepts connections", attempts=1, seconds=0.0042)
    voice.found("file:/x", "is there", attempts=12, seconds=61.5)
    assert told.texts() == [
        "deps: tcp://db:5432 accepts connections after 0s (1 attempt)",
        "deps: file:/x is there after 1m1.5s (12 attempts)",
    ]


def test_a_heartbeat_each_ten_seconds_says_what_is_missing_why_since_when_and_how_often(told: Told) -> None:
    voice = told.reporter.voice("deps")
    told.reporter.began("deps", "wait", deadline=told.clock.now() + 60)
    told.clock.advance(3)
    voice.missing("tcp://db:5432", "refused", attempts=1)
    voice.missing("file:/x", "no such file", attempts=2)
    told.texts()
    assert told.pass_time(6) == []
    voice.missing("tcp://db:5432", "refused", attempts=8)
    assert told.pass_time(1) == [
        (
            "deps: still waiting for tcp://db:5432: refused (for 7s, 8 attempts); "
            "file:/x: no such file (for 7s, 2 attempts); 50s left"
        ),
    ]
    voice.found("file:/x", "is there", attempts=3, seconds=9)
    told.texts()
    assert told.pass_time(9) == []
    assert told.pass_time(1) == ["deps: still waiting for tcp://db:5432: refused (for 17s, 8 attempts); 40s left"]


def test_while_nothing_is_missing_there_is_no_heartbeat(told: Told) -> None:
    assert told.pass_time(30) == []
    told.reporter.voice("deps").missing("x", "y", attempts=1)
    told.texts()
    assert told.pass_time(9) == []
    assert len(told.pass_time(1)) == 1


def test_without_a_deadline_nothing_is_said_about_the_time_left(told: Told) -> None:
    told.reporter.began("deps", "wait", deadline=float("inf"))
    told.reporter.voice("deps").missing("x", "y", attempts=1)
    told.texts()
    assert told.pass_time(10) == ["deps: still waiting for x: y (for 10s, 1 attempt)"]


def test_a_heartbeat_names_ten_and_counts_the_rest(told: Told) -> None:
    for i in range(13):
        told.reporter.voice("deps").missing(f"t{i}", "y", attempts=1)
    told.texts()
    (line,) = told.pass_time(10)
    assert "t9: y" in line
    assert "t10" not in line
    assert line.endswith("; and 3 more")


def test_a_heartbeat_lists_fifty_for_programs_and_counts_all(clock: VirtualClock) -> None:
    told = Told(clock, as_json=True)
    for i in range(60):
        told.reporter.voice("deps").missing(f"t{i}", "y", attempts=1)
    told.objects()
    clock.advance(10)
    told.reporter.tick()
    (beat,) = told.objects()
    assert len(beat["missing"]) == 50
    assert beat["missing_count"] == 60


def test_what_a_step_is_at_is_told_every_ten_seconds_and_not_before(told: Told) -> None:
    voice = told.reporter.voice("seed")
    told.clock.advance(3)
    for second in range(9):
        voice.progress("users", f"{second} rows", share=second / 100)
        assert told.pass_time(1) == []
    voice.progress("users", "1200000 rows, 110 MB, 250000 rows/s", share=0.439)
    assert told.pass_time(1) == ["seed: users: 1200000 rows, 110 MB, 250000 rows/s, 43 %"]
    assert told.pass_time(9) == []
    voice.progress("users", "1 row")
    assert told.pass_time(1) == ["seed: users: 1 row"]


def test_of_what_a_step_is_done_with_nothing_more_is_told(told: Told) -> None:
    voice = told.reporter.voice("seed")
    voice.progress("users", "1 row")
    assert told.pass_time(9) == []
    voice.done("users")
    voice.done("users")
    assert told.pass_time(30) == []


def test_many_short_things_are_told_of_as_often_as_a_long_one(told: Told) -> None:
    voice = told.reporter.voice("seed")
    lines = []
    for number in range(8):
        voice.progress(f"part{number}", "1 row")
        lines += told.pass_time(4)
        voice.done(f"part{number}")
    assert lines == ["seed: part2: 1 row", "seed: part4: 1 row", "seed: part7: 1 row"]


def test_what_a_step_was_at_is_forgotten_once_it_has_ended_or_an_attempt_has_failed(told: Told) -> None:
    for step in ("deps", "other", "third"):
        told.reporter.voice(step).progress("users", "1 row")
    told.reporter.ended(ended())
    told.reporter.gave_up("third")
    told.texts()
    assert told.pass_time(10) == ["other: users: 1 row"]


def test_progress_of_a_step_that_is_heard_no_more_is_not_told(told: Told) -> None:
    told.reporter.mute()
    told.reporter.voice("seed").progress("users", "1 row")
    assert told.pass_time(20) == []


def test_programs_are_told_progress_in_parts(clock: VirtualClock) -> None:
    told = Told(clock, as_json=True)
    voice = told.reporter.voice("seed")
    voice.progress("users", "12 rows, 1 MB", share=1 / 3)
    voice.progress("stdin", "3 rows")
    clock.advance(10)
    told.reporter.tick()
    users, stdin = told.objects()
    assert (users["event"], users["step"], users["level"]) == ("progress", "seed", "info")
    assert users["message"] == "users: 12 rows, 1 MB, 33 %"
    assert (users["name"], users["text"], users["share"]) == ("users", "12 rows, 1 MB", 0.333)
    assert (stdin["name"], stdin["text"]) == ("stdin", "3 rows")
    assert "share" not in stdin


def test_each_step_has_a_heartbeat_of_its_own(told: Told) -> None:
    for step in ("a", "b"):
        told.reporter.voice(step).missing("x", "y", attempts=1)
    told.texts()
    assert [line.partition(":")[0] for line in told.pass_time(10)] == ["a", "b"]


def test_what_a_step_missed_is_forgotten_once_it_has_ended(told: Told) -> None:
    told.reporter.voice("deps").missing("x", "y", attempts=1)
    told.reporter.voice("other").missing("x", "y", attempts=1)
    told.reporter.ended(ended())
    told.texts()
    assert [line.partition(":")[0] for line in told.pass_time(10)] == ["other"]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["detail", "note", "warn", "error"]),
        ("info", ["note", "warn", "error"]),
        ("warning", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_decides_what_is_shown(clock: VirtualClock, level: Level, shown: list[str]) -> None:
    told = Told(clock, level=level)
    voice = told.reporter.voice("")
    voice.detail("detail")
    voice.note("note")
    voice.warn("warn")
    told.reporter.emit("error", "error", "error")
    assert [text.removeprefix("warning: ") for text in told.texts()] == shown


def test_a_step_that_ended_is_told_at_once_where_there_are_several(told: Told) -> None:
    told.reporter.planned(2)
    told.reporter.ended(ended())
    told.reporter.ended(ended(Status.SKIPPED, detail="because a did not succeed", attempts=0))
    told.reporter.ended(ended(Status.OK, detail="", seconds=0))
    assert told.texts() == [
        "deps: ok: 2 targets ready (1.25s)",
        "deps: skipped: because a did not succeed",
        "deps: ok (0s)",
    ]


def test_a_failure_is_told_even_where_only_errors_are(clock: VirtualClock) -> None:
    told = Told(clock, level="error")
    told.reporter.planned(2)
    told.reporter.ended(ended())
    told.reporter.ended(ended(Status.WOULD_CHANGE, exit_code=3))
    told.reporter.ended(ended(Status.FAILED, exit_code=1, detail="no", traceback="Traceback\n  line\n"))
    assert told.lines() == ["22:30:00 deps: Traceback", "  line", "22:30:00 deps: failed: no (1.25s)"]


def test_the_summary_has_a_line_per_step_in_columns(told: Told) -> None:
    told.reporter.summary(
        [
            ended(),
            ended(Status.WOULD_CHANGE, name="schema-of-it", detail="2 revisions", changes=("a1", "b2"), exit_code=3),
            ended(Status.SKIPPED, name="c", detail="", attempts=0),
        ]
    )
    assert told.lines() == [
        "ok            deps          2 targets ready  1.25s",
        "would change  schema-of-it  2 revisions  1.25s",
        "                              a1",
        "                              b2",
        "skipped       c",
    ]
    told.reporter.summary([])
    assert told.lines() == []


def test_results_may_go_to_a_stream_of_their_own(clock: VirtualClock) -> None:
    log, out = io.StringIO(), io.StringIO()
    reporter = Reporter(TextSink(log), clock, level="debug", results=TextSink(out))
    reporter.summary([ended(Status.FAILED, exit_code=1)])
    reporter.close()
    assert out.getvalue().startswith("failed")
    assert "exit code 1" in log.getvalue()
    assert "exit code" not in out.getvalue()


def test_everything_told_is_redacted_and_printable(clock: VirtualClock) -> None:
    for as_json in (False, True):
        told = Told(clock, level="debug", as_json=as_json)
        secret = "postgres://u:hunter2@h caf\udce9"
        voice = told.reporter.voice("deps")
        voice.note(secret, url=secret, several=[secret, {"x": secret}])
        voice.missing(secret, secret, attempts=1)
        voice.progress(secret, secret, share=0.5)
        told.clock.advance(10)
        told.reporter.tick()
        voice.found(secret, secret, attempts=1, seconds=1)
        told.reporter.ended(ended(detail=secret, traceback=secret, changes=(secret,), facts={"a": secret}))
        told.reporter.summary([ended(detail=secret, changes=(secret,), facts={"a": secret})])
        text = told.stream.getvalue()
        text.encode()
        assert "hunter2" not in text
        assert text.count("u:***@h") > 10


def test_json_lines_have_the_time_the_level_the_event_and_the_facts(clock: VirtualClock) -> None:
    told = Told(clock, as_json=True)
    told.reporter.voice("deps").note("looking — now", where="/x", count=3)
    told.reporter.voice("").warn("two\nlines")
    told.reporter.voice("deps").missing("tcp://db:1", "refused", attempts=2)
    told.clock.advance(10.0004)
    told.reporter.tick()
    told.reporter.voice("deps").found("tcp://db:1", "is there", attempts=3, seconds=10.00049)
    found = told.objects()
    head = {"time": "2023-11-14T22:30:00.000Z", "level": "info", "step": "deps"}
    assert found[0] == head | {"event": "note", "message": "looking — now", "where": "/x", "count": 3}
    assert found[1] == {
        "time": "2023-11-14T22:30:00.000Z",
        "level": "warning",
        "event": "warning",
        "message": "two\nlines",
    }
    assert found[2]["event"] == "missing"
    assert (found[2]["target"], found[2]["why"], found[2]["attempts"]) == ("tcp://db:1", "refused", 2)
    assert found[3]["event"] == "waiting"
    assert found[3]["missing"] == [{"target": "tcp://db:1", "why": "refused", "seconds": 10.0, "attempts": 2}]
    assert (found[4]["event"], found[4]["seconds"]) == ("found", 10.0)


def test_a_fact_does_not_take_an_events_own_place(clock: VirtualClock) -> None:
    told = Told(clock, as_json=True)
    told.reporter.voice("deps").note("text", message="other", time=1, level="x", event="y", step="z", more="here")
    (found,) = told.objects()
    assert (found["message"], found["event"], found["step"], found["level"]) == ("text", "note", "deps", "info")
    assert found["more"] == "here"


def test_the_summary_as_json_has_the_whole_result(clock: VirtualClock) -> None:
    told = Told(clock, as_json=True)
    told.reporter.summary([ended(facts={"rows": 3}, changes=("a", "b"))])
    (found,) = told.objects()
    assert found["message"] == "ok deps 2 targets ready 1.25s a b"
    assert (found["event"], found["name"], found["facts"], found["changes"]) == (
        "summary",
        "deps",
        {"rows": 3},
        ["a", "b"],
    )
