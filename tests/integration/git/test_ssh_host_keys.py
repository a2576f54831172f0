"""By which keys a server is known over ssh: nothing is published from one that has another."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_git_ssh import SshServer, disguise, fingerprint, make_key

from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.outcome import Satisfied
from initkit.steps.git.calling.failures import HostKeyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]


def _by_fingerprint(server: SshServer, *fingerprints: str) -> dict[str, object]:
    options: dict[str, object] = {key: value for key, value in server.options.items() if key != "known_hosts"}
    return options | {"host_key_fingerprint": list(fingerprints)}


def test_another_key_is_refused_by_name_and_for_good(
    make_git: MakeGit, ssh_server: SshServer, tmp_path: Path, dest: Path
) -> None:
    options = ssh_server.options
    ssh_server.host_keys = [make_key(tmp_path / "stranger")]
    with pytest.raises(HostKeyError, match="if the server has been given a new key") as caught:
        make_git(**options).apply(make_context())
    assert isinstance(caught.value, PermanentError)
    assert fingerprint(tmp_path / "stranger") in caught.value.cause
    assert ssh_server.asked == []
    assert not (dest / "current").exists()


def test_a_host_that_is_not_in_the_file_is_refused(make_git: MakeGit, ssh_server: SshServer, tmp_path: Path) -> None:
    (tmp_path / "others").write_text(f"other.example {(ssh_server.folder / 'host.pub').read_text()}")
    options = ssh_server.options | {"known_hosts": str(tmp_path / "others")}
    with pytest.raises(HostKeyError, match=rf"known for \[127.0.0.1\]:{ssh_server.port} .*ssh-keyscan"):
        make_git(**options).apply(make_context())
    assert ssh_server.asked == []


@pytest.mark.parametrize("form", ["hashed", "windows", "authority"])
def test_every_form_of_known_hosts_is_read(
    make_git: MakeGit, ssh_server: SshServer, tmp_path: Path, dest: Path, form: str
) -> None:
    options = ssh_server.options
    known = ssh_server.folder / "known_hosts"
    environ = disguise(tmp_path, tmp_path)
    if form == "hashed":
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True, env=environ)
        assert "127.0.0.1" not in known.read_text()
    elif form == "windows":
        known.write_bytes(b"# servers\r\n\r\n" + known.read_bytes().rstrip().replace(b"\n", b"\r\n"))
    else:
        authority = make_key(tmp_path / "authority")
        public = f"{ssh_server.folder}/host.pub"
        argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "host", "-h", "-n", "127.0.0.1", public]
        subprocess.run(argv, check=True, capture_output=True, env=environ)
        ssh_server.certificate = ssh_server.folder / "host-cert.pub"
        known.write_text(f"@cert-authority * {(tmp_path / 'authority.pub').read_text()}")
    make_git(**options).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_known_hosts_of_no_use_are_refused_before_connecting(
    make_git: MakeGit, ssh_server: SshServer, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    for path, said in (("empty", "no key of a server is in"), ("missing", "No such file or directory")):
        with pytest.raises(PermanentError, match=said):
            make_git(**ssh_server.options | {"known_hosts": str(tmp_path / path)}).apply(make_context())
    assert ssh_server.connections == 0


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_fingerprint_of_any_of_its_keys_will_do(
    make_git: MakeGit, ssh_server: SshServer, dest: Path, tmp_path: Path, kind: str
) -> None:
    ssh_server.host_keys.append(make_key(ssh_server.folder / "host_rsa", "rsa"))
    key = ssh_server.folder / ("host" if kind == "ed25519" else "host_rsa")
    other = fingerprint(make_key(tmp_path / "old"))
    make_git(**_by_fingerprint(ssh_server, other, fingerprint(key))).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_the_keys_are_asked_for_once_in_a_run(make_git: MakeGit, ssh_server: SshServer) -> None:
    step = make_git(**_by_fingerprint(ssh_server, fingerprint(ssh_server.folder / "host")))
    step.apply(make_context())
    before = ssh_server.connections
    assert isinstance(step.check(make_context()), Satisfied)
    assert ssh_server.connections == before + 1


def test_no_fitting_fingerprint_is_refused_with_those_that_it_has(
    make_git: MakeGit, ssh_server: SshServer, tmp_path: Path
) -> None:
    other = fingerprint(make_key(tmp_path / "other"))
    with pytest.raises(HostKeyError, match="another fingerprint") as caught:
        make_git(**_by_fingerprint(ssh_server, other)).apply(make_context())
    assert fingerprint(ssh_server.folder / "host") in caught.value.cause
    assert ssh_server.asked == []


def test_a_server_that_changes_its_key_is_asked_anew(
    make_git: MakeGit, ssh_server: SshServer, tmp_path: Path, dest: Path
) -> None:
    renewed = make_key(tmp_path / "renewed")
    allowed = fingerprint(ssh_server.folder / "host"), fingerprint(renewed)
    step = make_git(**_by_fingerprint(ssh_server, *allowed))
    step.apply(make_context())
    ssh_server.host_keys = [renewed]
    with pytest.raises(TemporaryError, match="asked for anew"):
        step.apply(make_context())
    step.apply(make_context())
    stranger = make_key(tmp_path / "stranger")
    ssh_server.host_keys = [stranger]
    with pytest.raises(TemporaryError, match="asked for anew"):
        step.apply(make_context())
    with pytest.raises(HostKeyError, match="another fingerprint"):
        step.apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_server_that_shows_no_key_is_temporary(make_git: MakeGit, ssh_server: SshServer) -> None:
    step = make_git(**_by_fingerprint(ssh_server, fingerprint(ssh_server.folder / "host")))
    for fault in ("closing", "silent"):
        setattr(ssh_server, fault, True)
        with pytest.raises(TemporaryError) as caught:
            step.apply(make_context(attempt_timeout=1))
        assert type(caught.value) is TemporaryError
        setattr(ssh_server, fault, False)


def test_nobody_is_asked_once_the_time_is_over(make_git: MakeGit, ssh_server: SshServer) -> None:
    clock = VirtualClock()
    context = make_context(clock=clock, timeout=1)
    clock.advance(2)
    step = make_git(**_by_fingerprint(ssh_server, fingerprint(ssh_server.folder / "host")))
    with pytest.raises(TemporaryError, match="no key within"):
        step.apply(context)


def test_any_server_is_believed_only_with_a_warning_each_time(
    make_git: MakeGit, ssh_server: SshServer, dest: Path
) -> None:
    options = {key: value for key, value in ssh_server.options.items() if key != "known_hosts"}
    step = make_git(**options, insecure_ignore_host_key="true")
    for times in (1, 2):
        voice = RecordingVoice()
        step.apply(make_context(voice=voice))
        assert len([text for text in voice.warnings if "--insecure-ignore-host-key" in text]) == 1, times
    assert (dest / "current" / "index.html").read_text() == "one"
