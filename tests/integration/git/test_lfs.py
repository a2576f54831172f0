"""Git LFS from a real server, by the real git-lfs: pointers become files, and nothing else comes along."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_git_lfs import ATTRIBUTES, pointer
from fix_git_submodules import tree_of
from fix_need import need_program

from initkit.core.errors import PermanentError, SuspectError, TemporaryError
from initkit.core.outcome import Satisfied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import Origin
    from fix_git_lfs import LfsServer
    from fix_git_submodules import Family
    from fix_tls import PrivateCa

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

BIG = b"big file one\0" * 1000
OTHER = b"another\n" * 5000


@pytest.fixture(autouse=True)
def _git_lfs() -> None:
    need_program("git-lfs")


@pytest.fixture
def large(origin: Origin, lfs_server: LfsServer) -> Origin:
    """The origin with two files in LFS, and the server with their content."""
    lfs_server.keep(BIG, OTHER)
    origin.commit({".gitattributes": ATTRIBUTES, "big.bin": pointer(BIG), "site/other.bin": pointer(OTHER)})
    return origin


@pytest.mark.usefixtures("large")
def test_pointers_become_files(make_git: MakeGit, lfs_server: LfsServer, dest: Path) -> None:
    step = make_git(repository=lfs_server.url, lfs="true")
    step.apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG
    assert (dest / "current" / "site" / "other.bin").read_bytes() == OTHER
    assert (dest / "current" / "index.html").read_text() == "one"
    assert isinstance(step.check(make_context()), Satisfied)
    assert len(lfs_server.asked) == 1
    assert not [name for name in os.listdir(dest / ".initkit") if name.startswith("tmp-")]


def test_a_file_that_did_not_change_is_not_fetched_again(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path
) -> None:
    step = make_git(repository=lfs_server.url, lfs="true")
    step.apply(make_context())
    lfs_server.keep(b"new")
    lfs_server.asked.clear()
    large.commit({"site/other.bin": pointer(b"new")})
    step.apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG
    assert (dest / "current" / "site" / "other.bin").read_bytes() == b"new"
    assert [len(asked) for asked in lfs_server.asked] == [1]


def test_files_that_nobody_points_to_any_more_take_no_room(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path
) -> None:
    step = make_git(repository=lfs_server.url, lfs="true")
    step.apply(make_context())
    assert len(_kept(dest)) == 2
    large.commit({"big.bin": "a plain file now"})
    step.apply(make_context())
    assert len(_kept(dest)) == 1
    make_git(repository=lfs_server.url).apply(make_context())
    assert _kept(dest) == []


@pytest.mark.parametrize("spoiled", [b"", b"x" * len(BIG)], ids=["cut", "changed"])
def test_a_kept_file_that_was_spoiled_is_fetched_again(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path, spoiled: bytes
) -> None:
    step = make_git(repository=lfs_server.url, lfs="true")
    step.apply(make_context())
    for kept in _kept(dest):
        kept.chmod(0o644)
        kept.write_bytes(spoiled)
    large.commit({"index.html": "two"})
    step.apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG


@pytest.mark.usefixtures("large")
def test_only_what_is_published_is_fetched(make_git: MakeGit, lfs_server: LfsServer, dest: Path) -> None:
    make_git(repository=lfs_server.url, lfs="true", subpath="site").apply(make_context())
    assert (dest / "current" / "other.bin").read_bytes() == OTHER
    make_git(repository=lfs_server.url, lfs="true", sparse=["/big.bin"], link="two").apply(make_context())
    assert (dest / "two" / "big.bin").read_bytes() == BIG
    assert [len(asked) for asked in lfs_server.asked] == [1, 1]


@pytest.mark.usefixtures("large")
def test_without_the_option_pointers_stay_and_that_is_said(
    make_git: MakeGit, lfs_server: LfsServer, dest: Path, voice: RecordingVoice
) -> None:
    make_git(repository=lfs_server.url).apply(make_context(voice=voice))
    assert (dest / "current" / "big.bin").read_text() == pointer(BIG)
    assert any("pointers are published; give --lfs" in warning for warning in voice.warnings)
    assert lfs_server.asked == []


def test_what_looks_like_a_pointer_stays_where_the_attributes_do_not_say_lfs(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path
) -> None:
    large.commit({"docs/example.txt": pointer(b"an example"), "plain.bin": "no pointer"})
    make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert (dest / "current" / "docs" / "example.txt").read_text() == pointer(b"an example")
    assert (dest / "current" / "plain.bin").read_text() == "no pointer"


def test_a_repository_without_pointers_needs_no_git_lfs(
    make_git: MakeGit, origin: Origin, dest: Path, tmp_path: Path
) -> None:
    origin.commit({".gitattributes": ATTRIBUTES, "a.bin": "plain"})
    make_git(lfs="true").apply(make_context(environ={"PATH": _path_without_lfs(tmp_path)}))
    assert (dest / "current" / "a.bin").read_text() == "plain"


@pytest.mark.usefixtures("large")
def test_git_lfs_that_is_missing_is_said(make_git: MakeGit, lfs_server: LfsServer, dest: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"lfs.*the image with git-lfs.*--lfs"):
        make_git(repository=lfs_server.url, lfs="true").apply(
            make_context(environ={"PATH": _path_without_lfs(tmp_path)})
        )
    assert not (dest / "current").exists()


@pytest.mark.usefixtures("large")
def test_other_content_than_the_pointer_says_is_refused(make_git: MakeGit, lfs_server: LfsServer, dest: Path) -> None:
    lfs_server.instead = b"y" * len(BIG)
    with pytest.raises(SuspectError, match="expected OID"):
        make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert not (dest / "current").exists()
    lfs_server.instead = None
    make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG


@pytest.mark.usefixtures("large")
def test_a_file_that_was_not_pushed_is_suspect(make_git: MakeGit, lfs_server: LfsServer, dest: Path) -> None:
    lfs_server.files.clear()
    with pytest.raises(SuspectError, match="git lfs push"):
        make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert not (dest / "current").exists()


@pytest.mark.parametrize("status", [500, 503, 429])
@pytest.mark.usefixtures("large")
def test_a_server_in_trouble_is_asked_again(make_git: MakeGit, lfs_server: LfsServer, status: int) -> None:
    lfs_server.batch_status = status
    with pytest.raises(TemporaryError) as caught:
        make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert type(caught.value) is TemporaryError


def test_files_that_are_too_large_are_refused_before_they_are_fetched(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path
) -> None:
    large.commit({"huge.bin": pointer(b"", oid="a" * 64, size=1 << 40)})
    with pytest.raises(PermanentError, match="--max-size"):
        make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert lfs_server.asked == []
    assert not (dest / "current").exists()


@pytest.mark.usefixtures("large")
def test_private_files_are_fetched_with_the_repositorys_credentials_and_nothing_keeps_them(
    make_git: MakeGit, lfs_server: LfsServer, dest: Path
) -> None:
    lfs_server.account = "someone:canary-word-1"
    step = make_git(repository=lfs_server.url_as("someone:canary-word-1"), lfs="true")
    lfs_server.batch_status = 500  # on which git-lfs writes down its environment
    with pytest.raises(TemporaryError):
        step.apply(make_context())
    assert not _found_below(dest, b"canary-word-1", b"c29tZW9uZTpjYW5hcnktd29yZC0x")
    lfs_server.batch_status = 0
    step.apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG
    assert not _found_below(dest, b"canary-word-1", b"c29tZW9uZTpjYW5hcnktd29yZC0x")


@pytest.mark.usefixtures("large")
def test_a_program_that_knows_the_password_is_asked_for_this_host_only(
    make_git: MakeGit, lfs_server: LfsServer, other_lfs_server: LfsServer, tmp_path: Path
) -> None:
    program, asked = tmp_path / "askpass", tmp_path / "asked"
    program.write_text(f'#!/bin/sh\necho "$1" >> {asked}\ncase "$1" in User*) echo u;; *) echo canary-word-2;; esac\n')
    program.chmod(0o755)
    lfs_server.account = other_lfs_server.account = "u:canary-word-2"
    lfs_server.storage = other_lfs_server.home
    other_lfs_server.keep(BIG, OTHER)
    with pytest.raises(SuspectError):
        make_git(repository=lfs_server.url, lfs="true", askpass=str(program)).apply(make_context())
    assert set(other_lfs_server.authorizations) == {None}
    assert f":{other_lfs_server.port}" not in asked.read_text()
    lfs_server.storage = ""
    make_git(repository=lfs_server.url, lfs="true", askpass=str(program)).apply(make_context())


@pytest.mark.parametrize("how", ["storage", "redirect"])
@pytest.mark.usefixtures("large")
def test_another_host_that_the_server_names_gets_no_credentials(
    make_git: MakeGit, lfs_server: LfsServer, other_lfs_server: LfsServer, dest: Path, how: str
) -> None:
    lfs_server.account = "u:canary-word-3"
    other_lfs_server.keep(BIG, OTHER)
    if how == "storage":
        lfs_server.storage = other_lfs_server.home
    else:
        lfs_server.batch_location = f"{other_lfs_server.url}/info/lfs/objects/batch"
    make_git(repository=lfs_server.url_as("u:canary-word-3"), lfs="true").apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG
    assert other_lfs_server.authorizations
    assert set(other_lfs_server.authorizations) == {None}


def test_a_server_that_lfsconfig_names_is_used_without_credentials_of_this_one(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, other_lfs_server: LfsServer, dest: Path
) -> None:
    lfs_server.account = "u:canary-word-4"
    other_lfs_server.keep(BIG, OTHER)
    large.commit({".lfsconfig": f"[lfs]\n\turl = {other_lfs_server.home}/large\n\tfetchexclude = *\n"})
    make_git(repository=lfs_server.url_as("u:canary-word-4"), lfs="true").apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG
    assert "/large/objects/batch" in other_lfs_server.paths
    assert set(other_lfs_server.authorizations) == {None}
    assert lfs_server.asked == []


@pytest.mark.parametrize("url", ["file:///etc", "ext::touch CANARY", "-oCANARY", "git://127.0.0.1/x"])
def test_a_server_that_nobody_may_name_is_refused(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path, url: str
) -> None:
    large.commit({".lfsconfig": f'[lfs]\n\turl = "{url}"\n'})
    with pytest.raises(PermanentError, match=r"lfs\.url in \.lfsconfig"):
        make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert not (dest / "current").exists()


def test_nothing_in_the_repository_has_git_lfs_run_a_program(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    agent = f'[lfs]\n\tstandalonetransferagent = own\n[lfs "customtransfer.own"]\n\tpath = touch\n\targs = {canary}\n'
    more = (
        f'[lfs "extension.own"]\n\tsmudge = touch {canary}\n\tpriority = 0\n[credential]\n\thelper = !touch {canary}\n'
    )
    large.commit({".lfsconfig": agent + more})
    make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG
    assert not canary.exists()


def test_a_pointer_that_needs_an_extension_is_refused_by_name(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer
) -> None:
    text = pointer(BIG).replace("oid ", f"ext-0-own sha256:{'b' * 64}\noid ")
    large.commit({"strange.bin": text})
    with pytest.raises(PermanentError, match=r"needs an extension of Git LFS: strange\.bin"):
        make_git(repository=lfs_server.url, lfs="true").apply(make_context())


def test_an_empty_file_in_lfs_becomes_one(make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path) -> None:
    large.commit({"empty.bin": pointer(b"")})
    make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert (dest / "current" / "empty.bin").read_bytes() == b""
    assert (dest / "current" / "big.bin").read_bytes() == BIG


def test_a_link_with_the_attributes_of_a_pointer_is_left_alone(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path
) -> None:
    os.symlink("big.bin", large.path / "link.bin")
    large.commit()
    make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert (dest / "current" / "link.bin").is_symlink()
    assert (dest / "current" / "link.bin").read_bytes() == BIG


def test_modes_stay(make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path) -> None:
    large.git("update-index", "--chmod=+x", "big.bin")
    large.git("commit", "--quiet", "-m", "mode")
    make_git(repository=lfs_server.url, lfs="true").apply(make_context())
    assert os.access(dest / "current" / "big.bin", os.X_OK)
    assert not (dest / "current" / "site" / "other.bin").stat().st_mode & 0o111


def test_the_files_of_submodules_come_too(make_git: MakeGit, family: Family, lfs_server: LfsServer, dest: Path) -> None:
    lfs_server.keep(BIG)
    sha = family.lib.commit({".gitattributes": ATTRIBUTES, "in.bin": pointer(BIG)})
    family.link(family.origin, {"lib": ("../../lib/.git", sha)})
    make_git(repository=lfs_server.url, lfs="true", submodules="shallow").apply(make_context())
    assert tree_of(dest / "current" / "lib")["in.bin"] == BIG.decode()


def test_a_private_ca_is_trusted_for_large_files_too(
    make_git: MakeGit, origin: Origin, lfs_over_tls: LfsServer, private_ca: PrivateCa, dest: Path
) -> None:
    lfs_over_tls.keep(BIG)
    lfs_over_tls.account = "u:canary-word-5"
    origin.commit({".gitattributes": ATTRIBUTES, "big.bin": pointer(BIG)})
    step = make_git(repository=lfs_over_tls.url_as("u:canary-word-5"), lfs="true", ca_file=private_ca.ca)
    step.apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG


def test_a_published_repository_does_not_take_the_files_for_changed_pointers(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, dest: Path
) -> None:
    make_git(repository=lfs_server.url, lfs="true", git_dir="keep").apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == BIG
    safe = f"safe.directory={(dest / 'current').resolve()}"
    assert large.git("-c", safe, "-C", str((dest / "current").resolve()), "status", "--porcelain") == ""


def test_a_server_is_found_in_lfsconfig_where_a_filter_left_that_out(
    make_git: MakeGit, large: Origin, lfs_server: LfsServer, other_lfs_server: LfsServer, dest: Path
) -> None:
    large.git("config", "uploadpack.allowFilter", "true")
    other_lfs_server.keep(BIG, OTHER)
    large.commit({".lfsconfig": f"[lfs]\n\turl = {other_lfs_server.home}/large\n"})
    step = make_git(repository=lfs_server.url, lfs="true", sparse=["/site/"], filter="blob:none")
    step.apply(make_context())
    assert (dest / "current" / "site" / "other.bin").read_bytes() == OTHER
    assert not (dest / "current" / "big.bin").exists()
    assert other_lfs_server.asked == [[hashlib.sha256(OTHER).hexdigest()]]


def _kept(dest: Path) -> list[Path]:
    return [path for path in (dest / ".initkit").glob("repository*/lfs/*/objects/**/*") if path.is_file()]


def _found_below(folder: Path, *words: bytes) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(word in path.read_bytes() for word in words)]


def _path_without_lfs(folder: Path) -> str:
    """A PATH with git, in whose own folder there is no git-lfs either."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(need_program("git"))
    return str(tools)
