"""A tree takes the place of another, also where it is nested deeper than a stack, and by descriptors only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.steps.git import remove
from initkit.steps.git.publish import manifest
from initkit.steps.git.publish.dressing import dress
from initkit.steps.git.publish.moving import Move
from initkit.steps.git.step import STEP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from initkit.steps.git.publish.manifest import Entry


def _dressed(tree: Path, **given: str) -> dict[str, Entry]:
    step = assemble(STEP, {"repository": "/origin", "dest": "/dest"} | given)
    return manifest.entries(dress(str(tree), "", step, 0, make_context()))


def test_the_manifest_names_everything_with_folders_before_their_content(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "line\nbreak").write_text("text")
    (tmp_path / os.fsdecode(b"caf\xe9 ")).symlink_to("a b\n")
    entries = _dressed(tmp_path, verify="full")
    assert set(entries) == {"a", "a/b", "a/b/line\nbreak", "caf\udce9 "}
    assert list(entries).index("a") < list(entries).index("a/b") < list(entries).index("a/b/line\nbreak")
    assert entries["caf\udce9 "].target == "a b\n"
    assert entries["a/b/line\nbreak"].size == 4
    assert entries["a/b/line\nbreak"].digest == "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
    assert manifest.entries(manifest.show(entries.values())) == entries


@pytest.fixture
def _cleared(tmp_path: Path) -> Iterator[None]:
    """Nothing is left of what is too deep for pytest to remove, however the test ends."""
    yield
    for path in list(tmp_path.iterdir()):
        remove.anything(str(path))


@pytest.mark.usefixtures("_cleared")
def test_a_tree_as_deep_as_a_path_is_long_is_moved_and_found_whole(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 1100)
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    descriptor = os.open(tmp_path / "source", os.O_RDONLY)
    parts = deep.split("/")
    for count in range(1, len(parts) + 1):
        os.mkdir("/".join(parts[:count]), dir_fd=descriptor)
    os.close(os.open(f"{deep}/leaf", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    new = _dressed(tmp_path / "source")
    assert len(new) == 1101
    with Move.opened(str(tmp_path / "target"), str(tmp_path / "source"), {}, new, timed=False) as move:
        move.refuse_strangers()
        settled = move.run()
    (tmp_path / "list").write_bytes(manifest.show(settled))
    context = make_context()
    assert manifest.fault(str(tmp_path / "target"), str(tmp_path / "list"), context, contents=False) == ""
    with Move.opened(str(tmp_path / "target"), str(tmp_path / "source"), new, {}, timed=False) as move:
        assert move.run() == []
    assert os.listdir(tmp_path / "target") == []


def test_files_that_are_the_same_keep_their_inode_and_others_do_not(tmp_path: Path) -> None:
    large = "x" * 600_000
    for name, texts in {"target": ("one", large, large), "source": ("one", large[:-1] + "y", large + "x")}.items():
        (tmp_path / name).mkdir()
        for file, text in zip("abc", texts, strict=True):
            (tmp_path / name / file).write_text(text)
    old = _dressed(tmp_path / "target")
    inodes = {name: (tmp_path / "target" / name).stat().st_ino for name in "abc"}
    new = _dressed(tmp_path / "source")
    with Move.opened(str(tmp_path / "target"), str(tmp_path / "source"), old, new, timed=False) as move:
        settled = {entry.path: entry for entry in move.run()}
    kept = {name for name in "abc" if (tmp_path / "target" / name).stat().st_ino == inodes[name]}
    assert kept == {"a"}
    assert settled["a"].mtime == old["a"].mtime
    assert (tmp_path / "target" / "b").read_text().endswith("y")
