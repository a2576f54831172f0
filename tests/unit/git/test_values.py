"""Refs, sub-folders and names of links: what git or the file system would take for something else is refused."""

from __future__ import annotations

import pytest

from initkit.core.assemble import assemble
from initkit.core.options import Invalid
from initkit.steps.git.asked.values import is_sha, parse_folder, parse_link, parse_ref, parse_subpath
from initkit.steps.git.step import STEP


@pytest.mark.parametrize("ref", ["HEAD", "main", "v1.10", "feature/ä-1", "refs/tags/v1", "1a2b3c4", "a@b", "@x"])
def test_names_that_git_knows(ref: str) -> None:
    assert parse_ref(ref) == ref


def test_a_full_sha_is_written_small() -> None:
    assert parse_ref("AB" * 20) == "ab" * 20
    assert is_sha("ab" * 32)
    assert not is_sha("ab" * 19)


@pytest.mark.parametrize(
    "ref",
    ["", "@", "-x", "--upload-pack=touch /tmp/x", "a b", "a..b", "a~1", "a^{}", "a:b", "a*", "a[", "a?", "/a", "a/",
     "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{1}", "a\\b", "a\nb", "a\x7f"],
)  # fmt: skip
def test_names_that_git_has_not_or_would_misread(ref: str) -> None:
    with pytest.raises(ValueError, match="expected a branch, a tag or a full SHA, got "):
        parse_ref(ref)


def test_subpaths_are_brought_to_one_form() -> None:
    assert [parse_subpath(text) for text in ("", ".", "./", "a", "a/b/", "./a")] == ["", "", "", "a", "a/b", "a"]


@pytest.mark.parametrize("path", ["/a", "..", "a/../b", "a//b", "a/./b", "a/.git/b", ".GIT", "a\nb", "a\0"])
def test_subpaths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected a folder's path inside the repository"):
        parse_subpath(path)


@pytest.mark.parametrize("name", ["", ".", "..", ".initkit", "a/b", "a\nb", "x" * 256])
def test_names_that_no_link_can_have_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected a file's name"):
        parse_link(name)


def test_a_folder_needs_a_name() -> None:
    assert parse_folder("/srv") == "/srv"
    with pytest.raises(ValueError, match="expected a folder"):
        parse_folder("")


def test_all_that_is_wrong_is_said_at_once() -> None:
    given = {
        "repository": "ext::sh",
        "dest": "",
        "ref": "-x",
        "subpath": "..",
        "link": "a/b",
        "depth": "x",
        "links": "no",
    }
    with pytest.raises(Invalid) as caught:
        assemble(STEP, given)
    assert {problem.path for problem in caught.value.problems} == {(key,) for key in given}
