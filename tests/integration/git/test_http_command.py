"""The command over HTTP with a login, as people run it: its exit codes, and that nothing of it is told anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_git_https import basic
from fix_program import initkit

if TYPE_CHECKING:
    from pathlib import Path

    from fix_git_https import GuardedGit

_SECRET = "canary-4711-secret"  # not of hexadecimal digits alone, or a SHA could have it


@pytest.mark.parametrize(("wanted", "code"), [(_SECRET, 0), ("another", 1)])
def test_no_secret_is_printed_or_reported(
    guarded: GuardedGit, dest: Path, tmp_path: Path, wanted: str, code: int
) -> None:
    guarded.wanted = basic("ada", wanted)
    (tmp_path / "secret").write_text(f"{_SECRET}\n")
    words = ["git", guarded.url, str(dest), "--username", "ada", "--password-file", str(tmp_path / "secret")]
    words += ["--suspect-for", "0", "--log-level", "debug", "--log-format", "json"]
    done = initkit(*words, "--report", str(tmp_path / "report"))
    assert done.returncode == code
    assert (dest / "current" / "index.html").exists() == (not code)
    told = done.stdout + done.stderr + (tmp_path / "report").read_text()
    assert "origin" in told
    for canary in (_SECRET, basic("ada", _SECRET).split()[1]):
        assert canary not in told


def test_options_that_contradict_the_url_are_a_usage_error_and_nobody_is_asked(guarded: GuardedGit, dest: Path) -> None:
    done = initkit("git", guarded.url_as(f"ada:{_SECRET}"), str(dest), "--password-file", "/none")
    assert done.returncode == 2
    assert "leave one of them out" in done.stderr
    assert _SECRET not in done.stdout + done.stderr
    assert guarded.authorizations == []
    assert not dest.exists()
