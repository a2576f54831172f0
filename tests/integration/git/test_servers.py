"""From real servers: git's own protocol and HTTP, with credentials, refusals, stalls and redirects."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from fix_clock import make_context
from fix_git import GitOverHttp, arguments_of

from initkit.core.errors import PermanentError, Stopped, SuspectError, TemporaryError
from initkit.core.outcome import Satisfied
from initkit.core.stop import Stop
from initkit.steps.git.calling import hardening

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


def test_gits_own_protocol(make_git: MakeGit, origin: Origin, git_daemon: str, dest: Path) -> None:
    step = make_git(repository=git_daemon, ref="main")
    step.apply(make_context())
    origin.commit({"index.html": "two"})
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"
    assert isinstance(step.check(make_context()), Satisfied)
    sha = origin.git("rev-parse", "HEAD~1")
    make_git(repository=git_daemon, ref=sha).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_repository_that_the_daemon_does_not_have_is_suspect(make_git: MakeGit, git_daemon: str) -> None:
    with pytest.raises(SuspectError, match="check the repository's URL"):
        make_git(repository=f"{git_daemon}-not").check(make_context(looking=True))


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_port_that_nobody_listens_on_may_open_later(make_git: MakeGit, scheme: str) -> None:
    with pytest.raises(TemporaryError) as caught:
        make_git(repository=f"{scheme}://127.0.0.1:1/a").check(make_context(looking=True))
    assert type(caught.value) is TemporaryError
    assert "127.0.0.1" in str(caught.value)


def test_a_host_that_has_no_address_may_get_one(make_git: MakeGit) -> None:
    patient = make_context(attempt_timeout=60, timeout=60, looking=True)  # a resolver may be away, too
    with pytest.raises(TemporaryError, match="resolve host") as caught:
        make_git(repository="http://nowhere.invalid/a").check(patient)
    assert type(caught.value) is TemporaryError


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_silent_server_costs_one_attempts_timeout(make_git: MakeGit, silent_git_port: int, scheme: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemporaryError, match="no answer within 300ms"):
        make_git(repository=f"{scheme}://127.0.0.1:{silent_git_port}/a").check(
            make_context(attempt_timeout=0.3, looking=True)
        )
    assert time.monotonic() - started < 10
    assert not _gits()


def test_a_stop_ends_the_wait_for_a_silent_server(make_git: MakeGit, silent_git_port: int) -> None:
    stop = Stop()
    threading.Timer(0.3, stop.request, [15]).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        make_git(repository=f"http://127.0.0.1:{silent_git_port}/a").apply(make_context(stop=stop))
    assert time.monotonic() - started < 8
    assert not _gits()


def test_the_right_password_opens_and_is_written_nowhere(
    make_git: MakeGit, git_over_http: GitOverHttp, dest: Path, tmp_path: Path
) -> None:
    git_over_http.account = "ada:c@nary/p:w"
    step = make_git(repository=git_over_http.url_as("ada:c%40nary%2Fp%3Aw"))
    context = make_context(environ={"PATH": f"{_logging_git(tmp_path)}:{os.environ['PATH']}"})
    outcome = step.apply(context)
    assert (dest / "current" / "index.html").read_text() == "one"
    assert isinstance(step.check(context), Satisfied)
    written = (tmp_path / "argv").read_bytes() + repr((step, outcome, step.check(context))).encode()
    written += b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    assert b"ls-remote" in written
    assert b"http.extraHeader" not in written
    for canary in (b"c@nary", b"c%40nary", b"YWRhOmNAbmFyeS9wOnc"):
        assert canary not in written


def _logging_git(folder: Path) -> Path:
    """A folder with a `git` that writes its arguments down and goes on as git."""
    place = folder / "bin"
    place.mkdir()
    script = place / "git"
    script.write_text(f'#!/bin/sh\necho "$@" >>{folder}/argv\nPATH=${{PATH#*:}} exec git "$@"\n')
    script.chmod(0o755)
    return place


def test_a_token_alone_opens_too(make_git: MakeGit, git_over_http: GitOverHttp, dest: Path) -> None:
    git_over_http.account = "ghp_token123:"
    make_git(repository=git_over_http.url_as("ghp_token123")).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


@pytest.mark.parametrize("userinfo", ["ada:canary-wrong", ""])
def test_a_wrong_or_missing_password_is_suspect(make_git: MakeGit, git_over_http: GitOverHttp, userinfo: str) -> None:
    git_over_http.account = "ada:right"
    url = git_over_http.url_as(userinfo) if userinfo else git_over_http.url
    advice = "check the user and the password or token" if userinfo else "give a credential"
    with pytest.raises(SuspectError, match=advice) as caught:
        make_git(repository=url).check(make_context(looking=True))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, SuspectError), (404, SuspectError), (429, TemporaryError), (500, TemporaryError), (503, TemporaryError)],
)
def test_what_an_http_status_means(
    make_git: MakeGit, git_over_http: GitOverHttp, status: int, error: type[Exception]
) -> None:
    git_over_http.status = status
    with pytest.raises(error) as caught:
        make_git(repository=git_over_http.url).check(make_context(looking=True))
    assert type(caught.value) is error


def test_credentials_are_not_sent_on_by_a_redirect(
    make_git: MakeGit, git_over_http: GitOverHttp, tmp_path: Path
) -> None:
    with GitOverHttp(tmp_path).running() as other:
        git_over_http.location = other.url
        with pytest.raises(PermanentError, match="give the URL that the server redirects to"):
            make_git(repository=git_over_http.url_as("ada:canary")).apply(make_context())
        assert git_over_http.authorizations != []
        assert other.authorizations == []


def test_a_redirect_without_credentials_is_followed(
    make_git: MakeGit, git_over_http: GitOverHttp, tmp_path: Path, dest: Path
) -> None:
    with GitOverHttp(tmp_path).running() as other:
        git_over_http.location = other.url
        make_git(repository=git_over_http.url).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_the_next_fetch_brings_only_what_is_new(make_git: MakeGit, git_over_http: GitOverHttp, origin: Origin) -> None:
    (origin.path / "big").write_bytes(os.urandom(1_000_000))
    origin.commit()
    step = make_git(repository=git_over_http.url)
    step.apply(make_context())
    assert git_over_http.received > 1_000_000
    git_over_http.received = 0
    origin.commit({"index.html": "two"})
    step.apply(make_context())
    assert 0 < git_over_http.received < 50_000


def test_a_transfer_that_stalls_is_temporary(
    make_git: MakeGit, git_over_http: GitOverHttp, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_over_http.stall.set()
    step = make_git(repository=git_over_http.url)
    with monkeypatch.context() as patched:
        patched.setattr(hardening, "STALLED_AFTER", 1)
        with pytest.raises(TemporaryError, match="too slow") as caught:
            step.apply(make_context())
    assert type(caught.value) is TemporaryError
    git_over_http.stall.clear()
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_stop_in_the_middle_of_a_fetch_leaves_the_volume_whole(
    make_git: MakeGit, git_over_http: GitOverHttp, origin: Origin, dest: Path
) -> None:
    step = make_git(repository=git_over_http.url)
    step.apply(make_context())
    origin.commit({"index.html": "two"})
    git_over_http.stall.set()
    stop = Stop()
    asked: list[float] = []

    def request() -> None:
        git_over_http.stalled.wait(60)
        asked.append(time.monotonic())
        stop.request(15)

    threading.Thread(target=request, daemon=True).start()
    with pytest.raises(Stopped):
        step.apply(make_context(stop=stop))
    assert time.monotonic() - asked[0] < 8
    assert git_over_http.stalled.is_set()
    assert not stop.has_work_in_flight
    assert not _gits()
    assert (dest / "current" / "index.html").read_text() == "one"
    assert not list((dest / ".initkit").glob("tmp-*"))
    git_over_http.stall.clear()
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"


def test_work_under_way_is_not_cut_off_by_the_deadline(
    make_git: MakeGit, git_over_http: GitOverHttp, origin: Origin, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardening, "STALLED_AFTER", 30)
    git_over_http.stall.set()
    step = make_git(repository=git_over_http.url, ref=origin.git("rev-parse", "HEAD"))  # no look: the fetch alone
    context = make_context(timeout=1)

    def release() -> None:
        git_over_http.stalled.wait(60)
        time.sleep(context.remaining + 1)
        git_over_http.release.set()

    threading.Thread(target=release, daemon=True).start()
    with pytest.raises(TemporaryError) as caught:  # the server breaks off at last: the fetch had gone on until then
        step.apply(context)
    assert context.remaining == 0
    assert "no answer" not in str(caught.value)
    assert not (dest / "current").exists()


def _gits() -> list[psutil.Process]:
    """Children of this test that are git and still run."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if {"ls-remote", "fetch"} & set(arguments_of(child))]


@pytest.mark.parametrize(
    ("ref", "text"), [("HEAD", "one"), ("main", "one"), ("v1", "tagged"), ("refs/tags/v1", "tagged")]
)
def test_who_is_patient_fetches_at_first_without_asking_what_a_ref_means(  # noqa: PLR0917 - fixtures
    make_git: MakeGit, git_over_http: GitOverHttp, origin: Origin, dest: Path, ref: str, text: str
) -> None:
    origin.git("checkout", "--quiet", "-b", "release")
    origin.commit({"index.html": "tagged"})
    origin.git("tag", "-m", "release", "v1")
    origin.git("checkout", "--quiet", "main")
    step = make_git(repository=git_over_http.url, ref=ref)
    step.apply(make_context(attempt_timeout=60, timeout=600))
    assert (dest / "current" / "index.html").read_text() == text
    # a fetch: what the server can do, its refs, the commit (gitprotocol-v2(5)); a tag is taken for a branch at first
    assert len(git_over_http.paths) == (7 if ref == "v1" else 3)
    assert isinstance(step.check(make_context()), Satisfied)


@pytest.mark.parametrize("ref", ["nosuch", "refs/pull/1/head", "1a2b3c4"])
def test_who_is_patient_is_told_of_a_missing_ref_too(
    make_git: MakeGit, git_over_http: GitOverHttp, dest: Path, ref: str
) -> None:
    with pytest.raises(SuspectError, match="there is no branch and no tag"):
        make_git(repository=git_over_http.url, ref=ref).apply(make_context(attempt_timeout=60, timeout=600))
    assert not (dest / "current").exists()
