"""Every way to log in over HTTP: it opens with the right secret, fails plainly with a wrong one, and is told nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_git_https import basic

from initkit.core.errors import PermanentError, SuspectError
from initkit.core.outcome import Satisfied
from initkit.steps.git.access.access import reaching
from initkit.steps.git.asked.remote import parse_remote
from initkit.steps.git.calling.program import Program
from initkit.steps.git.calling.refs import resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git_https import GuardedGit

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]
    Way = tuple[str, str]  # the name of the way, and what the server wants for it

_SECRET = "c4n@ry-%2F:xyz"  # with all that has a meaning in URLs
_WAYS: list[Way] = [
    ("file", basic("ada", _SECRET)),
    ("variable", basic("ada", _SECRET)),
    ("token", basic("x-token-auth", _SECRET)),
    ("user in the URL", basic("ada", _SECRET)),
    ("bearer", f"Bearer {_SECRET}"),
    ("askpass", basic("ada", _SECRET)),
    ("askpass without a user", basic("asked-user", _SECRET)),
]


def _options(way: str, server: GuardedGit, folder: Path, secret: str) -> dict[str, str]:
    """The step's options for one way to log in with this secret."""
    file = folder / "secret"
    file.write_text(f"{secret}\n")
    ask = folder / "ask me"
    ask.write_text(f"#!/bin/sh\ncase $1 in User*) echo asked-user ;; *) cat '{file}' ;; esac\n")
    ask.chmod(0o755)
    return {"repository": server.url} | {
        "file": {"username": "ada", "password_file": str(file)},
        "variable": {"username": "ada", "password_env": "FORGE_LOGIN"},
        "token": {"password_file": str(file)},
        "user in the URL": {"repository": server.url_as("ada"), "password_file": str(file)},
        "bearer": {"bearer_file": str(file)},
        "askpass": {"askpass": str(ask), "username": "ada"},
        "askpass without a user": {"askpass": str(ask)},
    }[way]


@pytest.mark.parametrize(("way", "wanted"), _WAYS)
def test_the_right_secret_opens_and_is_written_nowhere(
    make_git: MakeGit, guarded: GuardedGit, tmp_path: Path, way: str, wanted: str
) -> None:
    guarded.wanted = wanted
    step = make_git(**_options(way, guarded, tmp_path, _SECRET), git_dir="keep", record=str(tmp_path / "record"))
    voice = RecordingVoice()
    context = make_context(environ={"FORGE_LOGIN": _SECRET}, voice=voice)
    outcome = step.apply(context)
    dest = tmp_path / "dest"
    assert (dest / "current" / "index.html").read_text() == "one"
    assert isinstance(step.check(context), Satisfied)
    assert any("remote-http" in arguments for arguments in guarded.arguments)
    said = " ".join(guarded.arguments) + repr((step, outcome, step.check(context), voice))
    written = said.encode() + b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    written += (tmp_path / "record").read_bytes()
    for canary in (_SECRET, wanted.split()[1], "c4n%40ry"):
        assert canary.encode() not in written


@pytest.mark.parametrize(("way", "wanted"), _WAYS)
def test_a_wrong_secret_is_suspect_and_not_repeated(
    make_git: MakeGit, guarded: GuardedGit, tmp_path: Path, way: str, wanted: str
) -> None:
    guarded.wanted = wanted
    step = make_git(**_options(way, guarded, tmp_path, "wrong-canary"))
    with pytest.raises(SuspectError, match="check the user and the password or token") as caught:
        step.check(make_context(environ={"FORGE_LOGIN": "wrong-canary"}, looking=True))
    assert len(guarded.authorizations) > 1 or guarded.authorizations[0]
    assert "canary" not in repr(caught.value)


def test_a_secret_that_is_renewed_is_read_anew(make_git: MakeGit, guarded: GuardedGit, tmp_path: Path) -> None:
    guarded.wanted = basic("ada", "new-canary")
    step = make_git(**_options("file", guarded, tmp_path, "old-canary"))
    context = make_context(looking=True)
    with pytest.raises(SuspectError):
        step.check(context)
    (tmp_path / "secret").write_text("new-canary\n")
    step.check(context)
    assert guarded.authorizations[-1] == basic("ada", "new-canary")


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ("exit 1", "check the program of --askpass: it failed"),
        ("true", "check the user and the password or token"),
    ],
)
def test_a_program_that_answers_nothing_is_asked_once_and_nobody_else(
    make_git: MakeGit, guarded: GuardedGit, tmp_path: Path, body: str, advice: str
) -> None:
    guarded.wanted = basic("ada", _SECRET)
    ask = tmp_path / "ask"
    ask.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/asked\n{body}\n')
    ask.chmod(0o755)
    with pytest.raises(SuspectError, match=advice):
        make_git(repository=guarded.url, username="ada", askpass=str(ask)).check(make_context(looking=True))
    assert (tmp_path / "asked").read_text() == f"Password for 'http://ada@127.0.0.1:{guarded.port}': \n"


def test_a_repository_that_asks_nobody_is_read_without_a_program(
    make_git: MakeGit, guarded: GuardedGit, tmp_path: Path
) -> None:
    ask = tmp_path / "ask"
    ask.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    ask.chmod(0o755)
    make_git(repository=guarded.url, askpass=str(ask)).check(make_context(looking=True))
    assert not (tmp_path / "asked").exists()


def test_a_missing_file_is_told_before_the_server_is_asked(
    make_git: MakeGit, guarded: GuardedGit, tmp_path: Path
) -> None:
    step = make_git(repository=guarded.url, password_file=str(tmp_path / "none"))
    with pytest.raises(PermanentError, match=r"none: No such file or directory; .*--password-file"):
        step.check(make_context(looking=True))
    assert guarded.authorizations == []


def test_a_submodules_remote_at_another_port_gets_nothing(
    make_git: MakeGit, guarded: GuardedGit, other_guarded: GuardedGit, tmp_path: Path
) -> None:
    asked = make_git(**_options("file", guarded, tmp_path, _SECRET))
    _read(other_guarded.url, asked)
    _read(other_guarded.url_as("git"), asked)
    assert set(other_guarded.authorizations) == {None}
    _read(guarded.url_as("git"), asked)
    assert set(guarded.authorizations) == {basic("ada", _SECRET)}


def _read(url: str, asked: Git) -> None:
    remote, context = parse_remote(url), make_context()
    with reaching(remote, asked, context, home=asked.repository) as access:
        resolve(Program(remote, access, context), "HEAD")


def test_credentials_without_tls_are_warned_of_once(make_git: MakeGit, guarded: GuardedGit, tmp_path: Path) -> None:
    step = make_git(**_options("file", guarded, tmp_path, _SECRET))
    voice = RecordingVoice()
    for _ in range(2):
        step.check(make_context(voice=voice, looking=True))
    assert voice.warnings == [f"the credentials for {guarded.url} go over the network unencrypted; use https"]


def test_without_credentials_there_is_nothing_to_warn_of(make_git: MakeGit, guarded: GuardedGit) -> None:
    voice = RecordingVoice()
    make_git(repository=guarded.url).check(make_context(voice=voice, looking=True))
    assert voice.warnings == []
