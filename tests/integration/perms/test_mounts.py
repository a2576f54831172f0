"""Mounts: what is read-only, what is elsewhere, and what only looks like a volume."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program
from fix_perms import ask, mode_of, mounting, need_root

from initkit.steps.perms.roots import refuse_paths
from initkit.steps.perms.system import belongs_to_system

if TYPE_CHECKING:
    from pathlib import Path


def test_a_read_only_volume_passes_if_it_is_right_and_is_named_if_not(tree: Path) -> None:
    mounted = mounting(f"mount --bind '{tree}' '{tree}'; mount -o remount,bind,ro '{tree}'")
    right = {"paths": [str(tree)], "file-mode": "0644"}
    assert ask("check", right, mounted).kind == "Satisfied"
    assert ask("apply", right, mounted).kind == "ok"
    told = ask("apply", {"paths": [str(tree)], "file-mode": "0600"}, mounted)
    assert told.kind == "PermanentError"
    assert "the file system is mounted read-only when changing the mode of 4 of 10 entries" in told.text
    assert "drop `readOnly: true` from this container's volumeMount" in told.text


def test_a_file_system_that_is_read_only_everywhere_is_told_from_a_mount_that_is(tree: Path) -> None:
    mounted = mounting(f"mount -t tmpfs -o ro none '{tree}'")
    told = ask("apply", {"paths": [str(tree)], "dir-mode": "0700"}, mounted)
    assert "the file system (tmpfs) is mounted read-only everywhere" in told.text


def test_an_overlay_without_an_upper_layer_is_read_only(tree: Path) -> None:
    need_root()
    mounted = mounting(f"mount -t overlay -o lowerdir='{tree}/bin:{tree}/etc' overlay '{tree}'")
    told = ask("apply", {"paths": [str(tree)], "file-mode": "0600"}, mounted)
    assert "read-only" in told.text


def overlay(tree: Path) -> str:
    """A script that mounts an overlay on `tree`, whose files have other numbers of devices than its folders."""
    base = tree.parent
    return (
        f"mkdir '{base}/own' '{base}/lower'; mount -t tmpfs none '{base}/own'; mkdir '{base}/own/up' '{base}/own/work';"
        f"mount -t tmpfs none '{base}/lower'; cp -a '{tree}/.' '{base}/lower';"
        f"mount -t overlay -o lowerdir='{base}/lower',upperdir='{base}/own/up',workdir='{base}/own/work',xino=off"
        f" overlay '{tree}'"
    )


def test_files_of_other_layers_of_an_overlay_are_at_home(tree: Path) -> None:
    need_root()
    # the script runs twice: once to try
    mounted = mounting(overlay(tree).replace("mkdir '", "mkdir -p '"))
    told = ask("apply", {"paths": [str(tree)], "dir-mode": "0750", "file-mode": "0640"}, mounted)
    assert (told.kind, told.facts["seen"], told.facts["mode"]) == ("changed", 10, 8)
    assert told.facts["other_file_systems"] == 0


def test_other_file_systems_in_the_tree_are_left_alone(tree: Path) -> None:
    mounted = mounting(f"mount -t tmpfs -o mode=0755 none '{tree}/etc/deep'; mkdir '{tree}/etc/deep/x'")
    given: dict[str, object] = {"paths": [str(tree)], "dir-mode": "0700", "file-mode": "0600"}
    told = ask("apply", given, mounted)
    assert told.facts["other_file_systems"] == 1
    assert (told.facts["seen"], told.facts["mode"]) == (8, 6)
    assert mode_of(tree / "etc/deep") == "0755"


def test_bind_mounts_of_the_same_file_system_are_left_alone(tree: Path) -> None:
    outside = tree.parent / "elsewhere"
    outside.mkdir()
    (outside / "file").touch(0o644)
    (tree / "file").touch(0o644)
    mounted = mounting(f"mount --bind '{outside}' '{tree}/bin'; mount --bind '{tree.parent}/outside' '{tree}/file'")
    given: dict[str, object] = {"paths": [str(tree)], "dir-mode": "0700", "file-mode": "0600"}
    told = ask("apply", given, mounted)
    assert told.facts["other_file_systems"] == 2
    assert [mode_of(outside), mode_of(outside / "file"), mode_of(tree.parent / "outside")] == ["0755", "0644", "0604"]


def test_other_mounts_are_walked_where_it_is_asked_for(tree: Path) -> None:
    outside = tree.parent / "elsewhere"
    outside.mkdir()
    (outside / "file").touch(0o644)
    mounted = mounting(f"mount --bind '{outside}' '{tree}/bin'")
    given: dict[str, object] = {"paths": [str(tree)], "file-mode": "0600", "one-file-system": "false"}
    assert ask("apply", given, mounted).kind == "changed"
    assert mode_of(outside / "file") == "0600"


def test_before_linux_6_6_modes_need_proc(tree: Path) -> None:
    mounted = mounting("mount -t tmpfs none /proc")
    told = ask("apply", {"paths": [str(tree)], "dir-mode": "0700", "file-mode": "0600"}, mounted)
    if told.kind == "changed":
        assert mode_of(tree / "readme") == "0600"
    else:
        assert "/proc is not mounted when changing the mode of" in told.text
        assert mode_of(tree / "readme") == "0644"


def test_what_nobody_may_change_is_named(tree: Path) -> None:
    need_root()
    chattr = need_program("chattr", "e2fsprogs")
    done = subprocess.run([chattr, "+i", tree / "readme"], capture_output=True, check=False)
    need(done.returncode == 0, "a file system with immutable files")
    try:
        told = ask("apply", {"paths": [str(tree)], "file-mode": "0600"})
    finally:
        subprocess.run([chattr, "-i", tree / "readme"], check=True)
    assert f"it is immutable when changing the mode of 1 of 10 entries: {tree}/readme" in told.text
    assert "chattr -i" in told.text


def test_the_root_by_another_name_is_refused(volume: Path) -> None:
    given: dict[str, object] = {"paths": [str(volume)], "dir-mode": "0755", "max-depth": "0"}
    told = ask("apply", given, mounting(f"mount --rbind / '{volume}'"))
    assert "it is / by another name, which belongs to the system; name the volume" in told.text
    told = ask("apply", given, mounting(f"mount --rbind /etc '{volume}'"))
    assert "it is /etc by another name" in told.text
    told = ask("apply", given | {"really": "true"}, mounting(f"mount --rbind /etc '{volume}'"))
    assert told.kind in {"ok", "changed", "PermanentError"}
    assert "by another name" not in told.text


def test_a_root_of_another_system_is_refused(volume: Path) -> None:
    for folder in ("etc", "usr/bin", "proc", "dev"):
        (volume / folder).mkdir(parents=True)
    given: dict[str, object] = {"paths": [str(volume)], "dir-mode": "0755"}
    assert ask("check", given).kind != "PermanentError"
    (volume / "etc/passwd").touch()
    assert "it looks like the root of a whole system, such as a node's" in ask("check", given).text
    assert ask("check", given | {"really": "true"}).kind != "PermanentError"


@pytest.mark.parametrize("kind", ["proc", "devpts", "mqueue"])
def test_file_systems_of_the_kernel_are_refused_wherever_they_are(volume: Path, kind: str) -> None:
    need_root()
    mounted = mounting(f"mount -t {kind} none '{volume}'")
    told = ask("check", {"paths": [str(volume)], "dir-mode": "0755"}, mounted)
    assert f"it is on {kind}, which belongs to the kernel" in told.text


@pytest.mark.parametrize("path", ["/srv", "/mnt", "/media", "/usr/local/sbin"])
def test_folders_of_the_image_are_volumes_only_where_one_is_mounted(path: str) -> None:
    need(os.path.isdir(path) and os.stat(path).st_dev == os.stat("/").st_dev, f"{path} on the root's file system")
    given: dict[str, object] = {"paths": [path], "dir-mode": "u+rx", "max-depth": "0"}
    told = ask("check", given)
    assert f"it is {path} of the image, and no volume is mounted there; name the volume itself" in told.text
    assert ask("check", given, mounting(f"mount -t tmpfs -o mode=0755 none '{path}'")).kind == "Satisfied"


def test_programs_of_the_image_are_refused_and_a_volume_among_them_is_not(volume: Path) -> None:
    given: dict[str, object] = {"paths": ["/usr/bin/env"], "file-mode": "u+r"}
    assert "it is /usr/bin/env of the image" in ask("check", given).text
    (volume / "env").touch(0o755)
    mounted = mounting(f"mount --bind '{volume}/env' /usr/bin/env")
    assert ask("check", given, mounted).kind == "Satisfied"


@pytest.mark.parametrize(
    "path",
    [
        "/", "//", "/.", "/data/..", "/etc", "//etc", "/etc/", "/data/../etc", "/./etc", "/proc", "/proc/self/root/d",
        "/sys/fs/cgroup", "/dev", "/dev/sda", "/usr", "/usr/bin", "/usr/lib", "/lib64", "/var", "/var/lib", "/boot",
        "/etc/passwd", "/etc/shadow", "/etc/hosts", "/var/run/secrets/kubernetes.io/serviceaccount",
        "/run/secrets/kubernetes.io",
    ],
)  # fmt: skip
def test_paths_of_the_system_are_refused_by_their_text_unless_it_is_meant(path: str) -> None:
    with pytest.raises(ValueError, match="belongs to the system"):
        refuse_paths([path])
    refuse_paths([path], really=True)


@pytest.mark.parametrize(
    "path",
    ["/data", "/dev/shm", "/dev/shm/cache", "/var/lib/postgresql/data", "/usr/share/nginx/html", "/etc/nginx", "/tmp",
     "/run", "/home/app", "/opt/app", "/srv", "/mnt/data", "/run/secrets/app", "/vault/secrets", "etc"],
)  # fmt: skip
def test_paths_of_volumes_are_not_refused_by_their_text(path: str) -> None:
    refuse_paths([path])
    assert not belongs_to_system(path)


def test_with_the_root_all_else_lies_within() -> None:
    with pytest.raises(ValueError, match=r"got '/data' within '/'"):
        refuse_paths(["/", "/data"], really=True)


def test_the_root_itself_may_be_looked_at_where_it_is_meant() -> None:
    told = ask("check", {"paths": ["/"], "dir-mode": "u+rx", "max-depth": "0", "really": "true"})
    assert (told.kind, told.facts["seen"]) == ("Satisfied", 1)
