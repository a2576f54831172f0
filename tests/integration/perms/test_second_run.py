"""The second run: it writes nothing, which the kernel and the tree can tell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_need import need, need_program
from fix_perms import fill, perms, shared_from, snapshot, to_and_fro
from fix_program import INITKIT, environment

from initkit.core.assemble import assemble
from initkit.core.outcome import Satisfied, Status
from initkit.steps.perms.step import STEP

if TYPE_CHECKING:
    from pathlib import Path

# names of calls that change what a file system keeps; strace of before Linux 6.6 knows fchmodat2 by its number only
_WRITING = re.compile(
    r"^\d+ +(f?chmod(at2?)?|syscall_0x1c4|[fl]?chown(at)?|f?truncate|fallocate|mk(dir|nod)(at)?|(un)?link(at)?"
    r"|symlink(at)?|rename(at2?)?|rmdir|[fl]?(set|remove)xattr|utime(s|nsat)?|futimesat|copy_file_range|f?sync)\("
)
_OPENED_TO_WRITE = re.compile(r"^\d+ +(open(at2?)?|creat)\(.*(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE)")


def writing_calls(log: Path, volume: Path) -> list[str]:
    """Calls in the log of strace(1) that change an entry of the volume, or open one to be written to."""
    lines = log.read_text(errors="replace").splitlines()
    there = [line for line in lines if any(text in line for text in (f"{volume}", "/proc/self/fd/", "syscall_0x1c4"))]
    return [line for line in there if _WRITING.match(line) or _OPENED_TO_WRITE.match(line)]


def traced(log: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run initkit under strace, with all that it starts."""
    strace = [need_program("strace"), "-f", "-qq", "-y", "-s", "4096", "-o", str(log)]
    tried = subprocess.run([*strace, "true"], capture_output=True, text=True, check=False)
    need(tried.returncode == 0, "ptrace(2), which strace uses")
    env = environment({"PYTHONDONTWRITEBYTECODE": "1"})
    return subprocess.run(
        [*strace, *INITKIT, *words], env=env, capture_output=True, text=True, check=False, timeout=120
    )


def asked(volume: Path) -> list[str]:
    owner = ["--owner", "1:2"] if os.geteuid() == 0 else []
    return ["perms", str(volume), *owner, "--file-mode", "0640", "--dir-mode", "2750"]


@pytest.mark.parametrize("policy", ["always", "on-root-mismatch", "stamp"])
def test_the_second_run_makes_no_call_that_writes(tree: Path, tmp_path: Path, policy: str) -> None:
    words = [*asked(tree), "--policy", policy]
    first, second, looked = (tmp_path / name for name in ("first", "second", "looked"))
    done = traced(first, *words)
    assert done.returncode == 0, done.stderr
    assert len(writing_calls(first, tree)) >= 8
    before = snapshot(tree)
    assert traced(second, *words).returncode == 0
    assert writing_calls(second, tree) == []
    assert traced(looked, "--check", *words).returncode == 0
    assert writing_calls(looked, tree) == []
    assert snapshot(tree) == before


def test_looking_makes_no_call_that_writes_whatever_differs(tree: Path, tmp_path: Path) -> None:
    before = snapshot(tree)
    assert traced(tmp_path / "log", "--check", *asked(tree)).returncode == 3
    assert writing_calls(tmp_path / "log", tree) == []
    assert snapshot(tree) == before


@pytest.mark.parametrize("worth", [sys.maxsize, 100], ids=["alone", "together"])
def test_the_second_run_leaves_every_ctime_as_it_was(volume: Path, worth: int) -> None:
    fill(volume, 30, 40)
    step = assemble(STEP, to_and_fro(volume)[0])
    with shared_from(worth):
        assert step.apply(make_context()).facts["changed"] == 30 * 41 + 1
        before = snapshot(volume)
        assert isinstance(step.check(make_context(looking=True)), Satisfied)
        assert step.apply(make_context()).status == Status.OK
    assert snapshot(volume) == before


def test_of_many_entries_only_those_that_differ_are_touched(volume: Path) -> None:
    fill(volume, 20, 20)
    step = perms(volume, file_mode="0640", dir_mode="0750")
    step.apply(make_context())
    wrong = {f"{volume}/{number}/{number}" for number in range(0, 20, 3)}
    for path in wrong:
        os.chmod(path, 0o600)
    before = snapshot(volume)
    assert step.apply(make_context()).facts["changed"] == len(wrong)
    after = snapshot(volume)
    assert {os.fsdecode(path) for path in after if after[path] != before[path]} == wrong
