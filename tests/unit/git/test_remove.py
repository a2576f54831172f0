"""What is ours is removed, however protected and however deep; what a link leads to is not."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from initkit.steps.git import remove

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_gone_already_is_no_error(tmp_path: Path) -> None:
    remove.anything(str(tmp_path / "gone"))
    remove.file(str(tmp_path / "gone"))


def test_folders_that_nobody_may_write_or_enter_are_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for mode, name in ((0o555, "read"), (0o000, "closed"), (0o111, "pass")):
        (tree / name / "inner" / "deep").mkdir(parents=True)
        (tree / name / "inner" / "deep" / "file").write_text("x")
        (tree / name / "inner").chmod(mode)
        (tree / name).chmod(mode)
    tree.chmod(0o555)
    remove.anything(str(tree))
    assert os.listdir(tmp_path) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o555)
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder" / "link").symlink_to(outside)
    (tree / "folder").chmod(0o555)
    remove._thoroughly(str(tree))
    (tmp_path / "link").symlink_to(outside)
    remove.anything(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["outside"]
    assert outside.stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize("protected", [False, True])
def test_a_tree_deeper_than_any_stack_is_removed(tmp_path: Path, *, protected: bool) -> None:
    _nest(tmp_path, "tree", max(2000, 2 * sys.getrecursionlimit()), protected=protected)
    remove.anything(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


def _nest(above: Path, name: str, depth: int, *, protected: bool) -> None:
    """Folders within folders, deeper than one path can name."""
    descriptor = os.open(above, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, 0o700, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=inner))
        if protected:
            os.fchmod(descriptor, 0o700)
        os.close(descriptor)
        descriptor, name = inner, "d"
    os.fchmod(descriptor, 0o555 if protected else 0o700)
    os.close(descriptor)


def test_many_folders_in_one_are_removed(tmp_path: Path) -> None:
    for one in range(20):
        for other in range(20):
            (tmp_path / "tree" / f"{one}" / f"{other}").mkdir(parents=True)
            (tmp_path / "tree" / f"{one}" / f"{other}" / "file").touch()
    remove._thoroughly(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []
