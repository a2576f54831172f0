"""Servers that break off, at any byte: what came is forgotten, nothing is published, and the next attempt does it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from fix_clock import make_context
from fix_proxy import PASSES, Fault, Proxy, to_port

from initkit.core.errors import InitkitError, TemporaryError
from initkit.steps.git.calling import hardening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_git import GitOverHttp, Origin
    from fix_git_broken import BreakingOff

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

EVERY = 10  # bytes


@pytest.fixture(params=["git", "http", "http without length"])
def server(request: pytest.FixtureRequest, breaking_off: Callable[[int], BreakingOff]) -> tuple[BreakingOff, str]:
    """The proxy, and the URL of a repository behind it."""
    if request.param == "git":
        parts = urlsplit(request.getfixturevalue("git_daemon"))
    else:
        over_http: GitOverHttp = request.getfixturevalue("git_over_http")
        parts = urlsplit(over_http.url)
    assert parts.port
    proxy = breaking_off(parts.port)
    proxy.without_length = request.param == "http without length"
    return proxy, parts._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()


def _cuts(proxy: BreakingOff, work: Callable[[], object]) -> Iterator[int]:
    """Have the proxy break off at every tenth byte of what `work` takes in all, now closing and now resetting.

    A busy server cuts its answers into packets in another way, so that at the very end there may be nothing to break.
    """
    proxy.whole()
    work()
    whole = proxy.passed
    assert whole > 20 * EVERY
    for number, after in enumerate(range(0, whole, EVERY)):
        proxy.breaks_off(after, with_reset=bool(number % 2))
        yield after


def _assert_temporary(work: Callable[[], object], proxy: BreakingOff, after: int) -> bool:
    """Have work fail for being broken off; says whether it was: it was not where all answers took no more bytes."""
    error = _failure(work)
    assert proxy.broke or (error is None and after > 20 * EVERY), after
    assert type(error) is TemporaryError or not proxy.broke, after
    return proxy.broke


def _failure(work: Callable[[], object]) -> InitkitError | None:
    try:
        work()
    except InitkitError as error:
        return error
    return None


def test_a_look_that_is_broken_off_is_temporary(make_git: MakeGit, server: tuple[BreakingOff, str]) -> None:
    proxy, url = server

    def look() -> object:
        return make_git(repository=url).check(make_context(looking=True))

    for after in _cuts(proxy, look):
        _assert_temporary(look, proxy, after)


def test_a_fetch_that_is_broken_off_is_temporary_and_the_next_one_publishes(
    make_git: MakeGit, server: tuple[BreakingOff, str], origin: Origin, tmp_path: Path
) -> None:
    proxy, url = server
    sha = origin.git("rev-parse", "HEAD")  # it needs no look, so that all of this is the fetch

    def fetch(dest: Path) -> Callable[[], object]:
        return lambda: make_git(repository=url, ref=sha, dest=str(dest)).apply(make_context())

    for after in _cuts(proxy, fetch(tmp_path / "first")):
        dest = tmp_path / str(after // (10 * EVERY))
        if not _assert_temporary(fetch(dest), proxy, after):
            continue
        assert not (dest / "current").exists()
        if after % (10 * EVERY) == 9 * EVERY:  # after ten of them
            proxy.whole()
            fetch(dest)()
            assert (dest / "current" / "site" / "deep" / "leaf").read_text() == "leaf"


@pytest.fixture
def head(origin: Origin) -> str:
    return origin.git("rev-parse", "HEAD")


@pytest.fixture
def stalling(git_daemon: str, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch) -> tuple[Proxy, str]:
    """A proxy before git's own daemon, and the URL of a repository behind it; three seconds are a stall."""
    monkeypatch.setattr(hardening, "STALLED_AFTER", 3)
    parts = urlsplit(git_daemon)
    assert parts.port
    before = proxy(to_port(parts.port))
    return before, parts._replace(netloc=f"127.0.0.1:{before.port}").geturl()


@pytest.mark.parametrize("bytes_before", [0, 100, 400])
def test_a_stall_in_gits_own_protocol_is_temporary_and_the_next_attempt_publishes(  # noqa: PLR0917 - fixtures
    make_git: MakeGit,
    stalling: tuple[Proxy, str],
    head: str,
    dest: Path,
    monkeypatch: pytest.MonkeyPatch,
    bytes_before: int,
) -> None:
    before, url = stalling
    step = make_git(repository=url, ref=head)
    before.become(Fault(stalls_after=bytes_before))
    with pytest.raises(TemporaryError, match="nothing came for 3s") as caught:
        step.apply(make_context())
    assert type(caught.value) is TemporaryError
    assert not (dest / "current").exists()
    before.become(PASSES)
    monkeypatch.setattr(hardening, "STALLED_AFTER", 60)
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_slow_line_is_no_stall(make_git: MakeGit, stalling: tuple[Proxy, str], head: str, dest: Path) -> None:
    before, url = stalling
    before.become(Fault(trickle=0.008))
    make_git(repository=url, ref=head).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"
