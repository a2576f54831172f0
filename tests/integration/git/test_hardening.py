"""What git is not to be led by: variables, files in a home folder, other protocols, replaced objects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.errors import InitkitError, SuspectError
from initkit.steps.git.access.access import Access
from initkit.steps.git.asked.remote import Remote, parse_remote
from initkit.steps.git.calling.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_git import GitOverHttp, Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A program that leaves a file behind when it runs, and then fails; the file is `PROGRAM.ran`."""
    program = tmp_path / "evil" / "git-witness"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho ran >>{program}.ran\nexit 1\n")
    program.chmod(0o755)
    return program


def ran(witness: Path) -> bool:
    return witness.with_name(f"{witness.name}.ran").exists()


def hostile_config(witness: Path, url: str) -> str:
    return (
        f'[url "{witness.parent}/elsewhere"]\n\tinsteadOf = {url}\n'
        f"[core]\n\tgitProxy = {witness}\n\thooksPath = {witness.parent}\n\taskPass = {witness}\n"
        f"[credential]\n\thelper = {witness}\n"
        f'[protocol "ext"]\n\tallow = always\n'
    )


@pytest.mark.parametrize("name", ["HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"])
def test_no_configuration_of_a_user_or_a_machine_is_read(
    make_git: MakeGit, dest: Path, witness: Path, git_daemon: str, name: str
) -> None:
    config = hostile_config(witness, git_daemon)
    for place in (".gitconfig", "git/config", "gitconfig"):
        path = witness.parent / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(config)
    value = witness.parent / "gitconfig" if name.startswith("GIT_") else witness.parent
    make_git(repository=git_daemon).apply(make_context(environ={name: str(value)}))
    assert (dest / "current" / "index.html").read_text() == "one"
    assert not ran(witness)


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "url.{evil}/elsewhere.insteadOf", "GIT_CONFIG_VALUE_0": "{url}"},
        {"GIT_CONFIG_PARAMETERS": "'url.{evil}/elsewhere.insteadof'='{url}'"},
        {"GIT_PROXY_COMMAND": "{witness}"},
        {"GIT_OBJECT_DIRECTORY": "{evil}/objects"},
        {"GIT_ALLOW_PROTOCOL": "ext"},
        {"GIT_TRACE": "{witness}.ran"},
        {"GIT_TRACE_PACKET": "{witness}.ran"},
        {"GIT_TRACE2_EVENT": "{witness}.ran"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_no_variable_of_gits_is_passed_on(
    make_git: MakeGit, dest: Path, witness: Path, git_daemon: str, variables: dict[str, str]
) -> None:
    known = {"evil": str(witness.parent), "witness": str(witness), "url": git_daemon}
    environ = {name: value.format(**known) for name, value in variables.items()}
    make_git(repository=git_daemon).apply(make_context(environ=environ))
    assert (dest / "current" / "index.html").read_text() == "one"
    assert not ran(witness)
    assert sorted(path.name for path in witness.parent.iterdir()) == [witness.name]


def test_keys_of_tls_sessions_are_not_written_down(tmp_path: Path) -> None:
    program = _program(
        parse_remote("https://localhost:1/a"), SSLKEYLOGFILE=str(tmp_path / "keys"), GIT_SSL_NO_VERIFY="1"
    )
    with program._given() as (environment, _):  # what a child gets, whatever it would do with it
        assert not {"SSLKEYLOGFILE", "GIT_SSL_NO_VERIFY"} & environment.keys()


def test_a_password_in_a_home_folder_is_not_sent(make_git: MakeGit, git_over_http: GitOverHttp, tmp_path: Path) -> None:
    git_over_http.account = "ada:canary"
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password canary\n")
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / ".git-credentials").write_text(f"http://ada:canary@127.0.0.1:{git_over_http.port}\n")
    with pytest.raises(SuspectError, match="wants a credential"):
        make_git(repository=git_over_http.url).check(make_context(looking=True, environ={"HOME": str(tmp_path)}))
    assert set(git_over_http.authorizations) == {None}


def _program(remote: Remote, **environ: str) -> Program:
    return Program(remote, Access({}, {}), make_context(environ=environ))


@pytest.mark.parametrize("url", ["https://host/a", "git://host/a", "/srv/a"])
def test_all_configuration_is_ours(url: str, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = somebody\n")
    said = _program(parse_remote(url), HOME=str(tmp_path)).ask("look", "config", "--list", "--show-scope", "-z")
    fields = said.decode().split("\0")[:-1]
    settings = [setting for scope, setting in zip(fields[::2], fields[1::2], strict=True) if scope != "command"]
    assert [setting for setting in settings if not setting.startswith("safe.directory\n")] == []


@pytest.mark.parametrize("scheme", ["https", "http", "git", "file"])
def test_only_the_urls_own_protocol_is_allowed(scheme: str, origin: Origin, git_daemon: str) -> None:
    remote = Remote(scheme, "https://host/a")
    others = {"file": f"file://{origin.path}", "git": git_daemon, "http": "http://127.0.0.1:1/a"}
    others |= {"ext": "ext::touch /tmp/x", "ssh": "ssh://127.0.0.1/a", "ftp": "ftp://127.0.0.1/a", "fd": "fd::17"}
    for name, url in others.items():
        if name != scheme:
            with pytest.raises(InitkitError, match=f"transport '{name}' not allowed"):
                _program(remote).ask("look", "ls-remote", "--end-of-options", url)


def test_a_url_that_looks_like_an_option_is_none(witness: Path) -> None:
    with pytest.raises(InitkitError):
        _program(Remote("file", "/")).ask("look", "ls-remote", "--end-of-options", f"--upload-pack={witness}", "/")
    assert not ran(witness)


def test_an_object_that_somebody_replaced_in_the_store_is_taken_as_it_was(
    make_git: MakeGit, origin: Origin, dest: Path
) -> None:
    first = origin.git("rev-parse", "HEAD")
    second = origin.commit({"index.html": "two"})
    make_git(depth="0").apply(make_context())
    replaced = dest / ".initkit" / "repository" / "refs" / "replace" / first
    replaced.parent.mkdir(parents=True)
    replaced.write_text(f"{second}\n")
    make_git(depth="0", ref=first).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"
    assert os.readlink(dest / "current").startswith(f".initkit/{first}")
