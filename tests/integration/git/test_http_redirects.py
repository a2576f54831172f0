"""A server that sends git elsewhere: what was given for the one host is never shown to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git_https import basic

from initkit.core.errors import PermanentError, SuspectError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git_https import GuardedGit

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


@pytest.fixture(params=["password_file", "bearer_file", "askpass"])
def make_logged_in(
    request: pytest.FixtureRequest, make_git: MakeGit, guarded: GuardedGit, tmp_path: Path
) -> Callable[[], Git]:
    """Make the step with each way to log in, which the server wants."""
    option = str(request.param)
    guarded.wanted = "Bearer canary" if option == "bearer_file" else basic("x-token-auth", "canary")
    file = tmp_path / "secret"
    script = "#!/bin/sh\ncase $1 in User*) echo x-token-auth ;; *) echo canary ;; esac\n"
    file.write_text(script if option == "askpass" else "canary")
    file.chmod(0o755)
    return lambda: make_git(repository=guarded.url, **{option: str(file)})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])  # info/refs, and git-upload-pack
def test_a_redirect_to_another_host_is_not_followed_with_credentials(
    make_logged_in: MakeGit, guarded: GuardedGit, other_guarded: GuardedGit, method: str, status: int
) -> None:
    guarded.redirect = (method, status, other_guarded.url)
    with pytest.raises(PermanentError, match="give the URL that the server redirects to") as caught:
        make_logged_in().apply(make_context())
    assert guarded.authorizations
    assert other_guarded.authorizations == []
    assert "canary" not in repr(caught.value)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_within_the_host_is_followed_with_credentials(
    make_logged_in: MakeGit, guarded: GuardedGit, dest: Path, method: str
) -> None:
    guarded.redirect = (method, 301, "/origin")
    make_logged_in().apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_redirects_that_lead_back_end(make_logged_in: MakeGit, guarded: GuardedGit) -> None:
    guarded.redirect = ("GET", 301, "/origin/.git")
    with pytest.raises(SuspectError, match="it redirects for ever"):
        make_logged_in().check(make_context(looking=True))
    assert len(guarded.authorizations) == 1


def test_a_redirect_to_a_page_for_logging_in_is_suspect(make_logged_in: MakeGit, guarded: GuardedGit) -> None:
    guarded.redirect = ("GET", 302, "/login?canary-for=")
    with pytest.raises(SuspectError, match="check the URL, and the user and the password") as caught:
        make_logged_in().check(make_context(looking=True))
    assert "canary" not in repr(caught.value)
