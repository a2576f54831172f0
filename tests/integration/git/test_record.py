"""The record that an application reads: what is published, no secret, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.errors import PermanentError, UsageError
from initkit.core.outcome import Pending, Satisfied, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_clock import VirtualClock
    from fix_git import GitOverHttp, Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


def test_it_says_what_is_published_and_where(
    make_git: MakeGit, git_over_http: GitOverHttp, origin: Origin, tmp_path: Path, clock: VirtualClock
) -> None:
    git_over_http.account = "reader:canary-of-the-record"
    file = tmp_path / "published.json"
    url = git_over_http.url_as("reader:canary-of-the-record")
    step = make_git(repository=url, ref="main", subpath="site", record=str(file))
    clock.advance(1_700_000_000 - clock.wall())
    step.apply(make_context(clock=clock))
    assert json.loads(file.read_text()) == {
        "repository": git_over_http.url,
        "ref": "main",
        "sha": origin.git("rev-parse", "HEAD"),
        "subpath": "site",
        "path": str(tmp_path / "dest" / "current"),
        "time": 1_700_000_000,
        "published": "2023-11-14T22:13:20Z",
    }


def test_everybody_may_read_it_whatever_the_umask(make_git: MakeGit, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_git(record=str(tmp_path / "record")).apply(make_context())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "record").stat().st_mode) == 0o644


def _remove(file: Path) -> None:
    file.unlink()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


def _make_stale(file: Path) -> None:
    file.write_text(file.read_text().replace('"sha": "', '"sha": "0'))


@pytest.mark.parametrize("damage", [_remove, _cut, _make_stale])
@pytest.mark.parametrize("layout", ["link", "plain"])
def test_it_is_written_anew_where_only_it_is_wrong(
    make_git: MakeGit, tmp_path: Path, layout: str, damage: Callable[[Path], None]
) -> None:
    file = tmp_path / "record"
    step = make_git(layout=layout, record=str(file))
    step.apply(make_context())
    good = file.read_bytes()
    assert isinstance(step.check(make_context()), Satisfied)
    damage(file)
    finding = step.check(make_context())
    assert isinstance(finding, Pending)
    assert finding.detail == f"would write the record {file}"
    outcome = step.apply(make_context())
    assert outcome.status is Status.CHANGED
    assert outcome.detail.endswith(", wrote the record")
    assert file.read_bytes() == good
    assert isinstance(step.check(make_context()), Satisfied)


def test_it_follows_each_change_and_the_way_back(
    make_git: MakeGit, origin: Origin, tmp_path: Path, clock: VirtualClock
) -> None:
    file = tmp_path / "record"
    first = origin.git("rev-parse", "HEAD")
    second = origin.commit({"index.html": "two"})
    told = []
    for sha in (first, second, first):
        clock.advance(10)
        make_git(ref=sha, record=str(file)).apply(make_context(clock=clock))
        record = json.loads(file.read_text())
        told.append((record["sha"], record["time"] - round(clock.wall())))
    assert told == [(first, 0), (second, 0), (first, 0)]
    make_git(ref="main", record=str(file)).apply(make_context(clock=clock))
    assert json.loads(file.read_text())["ref"] == "main"


@pytest.mark.parametrize("layout", ["link", "plain"])
def test_it_may_lie_in_the_folder_itself(make_git: MakeGit, origin: Origin, dest: Path, layout: str) -> None:
    step = make_git(layout=layout, record=str(dest / "published.json"))
    for text in ("one", "two"):
        sha = origin.commit({"index.html": text})
        step.apply(make_context())
        assert json.loads((dest / "published.json").read_text())["sha"] == sha
        assert isinstance(step.check(make_context()), Satisfied)


def test_a_published_file_of_its_name_is_not_overwritten(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.commit({"version.json": "theirs"})
    step = make_git(layout="plain", record=str(dest / "version.json"))
    with pytest.raises(PermanentError, match=r"the repository has version\.json too.*give another --record"):
        step.apply(make_context())
    assert os.listdir(dest) == [".initkit"]


@pytest.mark.parametrize("where", ["current/record", ".initkit/record", "current", ".initkit/repository"])
def test_it_must_not_lie_in_what_is_published_or_ours(make_git: MakeGit, dest: Path, where: str) -> None:
    make_git().apply(make_context())
    step = make_git(record=str(dest / where))
    for act in (step.check, step.apply):
        with pytest.raises(UsageError, match=r"cannot write the record .*: it lies in .*; give another --record"):
            act(make_context())


def test_a_missing_folder_is_told_before_anything_is_published(make_git: MakeGit, dest: Path, tmp_path: Path) -> None:
    step = make_git(record=str(tmp_path / "missing" / "record"))
    with pytest.raises(PermanentError, match=r"there is no folder .*missing"):
        step.apply(make_context())
    assert not dest.exists()


def test_what_a_killed_run_left_of_it_is_replaced(make_git: MakeGit, tmp_path: Path) -> None:
    (tmp_path / "record.initkit-tmp").symlink_to(tmp_path / "elsewhere")
    make_git(record=str(tmp_path / "record")).apply(make_context())
    assert sorted(path.name for path in tmp_path.iterdir() if "rec" in path.name) == ["record"]
    assert not (tmp_path / "elsewhere").exists()
