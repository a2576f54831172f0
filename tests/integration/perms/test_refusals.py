"""What the system refuses, what people are told, and what works although little is allowed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from fix_need import need, need_program
from fix_perms import (
    NOBODY_IN_PARTICULAR,
    ask,
    fill,
    mode_of,
    need_root,
    ordinary_user,
    replicas,
    snapshot,
    to_and_fro,
)


def without(*capabilities: str) -> list[str]:
    """A prefix for a command that has all capabilities but these."""
    dropped = ",".join(f"-{name}" for name in capabilities)
    return [need_program("setpriv", "util-linux"), f"--bounding-set={dropped}", f"--inh-caps={dropped}"]


def give(tree: Path, uid: int) -> None:
    for path in [tree, *tree.rglob("*")]:
        os.chown(path, uid, uid, follow_symlinks=False)


def test_without_the_right_to_change_owners_it_says_which_one_and_goes_on(tree: Path) -> None:
    need_root()
    before = snapshot(tree / "bin")
    given = {"paths": [str(tree)], "file-mode": "0600", "rules": [{"path": "bin/**", "owner": "1000"}]}
    told = ask("apply", given, without("chown"))
    assert told.kind == "PermanentError"
    assert "(done before: 3 of 10 entries: 3 mode (" in told.text
    assert "; 2 refused)" in told.text
    assert "Operation not permitted (UID 0 without CAP_CHOWN) when changing the owner or group of 2 of 10" in told.text
    assert "capabilities: {add: [CHOWN]}" in told.text
    assert "fsGroup" in told.text
    assert snapshot(tree / "bin").keys() == before.keys()
    assert [mode_of(tree / name) for name in ("bin/run", "readme", "etc/deep/key")] == ["0644", "0600", "0600"]


def maps_all_ids() -> bool:
    """Whether this user namespace is the first one, or as good: another refuses ids before it asks for capabilities."""
    return Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2] == str(2**32 - 1)


def test_an_ordinary_user_is_told_that_it_takes_root(tree: Path) -> None:
    need(maps_all_ids(), "a user namespace that maps all ids")
    told = ask("apply", {"paths": [str(tree)], "owner": "77777"}, uid=ordinary_user())
    assert told.kind == "PermanentError"
    assert "without CAP_CHOWN" in told.text
    assert "when changing the owner or group of 9 of 10 entries" in told.text
    assert "runAsUser: 0, runAsNonRoot: false, capabilities: {add: [CHOWN]}" in told.text


def test_an_ordinary_user_is_told_what_the_container_has_and_what_it_has_not(tree: Path) -> None:
    need_root()
    given = {"paths": [str(tree)], "owner": "77777"}
    told = ask("apply", given, uid=NOBODY_IN_PARTICULAR)
    assert f"in the bounding set but not in effect because UID {NOBODY_IN_PARTICULAR} is not root" in told.text
    told = ask("apply", given, without("chown"), uid=NOBODY_IN_PARTICULAR)
    assert "bounding set" not in told.text
    assert "(one that is added for another user than root has no effect)" in told.text


def test_what_is_given_away_needs_no_right_to_its_mode_where_that_is_narrower(tree: Path) -> None:
    need_root()
    given: dict[str, object] = {"paths": [str(tree)], "owner": "1000:1000", "dir-mode": "0750", "file-mode": "0640"}
    told = ask("apply", given, without("fowner"))
    assert (told.kind, told.facts["owner"], told.facts["mode"]) == ("changed", 10, 8), told.text


def test_without_the_right_to_change_modes_of_others(tree: Path) -> None:
    need_root()
    give(tree, 1000)
    told = ask("apply", {"paths": [str(tree)], "file-mode": "0600"}, without("fowner"))
    assert "UID 0 without CAP_FOWNER) when changing the mode of 4 of 10 entries" in told.text


def test_setgid_that_the_kernel_drops_silently_is_noticed(tree: Path) -> None:
    need_root()
    told = ask("apply", {"paths": [str(tree)], "group": "1000", "dir-mode": "2770"}, without("fsetid"))
    assert "UID 0 without CAP_FSETID) when giving setgid to 3 of 10 entries" in told.text
    assert "supplementalGroups" in told.text


def test_where_nothing_is_wrong_nothing_is_needed(tree: Path) -> None:
    owner = tree.stat().st_uid
    for path in tree.rglob("*"):
        assert path.lstat().st_uid == owner
    told = ask("check", {"paths": [str(tree)], "owner": str(owner), "dir-mode": "0755"}, uid=ordinary_user())
    assert told.kind == "Satisfied"


def namespace() -> list[str]:
    """A prefix for a command in a user namespace that maps one id."""
    unshare = [need_program("unshare", "util-linux"), "-Ur"]
    need(subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0, "user namespaces")
    return unshare


def test_an_id_that_a_user_namespace_does_not_map(tree: Path) -> None:
    told = ask("apply", {"paths": [str(tree)], "owner": "4711"}, namespace())
    assert "the id is not mapped in this user namespace when changing the owner or group of 9 of 10" in told.text


def test_what_belongs_to_ids_that_a_user_namespace_does_not_map(tree: Path) -> None:
    need_root()
    give(tree, 1000)
    told = ask("apply", {"paths": [str(tree)], "file-mode": "0600"}, namespace())
    assert "UID 65534 and GID 65534: an id that is not mapped in this user namespace" in told.text
    assert "when changing the mode of 4 of 10 entries" in told.text


def test_an_owner_may_give_a_folder_setgid_only_for_a_group_of_its_own(tree: Path) -> None:
    need_root()
    give(tree, NOBODY_IN_PARTICULAR)
    os.chown(tree / "etc", NOBODY_IN_PARTICULAR, 1000)
    told = ask("apply", {"paths": [str(tree)], "dir-mode": "2750"}, uid=NOBODY_IN_PARTICULAR)
    assert "without CAP_FSETID" in told.text
    assert f"when giving setgid to 1 of 10 entries: {tree}/etc" in told.text
    assert mode_of(tree / "bin") == "2750"


def test_a_file_keeps_its_mode_where_its_owner_could_not_be_changed(tree: Path) -> None:
    need_root()
    told = ask("apply", {"paths": [str(tree / "readme")], "owner": "1000", "file-mode": "0440"}, without("chown"))
    assert told.kind == "PermanentError"
    assert mode_of(tree / "readme") == "0644"


def test_where_only_overriding_is_allowed_folders_can_be_read(tree: Path) -> None:
    need_root()
    give(tree, 1000)
    (tree / "etc").chmod(0o700)
    given = {"paths": [str(tree)], "file-mode": "0644"}
    assert ask("check", given, without("dac_read_search")).kind == "Satisfied"
    assert ask("check", given, without("dac_override")).kind == "Satisfied"
    told = ask("check", given, without("dac_override", "dac_read_search"))
    assert "UID 0 without CAP_DAC_READ_SEARCH) when looking into 1 of" in told.text


def test_folders_that_their_owner_locked_are_opened_first(tree: Path) -> None:
    uid = ordinary_user()
    if uid:
        give(tree, uid)
    (tree / "etc/deep").chmod(0o600)
    (tree / "etc").chmod(0o000)
    (tree / "bin").chmod(0o300)
    given = {"paths": [str(tree)], "dir-mode": "0750", "file-mode": "0640"}
    assert ask("check", given, uid=uid).kind == "Pending"
    told = ask("apply", given, uid=uid)
    assert (told.kind, told.facts["seen"], told.facts["mode"]) == ("changed", 10, 8)
    assert mode_of(tree / "etc/deep/key") == "0640"
    assert ask("check", given, uid=uid).kind == "Satisfied"


def test_folders_may_be_locked_behind_the_walk(tree: Path) -> None:
    uid = ordinary_user()
    if uid:
        give(tree, uid)
    told = ask("apply", {"paths": [str(tree)], "dir-mode": "0000", "file-mode": "0000"}, uid=uid)
    assert (told.kind, told.facts["mode"]) == ("changed", 8)
    assert mode_of(tree) == "0000"


def test_what_may_not_be_looked_into_is_no_success(tree: Path) -> None:
    need_root()
    give(tree, 1000)
    (tree / "etc").chmod(0o700)
    given = {"paths": [str(tree)], "file-mode": "0644"}
    for question in ("check", "apply"):
        told = ask(question, given, uid=NOBODY_IN_PARTICULAR)
        assert told.kind == "PermanentError"
        assert "CAP_DAC_READ_SEARCH" in told.text
        assert f"when looking into 1 of 7 entries: {tree}/etc" in told.text


def test_a_path_below_a_folder_that_may_not_be_entered(tree: Path) -> None:
    uid = ordinary_user()
    tree.chmod(0o000)
    told = ask("check", {"paths": [str(tree / "bin")], "file-mode": "0644"}, uid=uid)
    tree.chmod(0o755)
    assert told.kind == "PermanentError"
    assert "Permission denied" in told.text
    assert "DAC_READ_SEARCH" in told.text


def test_a_program_that_is_to_be_setuid_is_so_for_its_new_owner_where_it_is_meant(tree: Path) -> None:
    need_root()
    program = tree / "bin/run"
    given: dict[str, object] = {"paths": [str(program)], "owner": "1000:1000", "file-mode": "6755", "really": "true"}
    program.chmod(0o6755)
    assert ask("apply", given).kind == "changed"
    assert mode_of(program) == "6755"
    assert ask("check", given).kind == "Satisfied"


def test_a_program_that_was_setuid_is_not_so_for_its_new_owner(tree: Path) -> None:
    need_root()
    for name, mode in (("bin/run", 0o6755), ("readme", 0o2644)):  # chown(2) does not clear the second
        (tree / name).chmod(mode)
    told = ask("apply", {"paths": [str(tree)], "owner": "1000:1000"})
    assert (told.facts["owner"], told.facts["mode"]) == (10, 2)
    assert [mode_of(tree / "bin/run"), mode_of(tree / "readme")] == ["0755", "0644"]


def test_replicas_that_change_the_same_entries_at_once_take_nothing_for_not_kept(volume: Path) -> None:
    fill(volume, folders=300, files=3)
    # with set-id bits each change is looked at again; a replica that is between its calls has the mode narrowed then
    given = to_and_fro(volume)[0]
    assert {told.kind for told in replicas(6, given)} <= {"changed", "ok"}
    assert ask("check", given).kind == "Satisfied"
