"""Places in a tree are never reached through a link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.git.content.inside import folder_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_opened_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").touch()
    with folder_of(str(tmp_path), "a/b/c") as (folder, name):
        assert os.stat(name, dir_fd=folder).st_ino == (tmp_path / "a" / "b" / "c").stat().st_ino


@pytest.mark.parametrize("path", ["link/x", "a/link/x", "file/x"])
def test_a_link_or_a_file_on_the_way_is_an_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "a" / "link").symlink_to("..")
    with pytest.raises(NotADirectoryError), folder_of(str(tmp_path), path):
        pass


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "a//x", "a/.GIT/x", "", "a/"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(PermanentError), folder_of(str(tmp_path), path):
        pass


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    for path in ("a/b/c", "a/none/c"):
        try:
            with folder_of(str(tmp_path), path):
                pass
        except FileNotFoundError:
            continue
    assert len(os.listdir("/proc/self/fd")) <= before
