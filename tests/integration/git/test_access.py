"""What a credential meets on its way: proxies, programs that hang, servers beside the one that was named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git_https import basic
from fix_git_lfs import ATTRIBUTES, pointer
from fix_git_ssh import fingerprint
from fix_need import need_program

from initkit.core.errors import SuspectError, TemporaryError
from initkit.steps.git.calling import hardening

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

    from fix_git import Origin
    from fix_git_https import GuardedGit
    from fix_git_lfs import LfsServer
    from fix_git_ssh import SshServer
    from fix_peer import Behaviour
    from fix_tls import PrivateCa

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]

_CANARY = "canary-4711-secret"
_PROJECT = Path(__file__).parents[3]
_WANTS_LOGIN = b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n'


def _program(folder: Path, body: str) -> str:
    path = folder / "ask"
    path.write_text(f'#!/bin/sh\necho "$1" >>{folder}/asked\n{body}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("written", ["http://ada@{}", "ada@{}"])
def test_a_proxy_that_wants_a_password_is_not_given_the_repositorys(
    make_git: MakeGit, peer: Callable[[Behaviour], int], tmp_path: Path, scheme: str, written: str
) -> None:
    heard = []

    def proxy(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set() and (request := connection.recv(65536)):
            heard.append(request)
            connection.sendall(_WANTS_LOGIN)

    environ = {f"{scheme}_proxy": written.format(f"127.0.0.1:{peer(proxy)}")}
    step = make_git(repository=f"{scheme}://git.example.org/a", askpass=_program(tmp_path, f"echo {_CANARY}"))
    with pytest.raises(SuspectError, match=rf"407.*; check the user and the password in {scheme}_proxy"):
        step.check(make_context(looking=True, environ=environ))
    assert heard
    assert not (tmp_path / "asked").exists()
    sent = b"".join(heard)
    assert _CANARY.encode() not in sent
    assert basic("ada", _CANARY).encode() not in sent


def test_a_program_that_hangs_while_git_fetches_is_ended(
    make_git: MakeGit, origin: Origin, guarded: GuardedGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardening, "STALLED_AFTER", 2)
    guarded.wanted = basic("ada", _CANARY)
    sha = origin.git("rev-parse", "HEAD")  # which needs no other answer first
    step = make_git(repository=guarded.url, ref=sha, askpass=_program(tmp_path, "exec sleep 30"))
    with pytest.raises(TemporaryError, match="nothing came for 2s"):
        step.apply(make_context())


def test_the_private_ca_is_trusted_where_ssh_leads_git_lfs_to_https(  # noqa: PLR0917 - fixtures
    make_git: MakeGit, origin: Origin, ssh_server: SshServer, lfs_over_tls: LfsServer, private_ca: PrivateCa, dest: Path
) -> None:
    need_program("git-lfs")
    content = b"large\n" * 1000
    lfs_over_tls.keep(content)
    origin.commit({".gitattributes": ATTRIBUTES, "big.bin": pointer(content)})
    answer = f'{{"href":"{lfs_over_tls.home}/lfs","header":{{"Authorization":"{basic("ada", _CANARY)}"}}}}'
    forced = ssh_server.folder / "forced"
    alone = forced.read_text().replace(
        "exec", f"case $SSH_ORIGINAL_COMMAND in git-lfs-authenticate*) echo '{answer}'; exit ;; esac\nexec"
    )
    forced.write_text(alone)
    make_git(**ssh_server.options, lfs="true", ca_file=private_ca.ca).apply(make_context())
    assert (dest / "current" / "big.bin").read_bytes() == content
    assert lfs_over_tls.authorizations[0] == basic("ada", _CANARY)
    for path in (path for path in dest.rglob("*") if path.is_file()):
        assert basic("ada", _CANARY).split()[1].encode() not in path.read_bytes()


def test_a_fingerprint_is_compared_where_the_environment_has_no_path(ssh_server: SshServer, dest: Path) -> None:
    options = ["--ssh-key-file", str(ssh_server.key), "--host-key-fingerprint", fingerprint(ssh_server.host_keys[0])]
    argv = [sys.executable, "-m", "initkit", "git", ssh_server.url, str(dest), *options]
    done = subprocess.run(argv, env={}, cwd=_PROJECT, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, (dest / "current" / "index.html").read_text()) == (0, "one"), done.stderr


def test_ssh_is_started_by_an_interpreter_in_a_venv_with_blanks_in_its_path(
    ssh_server: SshServer, dest: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "a venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    (venv / "pyvenv.cfg").write_text(f"home = {os.path.dirname(os.path.realpath(sys.executable))}\n")
    place = venv / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    place.mkdir(parents=True)
    (place / "paths.pth").write_text("".join(f"{path}\n" for path in (_PROJECT, *sys.path) if path))
    (place / "sitecustomize.py").write_text(f"open({str(tmp_path / 'theirs')!r}, 'a').write('x')\n")
    argv = [str(venv / "bin" / "python"), "-P", "-m", "initkit", "git", ssh_server.url, str(dest)]
    argv += ["--ssh-key-file", str(ssh_server.key), "--known-hosts", str(ssh_server.known_hosts)]
    environ = {"PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(argv, env=environ, cwd="/", check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, (dest / "current" / "index.html").read_text()) == (0, "one"), done.stderr
    assert (tmp_path / "theirs").read_text() == "x"  # ran for the program itself, and not in ssh's stead
