"""Other kinds of file systems, each mounted in a namespace of its own: tmpfs, overlay, read-only, full."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_need import need_program
from fix_perms import ask_all, fill, mounting, need_root, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_QUESTIONS = ["check", "apply", "check", "apply"]
_FULL = "dd if=/dev/zero of='{0}/big' bs=1k 2> /dev/null || true; if echo more > '{0}/more'; then exit 1; fi"


def asked(volume: Path, **more: str) -> dict[str, object]:
    owner = {"owner": "1:2"} if os.geteuid() == 0 else {}
    return {"paths": [str(volume)], "file-mode": "0640", "dir-mode": "2750", **owner, **more}


def settles(given: dict[str, object], prefix: Sequence[str], entries: int) -> None:
    """All entries differ, one run sets them, and another finds nothing to do."""
    told = ask_all(_QUESTIONS, given, prefix)
    assert [one.kind for one in told] == ["Pending", "changed", "Satisfied", "ok"], [one.text for one in told]
    assert [one.facts["seen"] for one in told[1:]] == [entries] * 3
    assert told[1].facts["changed"] == entries


def planted(place: str) -> str:
    """A script that makes seven entries there."""
    return f"umask 022; chmod 755 '{place}'; for d in 1 2 3; do mkdir '{place}'/$d; echo $d > '{place}'/$d/f; done"


def test_tmpfs(volume: Path) -> None:
    settles(asked(volume), mounting(f"mount -t tmpfs none '{volume}'; {planted(f'{volume}')}"), 7)


@pytest.fixture
def overlay(volume: Path) -> str:
    """A script that mounts one at the volume; what is written to it goes to a tmpfs of one megabyte."""
    top = volume.parent
    (top / "lower").mkdir(mode=0o755)
    fill(top / "lower", 4, 5)
    (top / "over").mkdir()
    layers = f"lowerdir='{top}/lower',upperdir='{top}/over/upper',workdir='{top}/over/work'"
    return (
        f"mount -t tmpfs -o size=1m none '{top}/over'; mkdir -m 755 '{top}/over/upper' '{top}/over/work'; "
        f"mount -t overlay -o {layers} none '{volume}'"
    )


def test_overlay(volume: Path, overlay: str) -> None:
    before = snapshot(volume.parent / "lower")
    settles(asked(volume), mounting(overlay, "overlay mounts"), 25)
    assert snapshot(volume.parent / "lower") == before


def test_overlay_whose_upper_layer_is_full_is_named_for_what_it_is(volume: Path, overlay: str) -> None:
    lower = volume.parent / "lower"
    (lower / "0/1").write_bytes(b"x" * 700_000)
    (lower / "1/1").write_bytes(b"x" * 700_000)
    told = ask_all(["apply", "check"], asked(volume), mounting(overlay, "overlay mounts"))
    assert told[0].kind == "TemporaryError"
    assert "no space is left on the volume" in told[0].text
    assert told[1].kind == "Pending"
    assert told[1].facts["changed"] >= 1


@pytest.mark.parametrize("policy", ["always", "on-root-mismatch", "stamp"])
def test_tmpfs_that_is_full(volume: Path, policy: str) -> None:
    """Owners and modes need no room, and without room for a stamp it is done all the same."""
    script = f"mount -t tmpfs -o size=64k,nr_inodes=9 none '{volume}'; {planted(f'{volume}')}; {_FULL.format(volume)}"
    told = ask_all(["check", "apply", "apply"], asked(volume, policy=policy), mounting(script))
    assert [one.kind for one in told] == ["Pending", "changed", "ok"], [one.text for one in told]
    assert told[1].facts["changed"] == 9


def test_ext4_that_is_full(volume: Path) -> None:
    need_root()
    image = volume.parent / "image"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    subprocess.run([need_program("mkfs.ext4", "e2fsprogs"), "-q", "-m", "0", str(image)], check=True)
    # it runs more than once, and each time begins with an empty one
    fresh = f"cp '{image}' '{image}.new'; mount -o loop '{image}.new' '{volume}'; rmdir '{volume}/lost+found'"
    script = f"{fresh}; {planted(f'{volume}')}"
    settles(asked(volume), mounting(f"{script}; {_FULL.format(volume)}", "loop mounts"), 9)


def test_a_read_only_bind_mount_passes_where_nothing_is_wrong_with_it(volume: Path) -> None:
    fill(volume, 3, 2)
    script = f"mount --bind '{volume}' '{volume}'; mount -o remount,bind,ro '{volume}'"
    given: dict[str, object] = {"paths": [str(volume)], "file-mode": "0644", "dir-mode": "0755"}
    right = ask_all(["check", "apply"], given, mounting(script))
    assert [one.kind for one in right] == ["Satisfied", "ok"]
    before = snapshot(volume)
    wrong = ask_all(["check", "apply"], {"paths": [str(volume)], "file-mode": "0600"}, mounting(script))
    assert [one.kind for one in wrong] == ["Pending", "PermanentError"]
    assert "mounted read-only when changing the mode of 6 of " in wrong[1].text
    assert snapshot(volume) == before
