"""The quickstart, for real: runs `initkit.yaml` twice against what `surroundings` makes for it, and shows the result.

`make demo` calls it. What it makes lies in `.demo/` afterwards, to look into; the next demo begins anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from unicodedata import east_asian_width

import surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
PLAN = "examples/quickstart/initkit.yaml"
TABLES = ("customers", "orders")
MARK = ".initkit-demo"  # a folder without it is never emptied
PATIENCE = 15  # seconds for initkit to clean up once it is asked to stop


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the quickstart's plan twice, and show what came of it.")
    parser.add_argument("--postgres", action="store_true", help="a real PostgreSQL server instead of an SQLite file")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where to work (default: .demo)")
    chosen = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # names from all over the world, on any terminal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if shutil.which("git") is None:
        fail("there is no git on PATH; install it")
    try:
        demo(fresh(chosen.folder.resolve()), postgres=chosen.postgres)
    except KeyboardInterrupt:
        print("\ndemo: stopped; nothing of it is left running", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def demo(folder: Path, *, postgres: bool) -> None:
    with ExitStack() as stack:
        say("Getting ready: an empty database, a git repository, and two servers that come up late")
        environ = surround(folder, stack, postgres=postgres)
        for name, value in environ.items():
            print(f"  {name}={value}")
        say("The first run waits for the servers, migrates, seeds, checks out and sets modes")
        run_plan(environ, folder / "first.json", expected={"wait": "ok"}, otherwise="changed")
        say("The same again: all of it is so already")
        run_plan(environ, folder / "second.json", expected={}, otherwise="ok")
        say("What there is now")
        show_rows(environ["DATABASE_URL"])
        show_tree(folder / "volume")
    say("Done: the second run found nothing to do")
    print(f"  The plan is {PLAN}; what it made is in {shown(folder)}")


def say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def fail(text: str) -> NoReturn:
    sys.exit(f"\ndemo: FAILED: {text}")


def shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def fresh(folder: Path) -> Path:
    """The folder, empty but for the mark that it is ours."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            fail(f"{folder} holds something that no demo made; give another --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    for name in ("database", "volume"):
        (folder / name).mkdir()
    return folder


def surround(folder: Path, stack: ExitStack, *, postgres: bool) -> dict[str, str]:
    """Make what the plan meets; the environment that tells the plan where it is."""
    repository = surroundings.make_repository(folder / "repository")
    if postgres and os.geteuid() == 0:
        print("  (PostgreSQL refuses to run as root: the wheel makes a user pgserver, and opens its folders to it)")
    try:
        source = surroundings.postgres_server() if postgres else surroundings.sqlite_file(folder / "database")
        database = stack.enter_context(source)
    except ImportError as error:
        fail(f"{error}; run `make demo POSTGRES=1`, which installs it")
    return {
        **database,
        "REPOSITORY": str(repository),
        "VOLUME": str(folder / "volume"),
        "QUEUE": f"127.0.0.1:{stack.enter_context(surroundings.late_port())}",
        "CONFIG_URL": f"http://127.0.0.1:{stack.enter_context(surroundings.late_http())}/ready",
    }


# What is run, and whether it did what it should


def run_plan(environ: Mapping[str, str], report: Path, *, expected: Mapping[str, str], otherwise: str) -> None:
    """Run initkit as a user would, and hold its report against the status that each kind of step should have."""
    print(f"$ initkit run {PLAN}", flush=True)
    command = [sys.executable, "-m", "initkit", "run", PLAN, "--report", str(report)]
    code = call(command, {**os.environ, **environ})
    if code:
        fail(f"initkit ended with exit code {code}")
    steps = json.loads(report.read_text())["steps"]
    wrong = [step for step in steps if step["status"] != expected.get(step["kind"], otherwise)]
    if wrong:
        fail("; ".join(f"step {step['name']} says {step['status']!r}: {step.get('detail')}" for step in wrong))


def call(command: list[str], environ: Mapping[str, str]) -> int:
    """The exit code of a program that is asked to stop, and waited for, whatever stops this one."""
    # in a group of its own Ctrl-C does not reach it as well: a second signal would end it without cleaning up
    program = subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, process_group=0)
    try:
        return program.wait()
    finally:
        with surroundings.not_stopped():
            program.terminate()
            try:
                program.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


# What came of it


def show_rows(url: str) -> None:
    for table in TABLES:
        columns, rows = select_all(url, table)
        print(f"\nTable {table}, {len(rows)} rows")
        lines = [columns, *([one_line(value) for value in row] for row in rows)]
        widths = [max(width_of(line[i]) for line in lines) for i in range(len(columns))]
        for line in lines:
            cells = (cell + " " * (width - width_of(cell)) for cell, width in zip(line, widths, strict=True))
            print("  " + "  ".join(cells).rstrip())


def one_line(value: object) -> str:
    return "-" if value is None else " ".join(str(value).split())


def width_of(text: str) -> int:
    """How many columns of a terminal it takes."""
    return sum(2 if east_asian_width(character) in "FW" else 1 for character in text)


def select_all(url: str, table: str) -> tuple[list[str], list[tuple[object, ...]]]:
    query = f"select * from {table} order by id"  # noqa: S608 - one of TABLES
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            found = file.execute(query)
            return [column[0] for column in found.description], found.fetchall()
    import psycopg  # noqa: PLC0415 - only with --postgres

    with psycopg.connect(url) as server:
        selected = server.execute(query.encode())
        return [column.name for column in selected.description or ()], selected.fetchall()


def show_tree(folder: Path) -> None:
    print(f"\nVolume {shown(folder)}")
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if "repository" in parts[:-1]:
            continue  # git's own store
        target = f" -> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else ""
        mode = "link" if path.is_symlink() else f"{path.stat().st_mode & 0o7777:04o}"
        print(f"  {mode}  {'  ' * (len(parts) - 1)}{path.name}{target}")
    page = folder / "site/current/index.html"
    print(f"\n{shown(page)}\n  {page.read_text().strip()}")


if __name__ == "__main__":
    main()
