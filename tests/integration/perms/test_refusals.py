"""What the system refuses, what people are told, and what works although little is allowed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from fix_need import need, need_program
from fix_perms import NOBODY_IN_PARTICULAR, ask, mode_of, need_root, ordinary_user, snapshot

if TYPE_CHECKING:
    from pathlib import Path


def without(*capabilities: str) -> list[str]:
    """A prefix for a command that has all capabilities but these."""
    dropped = ",".join(f"-{name}" for name in capabilities)
    return [need_program("setpriv", "util-linux"), f"--bounding-set={dropped}", f"--inh-caps={dropped}"]


def mounting(script: str) -> list[str]:
    """A prefix for a command that runs where `script` has mounted something."""
    unshare = [need_program("unshare", "util-linux"), "-m" if os.geteuid() == 0 else "-Urm"]
    shell = [*unshare, "sh", "-e", "-c", f'{script}\nexec "$@"', "sh"]
    tried = subprocess.run([*shell, "true"], capture_output=True, check=False)
    need(tried.returncode == 0, "mount namespaces")
    return shell


def give(tree: Path, uid: int) -> None:
    for path in [tree, *tree.rglob("*")]:
        os.chown(path, uid, uid, follow_symlinks=False)


def test_without_the_right_to_change_owners_it_says_which_one_and_goes_on(tree: Path) -> None:
    need_root()
    before = snapshot(tree / "bin")
    given = {"paths": [str(tree)], "file-mode": "0600", "rules": [{"path": "bin/**", "owner": "1000"}]}
    told = ask("apply", given, without("chown"))
    assert told.kind == "PermanentError"
    assert "(done before: 3 of 10 entries: 3 mode; 2 refused)" in told.text
    assert "Operation not permitted (UID 0 without CAP_CHOWN) when changing the owner or group of 2 of 10" in told.text
    assert "capabilities: {add: [CHOWN]}" in told.text
    assert "fsGroup" in told.text
    assert snapshot(tree / "bin").keys() == before.keys()
    assert [mode_of(tree / name) for name in ("bin/run", "readme", "etc/deep/key")] == ["0644", "0600", "0600"]


def test_an_ordinary_user_is_told_that_it_takes_root(tree: Path) -> None:
    told = ask("apply", {"paths": [str(tree)], "owner": "77777"}, uid=ordinary_user())
    assert told.kind == "PermanentError"
    assert "without CAP_CHOWN) when changing the owner or group of 10 of 10 entries" in told.text
    assert "runAsUser: 0" in told.text
    assert "(one that is added for another user has no effect)" in told.text


def test_without_the_right_to_change_modes_of_others(tree: Path) -> None:
    need_root()
    give(tree, 1000)
    told = ask("apply", {"paths": [str(tree)], "file-mode": "0600"}, without("fowner"))
    assert "UID 0 without CAP_FOWNER) when changing the mode of 4 of 10 entries" in told.text


def test_setgid_that_the_kernel_drops_silently_is_noticed(tree: Path) -> None:
    need_root()
    told = ask("apply", {"paths": [str(tree)], "group": "1000", "dir-mode": "2770"}, without("fsetid"))
    assert "UID 0 without CAP_FSETID) when giving setgid to 4 of 10 entries" in told.text
    assert "supplementalGroups" in told.text


def test_where_nothing_is_wrong_nothing_is_needed(tree: Path) -> None:
    owner = tree.stat().st_uid
    for path in tree.rglob("*"):
        assert path.lstat().st_uid == owner
    told = ask("check", {"paths": [str(tree)], "owner": str(owner), "dir-mode": "0755"}, uid=ordinary_user())
    assert told.kind == "Satisfied"


def test_a_read_only_volume_passes_if_it_is_right_and_is_named_if_not(tree: Path) -> None:
    mounted = mounting(f"mount --bind '{tree}' '{tree}'; mount -o remount,bind,ro '{tree}'")
    right = {"paths": [str(tree)], "file-mode": "0644"}
    assert ask("check", right, mounted).kind == "Satisfied"
    assert ask("apply", right, mounted).kind == "ok"
    told = ask("apply", {"paths": [str(tree)], "file-mode": "0600"}, mounted)
    assert told.kind == "PermanentError"
    assert "the file system is mounted read-only when changing the mode of 4 of 10 entries" in told.text
    assert "readOnly" in told.text


def test_other_file_systems_in_the_tree_are_left_alone(tree: Path) -> None:
    mounted = mounting(f"mount -t tmpfs -o mode=0755 none '{tree}/etc/deep'; mkdir '{tree}/etc/deep/x'")
    told = ask("apply", {"paths": [str(tree)], "dir-mode": "0700", "file-mode": "0600"}, mounted)
    assert told.text == "6 of 8 entries: 6 mode; 1 on another file system, left alone"
    assert told.facts["other_file_systems"] == 1
    assert mode_of(tree / "etc/deep") == "0755"


def test_without_proc_files_are_not_touched(tree: Path) -> None:
    mounted = mounting("mount -t tmpfs none /proc")
    told = ask("apply", {"paths": [str(tree)], "dir-mode": "0700", "file-mode": "0600"}, mounted)
    assert "/proc is not mounted when changing the mode of 4 of 10 entries" in told.text
    assert [mode_of(tree / "readme"), mode_of(tree / "etc")] == ["0644", "0700"]


def test_an_id_that_a_user_namespace_does_not_map(tree: Path) -> None:
    unshare = [need_program("unshare", "util-linux"), "-Ur"]
    need(subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0, "user namespaces")
    told = ask("apply", {"paths": [str(tree)], "owner": "4711"}, unshare)
    assert "the id is not mapped in this user namespace when changing the owner or group of 10 of 10" in told.text


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
        assert f"CAP_DAC_READ_SEARCH) when looking into 1 of 7 entries: {tree}/etc" in told.text


def test_a_path_below_a_folder_that_may_not_be_entered(tree: Path) -> None:
    uid = ordinary_user()
    tree.chmod(0o000)
    told = ask("check", {"paths": [str(tree / "bin")], "file-mode": "0644"}, uid=uid)
    tree.chmod(0o755)
    assert told.kind == "PermanentError"
    assert "Permission denied" in told.text
    assert "DAC_READ_SEARCH" in told.text
