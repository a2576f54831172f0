"""Every kind of ref, from a real repository into a folder; a second run finds nothing to do."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_git import Origin, snapshot

from initkit.core.errors import PermanentError, SuspectError, TemporaryError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.steps.git.calling import hardening
from initkit.steps.git.content import store
from initkit.steps.git.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


def _published(step: Git) -> str:
    finding = step.check(make_context())
    assert isinstance(finding, Satisfied), finding
    return finding.detail


def test_content_is_published_and_a_second_run_changes_nothing(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_git(ref="main")
    sha = origin.git("rev-parse", "main")
    pending = step.check(make_context(looking=True))
    assert isinstance(pending, Pending)
    assert pending.detail == f"would check out main at {sha[:7]}"
    outcome = step.apply(make_context())
    assert (outcome.status, outcome.detail) == (Status.CHANGED, f"main at {sha[:7]}")
    assert outcome.facts["sha"] == sha
    assert (dest / "current" / "site" / "page.html").read_text() == "page one"
    assert not os.path.isabs(os.readlink(dest / "current"))
    assert not (dest / "current" / ".git").exists()
    before = snapshot(dest)
    assert step.check(make_context()) == Satisfied(f"main at {sha[:7]}", outcome.facts)
    assert snapshot(dest) == before


def test_looking_writes_nothing_at_all(make_git: MakeGit, dest: Path, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    assert isinstance(make_git().check(make_context()), Pending)
    assert not dest.exists()
    assert snapshot(tmp_path) == before


def test_the_remotes_head_is_the_default(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.git("checkout", "--quiet", "-b", "trunk")
    origin.commit({"index.html": "trunk"})
    make_git().apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "trunk"


def test_a_moved_branch_is_followed(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_git(ref="main")
    step.apply(make_context())
    old = origin.git("rev-parse", "main")
    new = origin.commit({"index.html": "two"})
    finding = step.check(make_context())
    assert finding == Pending(f"would check out main at {new[:7]} (now {old[:7]})", (), finding.facts)
    outcome = step.apply(make_context())
    assert outcome.detail == f"main at {new[:7]} (was {old[:7]})"
    assert outcome.facts["previous_sha"] == old
    assert (dest / "current" / "index.html").read_text() == "two"


def test_a_force_push_is_followed(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    first = origin.git("rev-parse", "HEAD")
    origin.commit({"gone": "gone"})
    step = make_git(ref="main")
    step.apply(make_context())
    origin.git("reset", "--quiet", "--hard", first)
    origin.commit({"index.html": "rewritten"})
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "rewritten"
    assert not (dest / "current" / "gone").exists()


def test_history_that_has_nothing_in_common_is_followed(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    step = make_git(ref="main")
    step.apply(make_context())
    origin.git("checkout", "--quiet", "--orphan", "other")
    origin.commit({"index.html": "other"})
    origin.git("branch", "--force", "main", "other")
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "other"


@pytest.mark.parametrize("annotation", [(), ("-m", "release")])
def test_a_tag_means_the_commit_and_is_followed_when_it_moves(
    make_git: MakeGit, origin: Origin, dest: Path, annotation: tuple[str, ...]
) -> None:
    origin.git("tag", *annotation, "v1")
    step = make_git(ref="v1")
    sha = origin.git("rev-parse", "HEAD")
    assert step.apply(make_context()).facts["sha"] == sha
    assert _published(step) == f"v1 at {sha[:7]}"
    origin.commit({"index.html": "two"})
    assert _published(step) == f"v1 at {sha[:7]}"
    origin.git("tag", "--force", *annotation, "v1")
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"


def test_a_branch_goes_before_a_tag_of_the_same_name(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.git("tag", "both")
    origin.git("branch", "both")
    origin.git("checkout", "--quiet", "both")
    origin.commit({"index.html": "branch"})
    make_git(ref="both").apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "branch"
    make_git(ref="refs/tags/both").apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_sha_that_is_published_needs_no_network(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    sha = origin.git("rev-parse", "HEAD")
    origin.commit({"index.html": "two"})
    step = make_git(ref=sha)
    assert step.check(make_context()) == Pending(f"would check out {sha[:7]}", (), Work(step).facts(sha))
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"
    origin.path.rename(origin.path.with_name("away"))
    assert _published(step) == sha[:7]


def test_a_sha_that_is_a_tags_own_is_refused_with_the_commits(make_git: MakeGit, origin: Origin) -> None:
    origin.git("tag", "-m", "release", "v1")
    with pytest.raises(PermanentError, match=origin.git("rev-parse", "HEAD")):
        make_git(ref=origin.git("rev-parse", "v1")).apply(make_context())


def test_a_tag_of_something_else_than_a_commit_is_refused(make_git: MakeGit, origin: Origin) -> None:
    origin.git("tag", "blob", "HEAD:index.html")
    with pytest.raises(PermanentError, match="it is no commit"):
        make_git(ref="blob").apply(make_context())


def test_only_the_asked_folder_is_published_under_the_attributes_above_it(
    make_git: MakeGit, origin: Origin, dest: Path
) -> None:
    origin.commit({".gitattributes": "*.txt text eol=crlf\n", "site/a.txt": "x\n", "elsewhere/b": "b"})
    make_git(subpath="site").apply(make_context())
    assert sorted(os.listdir(dest / "current")) == ["a.txt", "deep", "page.html"]
    assert (dest / "current" / "a.txt").read_bytes() == b"x\r\n"
    tree = (dest / "current").resolve().parent
    assert not (tree / "elsewhere").exists()


def test_a_folder_whose_name_looks_like_a_pattern_is_taken_literally(
    make_git: MakeGit, origin: Origin, dest: Path
) -> None:
    origin.commit({"#a*[!b]? \\/x": "wanted", "#aXcY \\/x": "not wanted"})
    make_git(subpath="#a*[!b]? \\").apply(make_context())
    assert (dest / "current" / "x").read_text() == "wanted"
    assert len(list((dest / "current").resolve().parent.iterdir())) == 1


def test_another_subpath_of_the_same_commit_is_another_tree(make_git: MakeGit, dest: Path) -> None:
    make_git(subpath="site").apply(make_context())
    assert isinstance(make_git(subpath="site/deep").check(make_context()), Pending)
    make_git(subpath="site/deep").apply(make_context())
    assert os.listdir(dest / "current") == ["leaf"]


@pytest.mark.parametrize(
    ("subpath", "cause"), [("nowhere", "there is no folder nowhere"), ("index.html", "is no folder")]
)
def test_a_missing_subpath_is_suspect(make_git: MakeGit, dest: Path, subpath: str, cause: str) -> None:
    with pytest.raises(SuspectError, match=cause):
        make_git(subpath=subpath).apply(make_context())
    assert not (dest / "current").is_symlink()


@pytest.mark.parametrize(
    ("ref", "said"),
    [("nosuch", "no branch and no tag nosuch"), ("1a2b3c4", "give all 40 digits"), ("refs/pull/1/head", "refs/pull/1")],
)
def test_a_missing_ref_is_suspect(make_git: MakeGit, ref: str, said: str) -> None:
    with pytest.raises(SuspectError, match=said):
        make_git(ref=ref).check(make_context(looking=True))


def test_a_sha_that_the_remote_does_not_have_is_suspect(make_git: MakeGit) -> None:
    with pytest.raises(SuspectError, match="not our ref"):
        make_git(ref="12" * 20).apply(make_context())


def test_an_empty_repository_is_suspect_until_its_first_commit(make_git: MakeGit, dest: Path, tmp_path: Path) -> None:
    empty = Origin(tmp_path / "empty")
    step = make_git(repository=str(empty.path))
    with pytest.raises(SuspectError, match="its HEAD points to no commit"):
        step.check(make_context(looking=True))
    empty.commit({"a": "a"})
    step.apply(make_context())
    assert (dest / "current" / "a").read_text() == "a"


def test_a_commit_without_files_is_published_too(make_git: MakeGit, tmp_path: Path, dest: Path) -> None:
    bare = Origin(tmp_path / "bare")
    bare.commit()
    step = make_git(repository=str(bare.path))
    step.apply(make_context())
    assert os.listdir(dest / "current") == []
    assert _published(step).startswith("HEAD at ")


def test_a_missing_repository_is_suspect(make_git: MakeGit, tmp_path: Path) -> None:
    with pytest.raises(SuspectError, match="does not appear to be a git repository"):
        make_git(repository=str(tmp_path / "nowhere")).check(make_context(looking=True))


def test_a_missing_program_is_named(make_git: MakeGit) -> None:
    with pytest.raises(PermanentError, match="no program git on PATH; install git"):
        make_git().check(make_context(environ={"PATH": "/nonexistent"}, looking=True))


def test_a_sha256_repository_is_published(make_git: MakeGit, tmp_path: Path, dest: Path) -> None:
    path = tmp_path / "origin256"
    Origin(tmp_path / "any").git("init", "--quiet", "--object-format=sha256", str(path))
    other = Origin(path)
    sha = other.commit({"a": "a"})
    assert len(sha) == 64
    for ref in ("HEAD", sha):
        step = make_git(repository=str(path), ref=ref)
        assert step.apply(make_context(attempt_timeout=60, timeout=600)).facts["sha"] == sha
        assert isinstance(step.check(make_context()), Satisfied)
    assert (dest / "current" / "a").read_text() == "a"


@pytest.mark.parametrize(("depth", "commits"), [("1", 1), ("2", 2), ("0", 3)])
def test_depth_limits_what_is_fetched(make_git: MakeGit, origin: Origin, dest: Path, depth: str, commits: int) -> None:
    make_git().apply(make_context())
    for text in ("two", "three"):
        origin.commit({"index.html": text})
    make_git(depth=depth).apply(make_context())
    store = f"--git-dir={dest}/.initkit/repository"
    assert origin.git(store, "rev-list", "--count", "--all") == str(commits)
    assert origin.git(store, "fsck", "--full", "--no-dangling") == ""


def test_modes_that_a_later_step_changed_are_left_alone(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.commit({"index.html": "two"})
    step = make_git(keep_for="0")
    step.apply(make_context())
    tree = (dest / "current").resolve()
    for path in [*tree.rglob("*"), tree]:
        path.chmod(0o550 if path.is_dir() else 0o440)
    assert isinstance(step.check(make_context()), Satisfied)
    for text in ("three", "four", "five"):
        origin.commit({"index.html": text})
        step.apply(make_context())
    assert stat.S_IMODE((dest / "current" / "index.html").stat().st_mode) & 0o444 == 0o444
    assert not tree.exists()  # read-only folders could be removed all the same


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_that_leads_out_is_refused_by_name_unless_trusted(
    make_git: MakeGit, origin: Origin, dest: Path, target: str
) -> None:
    make_git().apply(make_context())
    (origin.path / "site" / "bad").symlink_to(target)
    origin.commit()
    with pytest.raises(PermanentError, match="the link site/bad leads out of the tree"):
        make_git().apply(make_context())
    assert not (dest / "current" / "site" / "bad").is_symlink()
    assert not list((dest / ".initkit").glob("tmp-*"))
    make_git(links="keep").apply(make_context())
    assert os.readlink(dest / "current" / "site" / "bad") == target


def test_links_inside_are_published(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    (origin.path / "site" / "home").symlink_to("../index.html")
    origin.commit()
    make_git().apply(make_context())
    assert (dest / "current" / "site" / "home").read_text() == "one"
    with pytest.raises(PermanentError, match="the link home leads out of the tree"):
        make_git(subpath="site").apply(make_context())


def test_no_link_at_all_is_published_where_none_is_asked_for(
    make_git: MakeGit, origin: Origin, dest: Path, voice: RecordingVoice
) -> None:
    (origin.path / "only").mkdir()
    for name, target in (("site/home", "../index.html"), ("bad", "/etc/passwd"), ("only/link", "../..")):
        (origin.path / name).symlink_to(target)
    origin.commit()
    make_git(links="none").apply(make_context(voice=voice))
    files = [path for path in (dest / "current").resolve().rglob("*") if not path.is_dir() or path.is_symlink()]
    assert sorted(path.name for path in files) == ["index.html", "leaf", "page.html"]
    assert not (dest / "current" / "only").exists()
    assert voice.notes == ["left out 3 symbolic links, as --links none asks for"]
    make_git(links="none", subpath="site").apply(make_context())
    assert sorted(os.listdir(dest / "current")) == ["deep", "page.html"]


def test_a_deleted_branch_is_suspect_and_what_is_published_stays(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.git("branch", "feature")
    step = make_git(ref="feature")
    step.apply(make_context())
    origin.git("branch", "-D", "feature")
    with pytest.raises(SuspectError, match="no branch and no tag feature"):
        step.check(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


@pytest.mark.parametrize("where", ["branch", "tag", "nowhere"])
def test_a_server_that_gives_no_commit_by_its_sha_is_asked_for_all(
    make_git: MakeGit, origin: Origin, dest: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setitem(hardening._SETTINGS, "protocol.version", "0")
    make_git().apply(make_context())
    sha = origin.commit({"index.html": "wanted"})
    origin.commit({"index.html": "later"})
    origin.git("tag", "-m", "release", "v1")
    if where != "branch":
        origin.git("reset", "--quiet", "--hard", "HEAD~2")
    if where == "nowhere":
        origin.git("tag", "-d", "v1")
        with pytest.raises(PermanentError, match=r"unadvertised object.*; name a branch or a tag"):
            make_git(ref=sha).apply(make_context())
        return
    make_git(ref=sha).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "wanted"


def test_what_nobody_needs_any_more_is_thrown_away_at_times(
    make_git: MakeGit, origin: Origin, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MOST_PACKS", 2)
    for number in range(6):
        origin.commit({"large": os.urandom(50_000).hex()})
        make_git(link="other" if number == 0 else "current").apply(make_context())
    packs = list((dest / ".initkit" / "repository" / "objects" / "pack").glob("*.pack"))
    assert len(packs) <= 4
    assert sum(pack.stat().st_size for pack in packs) < 5 * 50_000
    assert origin.git(f"--git-dir={dest}/.initkit/repository", "fsck", "--full", "--no-dangling") == ""
    assert len((dest / "other" / "large").read_text()) == 100_000


def test_submodules_stay_empty_and_filters_do_not_run(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    origin.write({".gitmodules": '[submodule "s"]\n\tpath = s\n\turl = ext::sh -c touch% /tmp/pwned\n'})
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{'12' * 20},s")
    (origin.path / "s").mkdir()
    origin.write({".gitattributes": "* filter=evil\n"})
    origin.git("add", ".gitmodules", ".gitattributes")
    origin.git("commit", "--quiet", "-m", "submodule")
    make_git().apply(make_context())
    (dest / ".initkit" / "repository" / "config").write_text(f'[filter "evil"]\n\tsmudge = touch {dest}/pwned; cat\n')
    (dest / ".initkit" / "repository" / "info").mkdir(exist_ok=True)
    (dest / ".initkit" / "repository" / "info" / "attributes").write_text("* filter=evil\n")
    origin.commit({"index.html": "two"})
    make_git().apply(make_context())
    assert os.listdir(dest / "current" / "s") == []
    assert not (dest / "pwned").exists()


def test_a_repository_of_another_user_can_be_read(
    make_git: MakeGit, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardening, "KEPT", (*hardening.KEPT, "GIT_TEST_ASSUME_DIFFERENT_OWNER"))
    context = make_context(environ={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})
    make_git().apply(context)
    assert (dest / "current" / "index.html").read_text() == "one"
    monkeypatch.setattr(hardening, "_safe_directories", lambda _: "")
    with pytest.raises(PermanentError, match="dubious ownership"):
        make_git().check(context)


@pytest.mark.parametrize("content", [b"", None])
def test_a_store_that_lost_an_object_is_made_anew(
    make_git: MakeGit, origin: Origin, dest: Path, content: bytes | None
) -> None:
    step = make_git()
    step.apply(make_context())
    lost = origin.git("rev-parse", "HEAD:site/page.html")
    store = dest / ".initkit" / "repository"
    pack = next(store.glob("objects/pack/*.pack"))
    packed = pack.read_bytes()
    for path in (pack, pack.with_suffix(".idx")):
        path.unlink()
    origin.git(f"--git-dir={store}", "unpack-objects", "-q", feed=packed)
    path = store / "objects" / lost[:2] / lost[2:]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    origin.commit({"index.html": "two"})
    with pytest.raises(TemporaryError, match="is made anew"):
        step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"


@pytest.mark.parametrize("name", ["HEAD", "config", "shallow"])
def test_a_file_that_a_crash_emptied_does_no_harm(make_git: MakeGit, origin: Origin, dest: Path, name: str) -> None:
    make_git().apply(make_context())
    (dest / ".initkit" / "repository" / name).write_bytes(b"")
    origin.commit({"index.html": "two"})
    with suppress(TemporaryError):  # the store may be made anew
        make_git().apply(make_context())
    make_git().apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"


def test_a_malformed_object_is_not_accepted(make_git: MakeGit, origin: Origin, dest: Path) -> None:
    blob = origin.git("rev-parse", "HEAD:index.html")
    raw = b"100644 .git\0" + bytes.fromhex(blob)
    path = origin.path / "tree.bin"
    path.write_bytes(raw)
    tree = origin.git("hash-object", "-t", "tree", "-w", "--literally", str(path))
    path.unlink()
    commit = origin.git("commit-tree", "-m", "evil", tree)
    origin.git("update-ref", "refs/heads/evil", commit)
    with pytest.raises(PermanentError, match="git fsck"):
        make_git(ref="evil").apply(make_context())
    assert not (dest / "current").exists()


def test_outcomes_are_said_without_noise(make_git: MakeGit, voice: RecordingVoice) -> None:
    make_git().apply(make_context(voice=voice))
    assert (voice.notes, voice.warnings) == ([], [])
