"""Repositories that are made to do harm: nothing outside the tree is written or run, and what is refused is named."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git_hostile import FILE, FOLDER, LINK, MODULE, Forge

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, PermanentError
from initkit.core.options import Invalid
from initkit.steps.git.calling import hardening
from initkit.steps.git.step import STEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_git import Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

_MODULE = "12" * 20


@pytest.fixture
def evil(make_git: MakeGit) -> Callable[..., Git]:
    """The step for the branch `evil`."""
    return lambda **given: make_git(ref="evil", **given)


@pytest.fixture(autouse=True)
def _nothing_else_is_touched(tmp_path: Path, dest: Path, origin: Origin) -> Iterator[None]:
    """Beside DEST and the origin nothing appears, and in DEST nothing but the link and the house."""
    yield
    assert set(tmp_path.iterdir()) <= {dest, origin.path, tmp_path / "secret"}
    if dest.exists():
        assert {path.name for path in dest.iterdir()} <= {"current", ".initkit"}
        names = [name for _, folders, files in os.walk(dest) for name in (*folders, *files)]
        assert not [name for name in names if name.startswith("pwned")]


@pytest.fixture
def trusting_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git without its own locks: ours have to hold alone."""
    for name in ("transfer.fsckObjects", "core.protectHFS", "core.protectNTFS"):
        monkeypatch.setitem(hardening._SETTINGS, name, "false")


def _refused(step: Git, dest: Path, match: str) -> None:
    with pytest.raises(PermanentError, match=match):
        step.apply(make_context())
    assert not (dest / "current").exists()
    assert not list((dest / ".initkit").glob("tmp-*"))


_GIT = [b".git", b".GIT", b".Git", b"git~1", b".git.", b".git ", b".g\xe2\x80\x8cit", b".git::$INDEX_ALLOCATION"]


@pytest.mark.parametrize("name", _GIT)
def test_a_folder_that_some_file_system_takes_for_git_is_refused(
    forge: Forge, evil: MakeGit, dest: Path, name: bytes
) -> None:
    hook = forge.file(b"post-checkout", b"#!/bin/sh\ntouch pwned\n")
    forge.publish([forge.path(name + b"/hooks", hook)])
    _refused(evil(), dest, "git fsck|its name")


@pytest.mark.usefixtures("trusting_git")
@pytest.mark.parametrize("name", [*_GIT, b"..", b".", b"a/../../b"])
def test_names_that_lead_elsewhere_are_refused_without_gits_help(
    forge: Forge, evil: MakeGit, dest: Path, name: bytes
) -> None:
    forge.publish([forge.folder(b"sub", [forge.folder(name, [forge.file(b"pwned")])])])
    _refused(evil(), dest, r"its name .* leads elsewhere or is git's own|git fsck")


@pytest.mark.parametrize(
    "target",
    [
        b"/etc/passwd",
        b"../x",
        b"sub/../../x",
        b"sub/up/../../x",
        b"sub/up/..",
        b"hop",
        b".git/../../x",
        b"/proc/self/root",
    ],
)
def test_links_that_lead_out_are_refused(forge: Forge, evil: MakeGit, dest: Path, target: bytes) -> None:
    sub = forge.folder(b"sub", [forge.file(b"f"), forge.link(b"up", b"..")])
    forge.publish([forge.link(b"bad", target), forge.link(b"hop", b"sub/../.."), sub])
    _refused(evil(), dest, "leads out of the tree")


def test_a_link_into_another_folder_leads_out_of_a_subpath(forge: Forge, evil: MakeGit, dest: Path) -> None:
    other = forge.folder(b"other", [forge.file(b"f")])
    forge.publish([other, forge.folder(b"sub", [forge.link(b"bad", b"../other/f")])])
    _refused(evil(subpath="sub"), dest, "the link bad leads out of the tree, to ../other/f")
    evil().apply(make_context())
    assert (dest / "current" / "sub" / "bad").read_text() == "x\n"


@pytest.mark.usefixtures("trusting_git")
@pytest.mark.parametrize("mode", [FILE, FOLDER, LINK])
def test_a_file_below_a_link_of_the_same_name_is_not_written_through_it(
    forge: Forge, evil: MakeGit, dest: Path, tmp_path: Path, mode: str
) -> None:
    """A tree with one name twice: a link that leads out, and a folder to be written through it."""
    (tmp_path / "secret").mkdir()
    out = forge.link(b"a", os.fsencode(tmp_path / "secret"))
    inner = {FILE: forge.file(b"a"), FOLDER: forge.folder(b"a", [forge.file(b"f")]), LINK: forge.link(b"a", b"..")}
    forge.publish([out, inner[mode]])
    with suppress(InitkitError):
        evil().apply(make_context())
    assert os.listdir(tmp_path / "secret") == []
    assert not (dest / "current" / "a").is_symlink()


def test_names_that_differ_by_case_only_stay_apart(forge: Forge, evil: MakeGit, dest: Path) -> None:
    """CVE-2021-21300 and CVE-2024-32002: on a file system that folds case the link would take the folder's place."""
    forge.publish([forge.folder(b"A", [forge.file(b"post-checkout", b"pwn")]), forge.link(b"a", b".git/hooks")])
    evil().apply(make_context())
    assert (dest / "current" / "A" / "post-checkout").read_text() == "pwn"
    assert os.readlink(dest / "current" / "a") == ".git/hooks"


_SUBMODULES = [
    ("../../hooks", "sub", "https://127.0.0.1:1/x"),  # CVE-2018-11235
    ("sub", "sub", "-u./pwned"),  # CVE-2018-17456
    ("sub", "sub", "--upload-pack=touch pwned"),
    ("sub", "-u", "https://127.0.0.1:1/x"),
    ("sub", "sub", "ext::touch pwned"),
    ("sub", "sub", "fd::17/x"),
    ("sub", "sub", "ssh://-oProxyCommand=touch pwned/x"),  # CVE-2017-1000117
    ("sub", "sub", "https://127.0.0.1:1/%0ahost=example.org"),  # CVE-2020-5260
    ("sub", ".git/modules/sub", "https://127.0.0.1:1/x"),
    ("sub", "../sub", "https://127.0.0.1:1/x"),
    ("sub\r", "sub\r", "../x"),  # CVE-2025-48384
]


@pytest.fixture(params=_SUBMODULES, ids=[" ".join(words) for words in _SUBMODULES])
def hostile_submodule(request: pytest.FixtureRequest, forge: Forge) -> None:
    name, path, url = request.param
    text = f'[submodule "{name}"]\n\tpath = "{path}"\n\turl = {url}\n\tupdate = !touch pwned\n'
    forge.publish([forge.file(b".gitmodules", text.encode()), forge.file(b"f"), (MODULE, b"sub", _MODULE)])


@pytest.mark.usefixtures("hostile_submodule")
def test_hostile_submodules_do_no_harm_where_none_are_asked_for(evil: MakeGit, dest: Path) -> None:
    with suppress(PermanentError):  # git itself refuses most of them when it receives them
        evil().apply(make_context())
        assert (dest / "current" / "f").read_text() == "x\n"
        assert os.listdir(dest / "current" / "sub") == []


@pytest.mark.usefixtures("hostile_submodule")
def test_hostile_submodules_are_refused_where_they_are_asked_for(evil: MakeGit, dest: Path) -> None:
    with pytest.raises(InitkitError) as caught:
        evil(submodules="recursive").apply(make_context())
    assert str(caught.value).isprintable()
    assert not (dest / "current").exists()


def test_a_list_of_submodules_that_is_a_link_is_refused(forge: Forge, evil: MakeGit, dest: Path) -> None:
    forge.publish([forge.link(b".gitmodules", b"elsewhere"), forge.file(b"elsewhere")])
    _refused(evil(), dest, "git fsck")


@pytest.mark.usefixtures("trusting_git")
def test_a_submodule_in_a_links_place_is_not_followed(forge: Forge, evil: MakeGit, dest: Path, tmp_path: Path) -> None:
    """CVE-2024-32002: the submodule's path leads through a link."""
    (tmp_path / "secret").mkdir()
    modules = forge.file(b".gitmodules", b'[submodule "s"]\n\tpath = a/b\n\turl = ./\n')
    link = forge.link(b"a", os.fsencode(tmp_path / "secret"))
    forge.publish([modules, link, forge.folder(b"a", [(MODULE, b"b", _MODULE)])])
    with pytest.raises(InitkitError):
        evil(submodules="recursive", links="keep").apply(make_context())
    assert os.listdir(tmp_path / "secret") == []
    assert not (dest / "current").exists()


def test_attributes_run_nothing_and_convert_as_git_does(forge: Forge, evil: MakeGit, dest: Path) -> None:
    lines = ("* filter=evil diff=evil merge=evil", "*.crlf text eol=crlf", "*.id ident", "*.sub export-subst",
             "*.utf working-tree-encoding=UTF-16LE")  # fmt: skip
    attributes = forge.file(b".gitattributes", "\n".join(lines).encode() + b"\n")
    files = [forge.file(b"a.crlf", b"1\n"), forge.file(b"b.id", b"$Id$\n"), forge.file(b"c.sub", b"$Format:%H$\n")]
    forge.publish([attributes, *files, forge.file(b"d.utf", b"x"), forge.link(b"e.crlf", b"a.crlf")])
    evil().apply(make_context())
    current = dest / "current"
    assert (current / "a.crlf").read_bytes() == b"1\r\n"
    assert (current / "b.id").read_text() == f"$Id: {forge.blob(b'$Id$' + bytes([10]))} $\n"
    assert (current / "c.sub").read_text() == "$Format:%H$\n"
    assert (current / "d.utf").read_bytes() == b"x\0"


def test_a_bomb_of_equal_trees_is_refused_before_it_goes_off(forge: Forge, evil: MakeGit, dest: Path) -> None:
    entry = forge.file(b"f")
    for _ in range(10):
        entry = forge.folder(b"d", [(entry[0], b"d%d" % number, entry[2]) for number in range(10)])
    forge.publish([entry])
    _refused(evil(), dest, "more than 1000000 files and folders; allow more by --max-files")


def test_a_bomb_of_empty_trees_is_refused_too(forge: Forge, evil: MakeGit, dest: Path) -> None:
    entry = forge.folder(b"d", [])
    for _ in range(10):
        entry = forge.folder(b"d", [(entry[0], b"d%d" % number, entry[2]) for number in range(10)])
    forge.publish([entry])
    _refused(evil(max_files="100000"), dest, "more than 100000 files and folders|git fsck")


def test_a_bomb_beside_the_subpath_does_not_matter(forge: Forge, evil: MakeGit, dest: Path) -> None:
    entry = forge.file(b"f")
    for _ in range(10):
        entry = forge.folder(b"d", [(entry[0], b"d%d" % number, entry[2]) for number in range(10)])
    forge.publish([entry, forge.folder(b"site", [forge.file(b"page")])])
    evil(subpath="site").apply(make_context())
    assert os.listdir(dest / "current") == ["page"]


def test_a_file_that_is_small_only_on_its_way_is_refused(forge: Forge, evil: MakeGit, dest: Path) -> None:
    forge.publish([forge.file(b"zeros", bytes(20 << 20))])
    _refused(evil(max_size="10M"), dest, "larger than 10M in all; allow more by --max-size")


def test_a_pack_that_is_too_large_is_not_fetched_whole(
    forge: Forge, evil: MakeGit, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from initkit.steps.git.content import caps  # noqa: PLC0415 - for this test's sake alone

    monkeypatch.setattr(caps, "largest_file", lambda size: size)
    forge.publish([forge.file(b"noise", os.urandom(4 << 20))])
    _refused(evil(max_size="1M"), dest, "what it sends is larger than --max-size allows; allow more by --max-size")
    assert sum(path.stat().st_size for path in dest.rglob("*") if path.is_file()) < 2 << 20


def test_a_large_file_is_published(forge: Forge, evil: MakeGit, dest: Path) -> None:
    forge.publish([forge.file(b"zeros", bytes(100 << 20))])
    evil().apply(make_context())
    assert (dest / "current" / "zeros").stat().st_size == 100 << 20


@pytest.mark.parametrize("path", [b"/".join([b"d" * 250] * 17), b"d" * 300])
def test_a_path_that_no_file_system_has_is_refused(forge: Forge, evil: MakeGit, dest: Path, path: bytes) -> None:
    forge.publish([forge.path(path, forge.file(b"f"))])
    _refused(evil(), dest, "is too long|git fsck")


def test_names_of_any_bytes_are_published_as_they_are(forge: Forge, evil: MakeGit, dest: Path) -> None:
    names = [b"\x01\n\t", b"'\"$(touch pwned)`", b"-rf", b"\\", b"\xff\xfe"]
    forge.publish([forge.file(name) for name in sorted(names)])
    evil().apply(make_context())
    assert sorted(os.listdir(os.fsencode(dest / "current"))) == sorted(names)


def test_thousands_of_refs_do_not_matter(origin: Origin, forge: Forge, evil: MakeGit, dest: Path) -> None:
    sha = forge.publish([forge.file(b"f")])
    lines = "".join(
        f"create refs/pull/{number}/head {sha}\ncreate refs/tags/t{number} {sha}\n" for number in range(1000)
    )
    origin.git("update-ref", "--stdin", feed=lines.encode())
    origin.git("pack-refs", "--all")
    evil().apply(make_context())
    assert os.listdir(dest / "current") == ["f"]
    assert len(list((dest / ".initkit" / "repository" / "refs").rglob("*"))) < 10


def test_a_tag_of_a_tag_of_a_blob_is_no_commit(forge: Forge, make_git: MakeGit, dest: Path) -> None:
    forge.tag("outer", forge.tag("inner", forge.blob(b"x"), "blob"), "tag")
    _refused(make_git(ref="outer"), dest, "it is no commit")


def test_a_tag_of_a_tag_of_a_commit_is_that_commit(origin: Origin, forge: Forge, make_git: MakeGit) -> None:
    sha = origin.git("rev-parse", "HEAD")
    forge.tag("outer", forge.tag("inner", sha, "commit"), "tag")
    assert make_git(ref="outer").apply(make_context()).facts["sha"] == sha


@pytest.mark.parametrize("entries", ["twice", "unsorted"])
def test_trees_that_are_not_sound_are_refused(forge: Forge, evil: MakeGit, dest: Path, entries: str) -> None:
    a, b = forge.file(b"a"), forge.file(b"b")
    forge.publish({"twice": [a, a], "unsorted": [b, a]}[entries])
    _refused(evil(), dest, "git fsck")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("repository", "ext::sh -c touch% pwned"),
        ("repository", "fd::17/x"),
        ("repository", "--upload-pack=touch pwned"),
        ("repository", "-u./pwned"),
        ("repository", "ssh://-oProxyCommand=touch/x"),
        ("repository", "https://example.org/\nhost=other"),
        ("ref", "--upload-pack=touch pwned"),
        ("ref", "-x"),
        ("ref", "a:b"),
        ("subpath", "../x"),
        ("subpath", "a/.git/hooks"),
        ("sparse", "a\n/b"),
        ("filter", "sparse:oid=HEAD:x"),
    ],
)
def test_options_that_git_would_misread_are_refused(dest: Path, option: str, value: str) -> None:
    given: dict[str, object] = {"repository": "https://example.org/x", "dest": str(dest)}
    with pytest.raises(Invalid) as caught:
        assemble(STEP, given | {option: [value] if option == "sparse" else value})
    assert {problem.path[0] for problem in caught.value.problems} == {option}


def test_a_subpath_that_looks_like_an_option_is_a_folder(forge: Forge, evil: MakeGit, dest: Path) -> None:
    forge.publish([forge.folder(b"--output=pwned", [forge.file(b"f")])])
    evil(subpath="--output=pwned").apply(make_context())
    assert os.listdir(dest / "current") == ["f"]
