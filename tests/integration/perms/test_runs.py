"""Whole runs of the step: what is made first, when a root is not walked, several roots, and where a run ends early."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_need import need, need_program
from fix_perms import ask, mode_of, need_root, ordinary_user, perms, snapshot

from initkit.core.errors import InitkitError, PermanentError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.steps.perms.walking import crew

if TYPE_CHECKING:
    from pathlib import Path

_MANY = 200  # more than are changed one by one


def test_a_root_that_is_missing_is_made_and_then_there_is_nothing_to_do(volume: Path) -> None:
    step = perms(volume / "a/b", create="dir", dir_mode="2770")
    for looking in (True, False):
        found = step.check(make_context(looking=looking))
        assert isinstance(found, Pending)
        assert found.changes == (f"make {volume}/a", f"make {volume}/a/b")
    assert os.listdir(volume) == []
    done = step.apply(make_context())
    assert (done.status, done.detail) == (Status.CHANGED, f"made {volume}/a/b; 1 entry as it should be")
    assert [mode_of(volume / name) for name in ("a", "a/b")] == ["2770", "2770"]
    before = snapshot(volume)
    assert isinstance(step.check(make_context()), Satisfied)
    assert step.apply(make_context()).status == Status.OK
    assert snapshot(volume) == before


def test_one_root_is_made_and_another_that_is_there_is_changed(tree: Path) -> None:
    new = tree.parent / "new"
    step = perms(tree, new, create="dir", file_mode="0600")
    found = step.check(make_context(looking=True))
    assert isinstance(found, Pending)
    assert found.changes[0] == f"make {new}"
    assert (found.facts["seen"], found.facts["mode"]) == (10, 4)
    done = step.apply(make_context())
    assert (done.facts["seen"], done.facts["mode"]) == (11, 4)
    assert isinstance(step.check(make_context()), Satisfied)


@pytest.mark.parametrize(
    ("policy", "why"), [("on-root-mismatch", "root as it should be"), ("stamp", "stamped .initkit")]
)
def test_a_root_that_need_not_be_walked_is_said_to_be_so(tree: Path, policy: str, why: str) -> None:
    step = perms(tree, dir_mode="0750", file_mode="0640", policy=policy)
    step.apply(make_context())
    (tree / "readme").chmod(0o600)
    found = step.check(make_context(looking=True))
    assert isinstance(found, Satisfied)
    assert found.detail.startswith(why)
    assert step.apply(make_context()).status == Status.OK
    assert mode_of(tree / "readme") == "0600"


def test_a_tree_that_is_right_is_stamped_and_that_is_all(tree: Path) -> None:
    step = perms(tree, dir_mode="0755", file_mode="0644", policy="stamp")
    found = step.check(make_context(looking=True))
    assert isinstance(found, Pending)
    assert [change.partition("/")[0] for change in found.changes] == ["write "]
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)


def test_a_policy_that_can_never_hold_is_warned_of(tree: Path, voice: RecordingVoice) -> None:
    step = perms(tree, policy="on-root-mismatch", rules=["bin/**=0600"])
    step.check(make_context(voice=voice))
    assert [text.partition(":")[0] for text in voice.warnings] == [f"{tree} is always walked"]


def test_the_first_difference_is_enough_to_know_that_there_is_work(tree: Path) -> None:
    beside = tree.parent / "beside"
    beside.mkdir()
    found = perms(tree, beside, file_mode="0600", dir_mode="0700").check(make_context())
    assert isinstance(found, Pending)
    assert len(found.changes) == 1


def test_what_is_excluded_or_too_deep_is_counted_and_left_alone(tree: Path) -> None:
    before = snapshot(tree / "etc")
    done = perms(tree, file_mode="0600", dir_mode="0700", exclude=["etc", "readme"]).apply(make_context())
    assert (done.facts["excluded"], done.facts["changed"]) == (2, 3)
    assert snapshot(tree / "etc") == before
    done = perms(tree, dir_mode="0750", max_depth="1").apply(make_context())
    assert [mode_of(tree / name) for name in ("", "etc", "etc/deep")] == ["0750", "0750", "0755"]


def test_a_root_that_is_a_file_may_be_excluded(tree: Path) -> None:
    done = perms(tree / "readme", file_mode="0600", include=["bin/**"]).apply(make_context())
    assert (done.status, done.facts["excluded"], mode_of(tree / "readme")) == (Status.OK, 1, "0644")


def test_the_first_refusal_ends_a_run_that_is_not_to_go_on(tree: Path) -> None:
    beside = tree.parent / "beside"
    beside.mkdir()
    given: dict[str, object] = {"paths": [str(tree), str(beside)], "owner": "77777"}
    told = ask("apply", given | {"keep-going": "no"}, uid=ordinary_user())
    assert told.kind == "PermanentError"
    assert "when changing the owner or group of 1 of " in told.text
    told = ask("apply", given, uid=ordinary_user())
    assert "of 10 of 11 entries" in told.text


def test_a_root_is_left_as_it_is_until_all_in_it_is_done(tree: Path) -> None:
    need_root()
    chattr = need_program("chattr", "e2fsprogs")
    done = subprocess.run([chattr, "+i", tree / "etc/deep/key"], capture_output=True, check=False)
    need(done.returncode == 0, "a file system with immutable files")
    step = perms(tree, file_mode="0600", dir_mode="0700")
    try:
        with pytest.raises(InitkitError, match="itself is left as it is until all in it is done"):
            step.apply(make_context())
    finally:
        subprocess.run([chattr, "-i", tree / "etc/deep/key"], check=True)
    assert [mode_of(tree), mode_of(tree / "etc")] == ["0755", "0700"]
    step.apply(make_context())
    assert mode_of(tree) == "0700"


@pytest.fixture(params=[0o755, 0o777], ids=["in a folder of root's alone", "in a folder that all may write in"])
def many(volume: Path, request: pytest.FixtureRequest) -> Path:
    """Files of one folder that differ alike, and among them what is not like them."""
    volume.chmod(request.param)
    for number in range(_MANY):
        (volume / f"{number:03}").touch(0o644)
    (volume / "050").chmod(0o4755)
    (volume / "060").unlink()
    (volume / "060").symlink_to("070")
    outside = volume.parent / "outside"
    outside.touch(0o644)
    (volume / "080").unlink()
    os.link(outside, volume / "080")
    return volume


def test_of_many_files_that_differ_alike_each_gets_its_owner_and_nothing_else(many: Path) -> None:
    need_root()
    step = perms(many, owner="1234:4321")
    done = step.apply(make_context())
    assert (done.facts["owner"], done.facts["group"], done.facts["mode"]) == (_MANY, _MANY, 1)
    assert done.facts["hard_links"] == 1
    for name in os.listdir(many):
        found = (many / name).lstat()
        assert (found.st_uid, found.st_gid) == ((0, 0) if name == "080" else (1234, 4321)), name
    assert [mode_of(many / name) for name in ("049", "050")] == ["0644", "0755"]
    before = snapshot(many)
    assert step.apply(make_context()).status == Status.OK
    assert snapshot(many) == before


def test_of_many_files_that_differ_alike_one_that_is_refused_does_not_keep_the_others_back(many: Path) -> None:
    need_root()
    chattr = need_program("chattr", "e2fsprogs")
    frozen = [many / f"{number}" for number in (150, 151, 190)]
    done = subprocess.run([chattr, "+i", *frozen], capture_output=True, check=False)
    need(done.returncode == 0, "a file system with immutable files")
    try:
        with pytest.raises(PermanentError) as caught:
            perms(many, group="4321").apply(make_context())
    finally:
        subprocess.run([chattr, "-i", *frozen], check=True)
    assert "it is immutable when changing the owner or group of 3 of " in str(caught.value)
    assert all(f"{path}" in str(caught.value) for path in frozen)
    left = {path.name for path in many.iterdir() if path.lstat().st_gid == 0}
    assert left == {path.name for path in frozen}


def test_with_a_detailed_log_each_difference_is_told_and_not_only_the_first_ten(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_WORTH", 10)
    step = perms(many, dir_mode="0700", file_mode="0600")
    differ = sorted(f"{path}: mode {mode_of(path)} -> 0600" for path in many.iterdir() if not path.is_symlink())
    looking, doing = RecordingVoice(detailed=True), RecordingVoice(detailed=True)
    step.check(make_context(looking=True, voice=looking))
    step.apply(make_context(voice=doing))
    for told in (looking.details, doing.details):
        *files, root = told
        assert sorted(files) == differ
        assert root.startswith(f"{many}: mode ")


def test_with_a_detailed_log_owners_that_change_alike_are_told_too(many: Path) -> None:
    need_root()
    voice = RecordingVoice(detailed=True)
    done = perms(many, owner="1234").apply(make_context(voice=voice))
    assert len(voice.details) == done.facts["changed"] == _MANY
