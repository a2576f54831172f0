"""What people type, and what comes back: exit codes, chains, plans, COMMAND, reports."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from fix_program import initkit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_program import Running

    Start = Callable[..., Running]


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_single_command_ends_with_a_summary(open_port: int) -> None:
    ended = initkit("wait", f"127.0.0.1:{open_port}")
    assert ended.returncode == 0
    assert ended.stdout == ""
    assert re.search(r"^ok +wait +1 target ready", ended.stderr, re.MULTILINE)


def test_a_chain_runs_in_order_and_stops_at_the_first_failure(open_port: int, tmp_path: Path) -> None:
    ended = initkit(
        "wait", f"127.0.0.1:{open_port}", "--then", "wait", "--timeout", "200ms", f"file:{tmp_path}/never",
        "--then", "wait", f"127.0.0.1:{open_port}",
    )  # fmt: skip
    words = [line.split()[0:2] for line in ended.stderr.splitlines()[-3:]]
    assert words == [["ok", "wait"], ["timed", "out"], ["skipped", "wait-3"]]
    assert ended.returncode == 124


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing command"),
        (["wiat", "db:5432"], "did you mean 'wait'?"),
        (["wait"], "TARGET is missing"),
        (["wait", "db:5432", "--timeuot", "3s"], "--timeout"),
        (["wait", "db:5432", "--timeout", "soon"], "--timeout: expected a duration such as 250ms, 30s or 1h30m"),
        (["wait", "db:99999"], "expected a port from 1 to 65535"),
        (["wait", "postgre://db/shop"], "did you mean 'postgres'?"),
        (["wait", "db:5432", "--then"], "nothing stands before or behind a --then"),
        (["wait", "db:5432", "--"], "nothing stands behind --"),
        (["--check", "wait", "db:5432", "--", "true"], "--check looks only"),
        (["wait", "http", "http://x/", "--status", "2oo"], "--status: expected statuses such as 200,204 or 200-299"),
        (["hold", "--then", "wait", "db:1"], "hold stands alone"),
        (["run", "/no/such/plan.yaml"], "No such file"),
        (["migrate", "/migrations"], "set DATABASE_URL or PGHOST"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_told_and_nothing_is_attempted(words: list[str], message: str) -> None:
    ended = initkit(*words)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_database_address_is_found_before_anything_is_attempted(open_port: int, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id\n1\n")
    ended = initkit("wait", f"127.0.0.1:{open_port}", "--then", "seed", str(tmp_path))
    assert ended.returncode == 2
    assert "accepts connections" not in ended.stderr
    assert "set DATABASE_URL" in ended.stderr


def test_global_options_may_stand_anywhere_before_the_command(open_port: int, tmp_path: Path) -> None:
    target = f"127.0.0.1:{open_port}"
    for words in (
        ["--log-format", "json", "wait", target],
        ["wait", "--log-format", "json", target],
        ["wait", target, "--log-format=json"],
        ["wait", f"file:{tmp_path}", "--then", "wait", target, "--log-format", "json"],
    ):
        ended = initkit(*words)
        assert ended.returncode == 0
        assert [json.loads(line) for line in ended.stderr.splitlines()]


def test_options_come_from_the_environment_and_what_is_typed_goes_first(tmp_path: Path) -> None:
    env = {"INITKIT_WAIT_TIMEOUT": "200ms", "INITKIT_WAIT_TARGETS": f"file:{tmp_path}/a file:{tmp_path}/b"}
    assert initkit("wait", env=env).returncode == 124
    (tmp_path / "a").touch()
    assert initkit("wait", "--any", env=env).returncode == 0
    ended = initkit("wait", f"file:{tmp_path}/a", env=env | {"INITKIT_WAIT_TIMEOUT": "later"})
    assert ended.returncode == 2
    assert "INITKIT_WAIT_TIMEOUT" in ended.stderr
    assert (
        initkit("wait", f"file:{tmp_path}/a", "--timeout", "1s", env={"INITKIT_WAIT_TIMEOUT": "later"}).returncode == 0
    )


def test_variables_that_kubernetes_makes_for_a_service_named_initkit_do_no_harm(tmp_path: Path) -> None:
    env = {
        "INITKIT_SERVICE_HOST": "10.0.0.1",
        "INITKIT_SERVICE_PORT": "443",
        "INITKIT_PORT": "tcp://10.0.0.1:443",
        "INITKIT_PORT_443_TCP_ADDR": "10.0.0.1",
        "INITKIT_WAIT_PORT": "tcp://10.0.0.2:80",
        "INITKIT_WAIT_SERVICE_HOST": "10.0.0.2",
    }
    assert initkit("wait", f"file:{tmp_path}", env=env).returncode == 0


def test_check_looks_once_and_says_what_depends_on_it(tmp_path: Path) -> None:
    ended = initkit("--check", "wait", f"file:{tmp_path}/never", "--then", "wait", f"file:{tmp_path}")
    assert ended.returncode == 3
    assert re.search(r"^would change +wait +not ready: file:", ended.stdout, re.MULTILINE)
    assert re.search(r"^unknown +wait-2 +until wait has run", ended.stdout, re.MULTILINE)
    ready = initkit("wait", "--check", f"file:{tmp_path}")
    assert ready.returncode == 0
    assert ready.stdout.startswith("ok")


def test_a_command_replaces_the_program_with_its_input_and_exit_code(tmp_path: Path) -> None:
    with (tmp_path / "in").open("w+") as stdin:
        stdin.write("from standard input")
        stdin.flush()
        stdin.seek(0)
        script = 'echo "pid $$"; cat; exit 7'
        ended = initkit("wait", f"file:{tmp_path}", "--", "sh", "-c", script, stdin=stdin)
    assert ended.returncode == 7
    assert ended.stdout.endswith("from standard input")


def test_a_command_finds_broken_pipes_as_a_shell_would_give_them(tmp_path: Path) -> None:
    """Python ignores SIGPIPE from its start; a program that inherits that never ends when nobody reads it."""
    ended = initkit("wait", f"file:{tmp_path}", "--", "sh", "-c", "trap '' TERM; yes | head -1; echo ${PIPESTATUS:-ok}")
    assert ended.returncode == 0
    assert "Broken pipe" not in ended.stderr


def test_a_command_is_not_run_after_a_failure(tmp_path: Path) -> None:
    ended = initkit("wait", "--timeout", "100ms", f"file:{tmp_path}/never", "--", "touch", f"{tmp_path}/ran")
    assert ended.returncode == 124
    assert not (tmp_path / "ran").exists()


def test_a_command_that_cannot_be_run_ends_as_a_shell_has_it(tmp_path: Path) -> None:
    assert initkit("wait", f"file:{tmp_path}", "--", "no-such-program").returncode == 127
    (tmp_path / "plain").write_text("not a program")
    assert initkit("wait", f"file:{tmp_path}", "--", str(tmp_path / "plain")).returncode == 126


def test_then_behind_the_double_dash_belongs_to_the_command(tmp_path: Path) -> None:
    ended = initkit("wait", f"file:{tmp_path}", "--", "echo", "--then", "--", "--check")
    assert ended.stdout.strip() == "--then -- --check"


def test_the_termination_log_says_why_and_is_emptied_before_a_command(tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    initkit("--termination-log", str(log), "wait", "--timeout", "100ms", f"file:{tmp_path}/never")
    failed = json.loads(log.read_text())
    assert failed["exit_code"] == 124
    assert "no such file" in failed["steps"][0]["detail"]
    initkit("--termination-log", str(log), "wait", f"file:{tmp_path}")
    assert json.loads(log.read_text())["status"] == "ok"
    initkit("--termination-log", str(log), "wait", f"file:{tmp_path}", "--", "true")
    assert log.read_text() == ""
    initkit("--termination-log", str(log), "wait", "nonsense")
    assert json.loads(log.read_text())["exit_code"] == 2


def test_a_termination_log_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    assert initkit("--termination-log", str(tmp_path), "wait", f"file:{tmp_path}").returncode == 0
    assert initkit("--termination-log", "/no/such/folder/log", "wait", f"file:{tmp_path}").returncode == 0


def test_a_report_has_every_step(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    initkit("--report", str(report), "wait", f"file:{tmp_path}", "--then", "wait", f"file:{tmp_path}")
    whole = json.loads(report.read_text())
    assert whole["status"] == "ok"
    assert [step["name"] for step in whole["steps"]] == ["wait", "wait-2"]


def test_a_plan_with_five_mistakes_reports_all_five_and_attempts_nothing(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "steps:\n"
        "- name: deps\n"
        "  wait: {targets: [db:5432], annny: true}\n"
        "- migrat: /migrations\n"
        "- wait: [db:99999]\n"
        "  retry: {timeout: soon}\n"
        "- wait: ['${UNSET_NAME}']\n"
        f"- wait: file:{tmp_path}\n"
        "  needs: [dep]\n"
    )
    ended = initkit("run", str(plan))
    assert ended.returncode == 2
    assert "6 mistakes; nothing was attempted" in ended.stderr
    for line, message in (
        (3, "steps[0].wait.annny: unknown option 'annny'; did you mean 'any'?"),
        (4, "steps[1].migrat: unknown key 'migrat'; did you mean 'migrate'?"),
        (5, "steps[2].wait.targets[0]: expected a port from 1 to 65535, got 99999"),
        (6, "steps[2].retry.timeout: expected a duration such as 250ms, 30s or 1h30m, got 'soon'"),
        (7, "steps[3].wait[0]: the environment variable UNSET_NAME is not set"),
        (9, "steps[4].needs[0]: expected the name of an earlier step, got 'dep'; did you mean 'deps'?"),
    ):
        assert f"{plan}:{line}: {message}" in ended.stderr
    assert "is there" not in ended.stderr


def test_a_plan_comes_from_standard_input_too(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("steps:\n- wait: file:${PLACE:-/nowhere}\n")
    with plan.open() as stdin:
        assert initkit("run", "-", env={"PLACE": str(tmp_path)}, stdin=stdin).returncode == 0


def test_hold_ends_when_its_file_is_touched(running: Start, tmp_path: Path) -> None:
    program = running("hold", "--for", "1h", "--file", str(tmp_path / "go"))
    program.line_with("holding for 1h")
    released = initkit("hold", "--release", "--file", str(tmp_path / "go"))
    assert released.returncode == 0
    assert program.ended() == 0


def test_hold_ends_when_the_time_is_over() -> None:
    began = time.monotonic()
    assert initkit("hold", "--for", "300ms").returncode == 0
    assert time.monotonic() - began >= 0.3


def test_hold_on_failure_keeps_the_failure_s_exit_code(running: Start, tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path)}
    never = f"file:{tmp_path}/never"
    program = running("--hold-on-failure", "1h", "wait", "--timeout", "100ms", never, env=env)
    program.line_with("timed out")
    program.line_with("kubectl exec")
    program.line_with("holding for 1h")
    assert initkit("hold", "--release", env=env).returncode == 0
    assert program.ended() == 124


def test_an_unwritable_standard_error_is_no_error(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "initkit", "wait", f"file:{tmp_path}"],
            stderr=full,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    assert ended.returncode == 0


def test_a_schema_that_cannot_be_written_is_an_error_but_one_that_is_not_read_to_the_end_is_none() -> None:
    command = f"{sys.executable} -m initkit schema"
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*command.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert "cannot print the schema" in ended.stderr
    piped = subprocess.run(
        ["sh", "-c", f"({command}; echo $? >&2) | head -c 1"], capture_output=True, text=True, check=False
    )
    assert (piped.stdout, piped.stderr) == ("{", "0\n")


def test_json_lines_stay_json_whatever_is_secret(tmp_path: Path) -> None:
    """A password may be a number that stands in the facts, or the name of a key."""
    for secret in ("0.0", "time", "attempts", "null", '"level"', "1234"):
        env = {"DB_PASSWORD": secret, "OTHER_TOKEN": "true"}
        ended = initkit("--log-format", "json", "wait", f"file:{tmp_path}", env=env)
        assert [json.loads(line)["event"] for line in ended.stderr.splitlines()] == ["found", "summary"]


def test_an_ascii_locale_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "zażółć").touch()
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    for more in ([], ["--check"], ["--log-format", "json"]):
        ended = initkit(*more, "wait", f"file:{tmp_path}/zażółć", env=env)
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_options_that_stand_before_a_form_s_name_may_come_from_the_environment() -> None:
    shown = initkit("wait", "https", "--help").stdout
    assert "INITKIT_WAIT_HTTP_OPTION (those of http) or INITKIT_WAIT_OPTION (all others)" in " ".join(shown.split())
    env = {"INITKIT_WAIT_TIMEOUT": "200ms", "INITKIT_WAIT_HTTP_STATUS": "204"}
    ended = initkit("wait", "http", "http://127.0.0.1:1/", env=env)
    assert ended.returncode == 124
    assert "gave up after 200ms" in ended.stderr


def test_quiet_prints_the_failure_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    ended = initkit("wait", f"file:{tmp_path}/there", "--quiet")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = initkit("--quiet", "wait", "127.0.0.1:1", "--timeout", "200ms")
    assert ended.returncode == 124
    assert ended.stderr.startswith("timed out")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stable", "20s", "--timeout", "2s"], "expected a --timeout longer than --stable 20s, got 2s"),
        (["--successes", "5", "--attempts", "3"], "expected --attempts of at least --successes 5, got 3"),
        (["--successes", "0"], "expected --successes of at least 1, got 0"),
    ],
)
def test_what_no_wait_can_satisfy_is_refused(words: list[str], message: str) -> None:
    ended = initkit("wait", "127.0.0.1:1", *words)
    assert ended.returncode == 2
    assert message in ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["wait", "--check", "http", "http://127.0.0.1:1/"],
        ["wait", "--any", "--timeout", "200ms", "--check", "http", "http://127.0.0.1:1/", "--status", "204"],
        ["wait", "--timeout=200ms", "http", "http://127.0.0.1:1/", "--check"],
    ],
)
def test_options_may_stand_before_a_form_s_name(words: list[str]) -> None:
    assert initkit(*words).returncode == 3


def test_a_form_s_missing_address_is_named_as_it_is_typed() -> None:
    ended = initkit("wait", "tcp", "--interval", "1s")
    assert (ended.returncode, "--tcp" in ended.stderr, "HOST:PORT is missing" in ended.stderr) == (2, False, True)
    ended = initkit("wait", "http", "--status", "200")
    assert ended.returncode == 2
    assert "expected one of URL, --url-env and --url-file, got none" in ended.stderr


def test_exit_2_is_not_used_once_something_was_done(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "rows.csv").write_text("id\n1\n")
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        f"steps:\n- perms: {{paths: [{tmp_path}/site], dir-mode: '0700'}}\n"
        f"- seed: {{paths: [{tmp_path}/rows.csv], url-file: {tmp_path}/site}}\n"
        "  retry: {attempts: 1, suspect-for: 0}\n"
    )
    ended = initkit("run", str(plan))
    assert "changed" in ended.stderr
    assert ended.returncode == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(closed: str, tmp_path: Path) -> None:
    """What is opened next must not take their place: the lock, say, would be written into by the log."""
    log = tmp_path / "log"
    command = f"{sys.executable} -m initkit --termination-log {log} wait file:{tmp_path} {closed}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert json.loads(log.read_text())["status"] == "ok"


def test_an_empty_command_is_not_found(tmp_path: Path) -> None:
    ended = initkit("wait", f"file:{tmp_path}", "--", "")
    assert (ended.returncode, "Traceback" in ended.stderr) == (127, False)


def test_a_termination_log_that_nobody_reads_from_is_no_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert initkit("--termination-log", str(tmp_path / "fifo"), "wait", f"file:{tmp_path}").returncode == 0


def test_a_refusal_goes_where_and_how_it_was_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for words, env in (
        (["frob", "--termination-log", str(log), "--log-format=json"], {}),
        (["wait"], {"INITKIT_TERMINATION_LOG": str(log), "INITKIT_LOG_FORMAT": "json"}),
    ):
        log.unlink(missing_ok=True)
        ended = initkit(*words, env=env)
        assert ended.returncode == 2
        (line,) = ended.stderr.splitlines()
        assert json.loads(line)["event"] == "refused"
        assert json.loads(log.read_text())["exit_code"] == 2


def test_what_check_finds_is_shown_whatever_the_level_of_the_log(tmp_path: Path) -> None:
    ended = initkit("--check", "--log-level", "error", "wait", f"file:{tmp_path}/never")
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.startswith("would change")


def test_hold_has_nothing_to_check() -> None:
    assert initkit("hold", "--check").returncode == 2


def test_a_wait_s_report_counts_the_attempts_at_its_targets(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    initkit("--report", str(report), "wait", "--attempts", "3", "--interval", "10ms", f"file:{tmp_path}/never")
    (step,) = json.loads(report.read_text())["steps"]
    assert step["attempts"] == 3


def test_a_plan_s_own_names_go_before_those_made_up(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"steps:\n- wait: file:{tmp_path}\n- {{name: wait, wait: 'file:{tmp_path}'}}\n")
    ended = initkit("run", str(plan))
    assert ended.returncode == 0
    assert [line.split()[1] for line in ended.stderr.splitlines()[-2:]] == ["wait-2", "wait"]
