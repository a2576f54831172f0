"""Over ssh, from a real sshd: what opens it, what does not, and what is left behind."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git_ssh import SshServer, make_key
from fix_git_submodules import Family, head
from fix_need import need, need_program

from initkit.core.errors import PermanentError, SuspectError, TemporaryError
from initkit.core.outcome import Satisfied
from initkit.steps.git.access import ssh

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_git import Origin

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

RUN_STEP = Path(__file__).parent / "run_step.py"


def test_content_comes_over_ssh_and_stays_fresh(
    make_git: MakeGit, origin: Origin, ssh_server: SshServer, dest: Path
) -> None:
    step = make_git(**ssh_server.options)
    step.apply(make_context())
    assert isinstance(step.check(make_context()), Satisfied)
    origin.commit({"index.html": "two"})
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "two"
    assert set(ssh_server.asked) == {f"version=2 git-upload-pack '{origin.path}'"}


def test_a_full_sha_that_is_published_needs_no_connection(
    make_git: MakeGit, origin: Origin, ssh_server: SshServer
) -> None:
    step = make_git(**ssh_server.options, ref=origin.git("rev-parse", "HEAD"))
    step.apply(make_context())
    before = ssh_server.connections
    assert isinstance(step.check(make_context()), Satisfied)
    assert ssh_server.connections == before > 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key,
        lambda key: key.replace(b"\n", b"\r\n"),
        lambda key: key.rstrip(b"\n"),
        lambda key: b"\xef\xbb\xbf\n" + key + b"\n \n",
    ],
    ids=["as it is", "windows", "no last line end", "pasted"],
)
def test_a_key_works_as_a_secret_brings_it(
    make_git: MakeGit, ssh_server: SshServer, dest: Path, spoil: Callable[[bytes], bytes]
) -> None:
    ssh_server.key.write_bytes(spoil(ssh_server.key.read_bytes()))
    ssh_server.key.chmod(0o444)
    make_git(**ssh_server.options).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"
    assert ssh_server.key.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_key_in_the_old_form_works_too(
    make_git: MakeGit, ssh_server: SshServer, tmp_path: Path, dest: Path, kind: str
) -> None:
    key = make_key(tmp_path / "old", kind, form="PEM")
    (ssh_server.folder / "authorized").write_bytes((tmp_path / "old.pub").read_bytes())
    make_git(**ssh_server.options | {"ssh_key_file": str(key)}).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_key_that_is_renewed_is_read_anew(
    make_git: MakeGit, ssh_server: SshServer, tmp_path: Path, dest: Path
) -> None:
    other = make_key(tmp_path / "other")
    step = make_git(**ssh_server.options)
    (ssh_server.folder / "authorized").write_bytes((tmp_path / "other.pub").read_bytes())
    with pytest.raises(SuspectError, match="check the user in the URL, and that the key of --ssh-key-file may read"):
        step.apply(make_context())
    ssh_server.key.write_bytes(other.read_bytes())
    step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_the_key_is_in_no_arguments_no_file_and_no_message(
    make_git: MakeGit, ssh_server: SshServer, dest: Path
) -> None:
    step = make_git(**ssh_server.options)
    outcome = step.apply(make_context())
    lines = [line for line in ssh_server.key.read_text().splitlines() if "-----" not in line]
    arguments = (ssh_server.folder / "arguments").read_bytes()
    assert b"ls-remote" in arguments  # it has seen the client
    assert b"IdentityFile" not in arguments
    written = arguments + repr((step, outcome)).encode()
    written += b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    for line in lines:
        assert line.encode() not in written


def test_a_repository_that_is_not_there_is_suspect(make_git: MakeGit, ssh_server: SshServer) -> None:
    options = ssh_server.options | {"repository": f"{ssh_server.url}-not"}
    with pytest.raises(SuspectError, match="does not appear to be a git repository; check the repository's URL"):
        make_git(**options).apply(make_context())


def test_a_port_that_nobody_listens_on_may_open_later(make_git: MakeGit, ssh_server: SshServer) -> None:
    with socket.socket() as taken:  # bound, and it does not listen
        taken.bind(("127.0.0.1", 0))
        url = f"ssh://git@127.0.0.1:{taken.getsockname()[1]}/a"
        with pytest.raises(TemporaryError, match="Connection refused") as caught:
            make_git(**ssh_server.options | {"repository": url}).check(make_context(looking=True))
    assert type(caught.value) is TemporaryError


def test_a_host_that_has_no_address_may_get_one(make_git: MakeGit, ssh_server: SshServer) -> None:
    options = ssh_server.options | {"repository": "git@nowhere.invalid:a"}
    with pytest.raises(TemporaryError, match=r"resolve hostname nowhere\.invalid") as caught:
        make_git(**options).check(make_context(attempt_timeout=60, timeout=60, looking=True))  # a resolver may be away
    assert type(caught.value) is TemporaryError


def test_a_server_that_hangs_up_at_once_is_temporary(make_git: MakeGit, ssh_server: SshServer) -> None:
    ssh_server.closing = True
    with pytest.raises(TemporaryError, match=r"kex_exchange_identification|Connection (closed|reset)") as caught:
        make_git(**ssh_server.options).check(make_context(looking=True))
    assert type(caught.value) is TemporaryError


def test_a_silent_server_costs_one_attempts_timeout(make_git: MakeGit, ssh_server: SshServer) -> None:
    ssh_server.silent = True
    with pytest.raises(TemporaryError, match=r"no answer within 1s|timed out") as caught:
        make_git(**ssh_server.options).check(make_context(attempt_timeout=1, looking=True))
    assert type(caught.value) is TemporaryError


def test_a_server_that_stalls_in_the_middle_is_temporary(
    make_git: MakeGit, ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "_OPTIONS", ssh._OPTIONS | {"ServerAliveInterval": "1", "ServerAliveCountMax": "1"})
    with ssh_server.stalling(), pytest.raises(TemporaryError, match="the server hung up or stalled") as caught:
        make_git(**ssh_server.options).check(make_context(attempt_timeout=60, looking=True))
    assert type(caught.value) is TemporaryError


def _has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def test_ipv6(make_git: MakeGit, origin: Origin, tmp_path: Path, dest: Path) -> None:
    need(_has_ipv6(), "IPv6 on the loopback device")
    with SshServer(tmp_path / "sshd6", origin.path.parent, "::1").running() as server:
        make_git(**server.options).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_the_short_form_reaches_ssh_as_it_was_written(make_git: MakeGit, ssh_server: SshServer, tmp_path: Path) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "ssh").write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/argv\ncat "$2" >{tmp_path}/config\nexit 1\n'
    )
    (place / "ssh").chmod(0o755)
    context = make_context(environ={"PATH": f"{place}:{os.environ['PATH']}"})
    options = ssh_server.options | {"repository": "ada@example.org:~bob/a 'site'"}
    with pytest.raises(TemporaryError):
        make_git(**options).apply(context)
    argv = (tmp_path / "argv").read_text().splitlines()
    assert argv[0] == "-F"
    assert argv[2:] == ["--", "example.org", r"git-upload-pack '~bob/a '\''site'\'''"]
    assert {"User ada", "Port 22", "BatchMode yes"} <= set((tmp_path / "config").read_text().splitlines())


def test_a_configuration_and_an_agent_of_the_user_do_not_count(
    make_git: MakeGit, ssh_server: SshServer, dest: Path, tmp_path: Path
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(f"Host *\n ProxyCommand touch {tmp_path}/pwned\n")
    hostile = {
        "HOME": str(tmp_path),
        "GIT_SSH": f"touch {tmp_path}/pwned",
        "GIT_SSH_COMMAND": f"touch {tmp_path}/pwned",
        "SSH_AUTH_SOCK": f"{tmp_path}/agent",
        "INITKIT_SSH": "/bin/false",
        "PYTHONPATH": str(tmp_path),
    }
    make_git(**ssh_server.options).apply(make_context(environ=hostile))
    assert (dest / "current" / "index.html").read_text() == "one"
    assert not (tmp_path / "pwned").exists()


def _words(options: dict[str, str], dest: Path) -> list[str]:
    given = {key.replace("_", "-"): value for key, value in options.items()} | {"dest": str(dest)}
    return [f"{key}={value}" for key, value in given.items()]


def test_a_user_without_a_passwd_entry(ssh_server: SshServer, dest: Path) -> None:
    unshare = need_program("unshare", "util-linux")
    argv = [unshare, "--user", "--map-user=54321", "--map-group=54321", sys.executable, str(RUN_STEP)]
    done = subprocess.run([*argv, *_words(ssh_server.options, dest)], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("ready\nchanged\n", "")
    assert (dest / "current" / "index.html").read_text() == "one"


def test_no_shell_is_run(ssh_server: SshServer, dest: Path, tmp_path: Path) -> None:
    strace = need_program("strace")
    trace = tmp_path / "trace"
    argv = [strace, "-f", "-qq", "-e", "trace=execve", "-o", str(trace), sys.executable, str(RUN_STEP)]
    done = subprocess.run([*argv, *_words(ssh_server.options, dest)], check=False, capture_output=True, text=True)
    assert "changed" in done.stdout
    started = set(re.findall(r'execve\("([^"]+)".* = 0$', trace.read_text(), re.MULTILINE))
    names = {os.path.basename(path) for path in started}
    assert {"git", "ssh"} <= names
    assert not names & {"sh", "bash", "dash"}


def test_a_program_that_is_missing_is_named(make_git: MakeGit, ssh_server: SshServer, tmp_path: Path) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "git").symlink_to(need_program("git"))
    with pytest.raises(PermanentError, match="there is no program ssh on PATH; install openssh-client"):
        make_git(**ssh_server.options).apply(make_context(environ={"PATH": str(place)}))


def test_a_private_submodule_of_the_same_server_comes_by_the_same_key(
    make_git: MakeGit, family: Family, ssh_server: SshServer, dest: Path
) -> None:
    family.link(family.origin, {"lib": ("../lib", head(family.lib))})
    make_git(**ssh_server.options, submodules="shallow").apply(make_context())
    assert (dest / "current" / "lib" / "lib.txt").read_text() == "lib one"
    assert any("/lib'" in line for line in ssh_server.asked)
