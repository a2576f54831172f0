"""A link that leads out of the tree is found however it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import Stopped
from initkit.core.stop import Stop
from initkit.steps.git.content.links import escaping

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("target", ["/etc/passwd", "..", "../x", "sub/../../x", "sub/up/..", "sub/up/../x", "/"])
def test_links_that_lead_out(tmp_path: Path, target: str) -> None:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "up").symlink_to("..")  # the root itself: a comparison of words would take sub/up/.. for sub
    (root / "bad").symlink_to(target)
    assert list(escaping(str(root), Stop())) == [("bad", target)]


@pytest.mark.parametrize("target", ["file", "sub", "sub/../file", ".", "missing", "sub/missing", "loop"])
def test_links_that_stay_inside(tmp_path: Path, target: str) -> None:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "file").touch()
    (root / "loop").symlink_to("loop")
    (root / "good").symlink_to(target)
    assert list(escaping(str(root), Stop())) == []


def test_a_long_chain_is_followed_as_far_as_anybody_could(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number}").symlink_to(f"{number + 1}")
    (tmp_path / "3000").touch()
    found = {int(path) for path, _ in escaping(str(tmp_path), Stop())}
    assert found == set(range(3000 - 40))


def test_a_path_that_takes_too_many_steps_leads_out(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "long").symlink_to("a/../" * 600)
    (tmp_path / "good").symlink_to("a/../" * 400)
    assert [path for path, _ in escaping(str(tmp_path), Stop())] == ["long"]


def test_a_tree_that_is_reached_through_a_link_is_judged_by_itself(tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "up").symlink_to("..")
    (tmp_path / "way").symlink_to("tree")
    assert list(escaping(str(tmp_path / "way"), Stop())) == []


def test_the_walk_ends_when_the_end_is_asked_for(tmp_path: Path) -> None:
    stop = Stop()
    stop.request(15)
    with pytest.raises(Stopped):
        list(escaping(str(tmp_path), stop))
