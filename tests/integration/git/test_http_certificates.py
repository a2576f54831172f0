"""Whom git believes over TLS: the system's authorities, and private ones besides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git_https import basic

from initkit.core.errors import SuspectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_git_https import GuardedGit
    from fix_tls import PrivateCa

    from initkit.steps.git.step import Git

    MakeGit = Callable[..., Git]
    ServeTls = Callable[[PrivateCa], GuardedGit]


def test_a_private_authority_is_trusted_once_it_is_named(
    make_git: MakeGit, serve_tls: ServeTls, private_ca: PrivateCa, dest: Path
) -> None:
    server = serve_tls(private_ca)
    with pytest.raises(SuspectError, match="--ca-file"):
        make_git(repository=server.url).check(make_context(looking=True))
    make_git(repository=server.url, ca_file=private_ca.ca).apply(make_context())
    assert (dest / "current" / "index.html").read_text() == "one"


def test_a_certificate_of_another_authority_is_not_believed_and_no_secret_is_sent(
    make_git: MakeGit, serve_tls: ServeTls, private_ca: PrivateCa, other_ca: PrivateCa, tmp_path: Path
) -> None:
    server = serve_tls(other_ca)
    (tmp_path / "secret").write_text("canary")
    step = make_git(repository=server.url, ca_file=private_ca.ca, password_file=str(tmp_path / "secret"))
    with pytest.raises(SuspectError, match="--ca-file"):
        step.check(make_context(looking=True))
    assert server.authorizations == []


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "GIT_SSL_CAINFO"])
def test_the_systems_authorities_stay_trusted_beside_the_private_one(
    make_git: MakeGit, serve_tls: ServeTls, private_ca: PrivateCa, other_ca: PrivateCa, name: str
) -> None:
    context = make_context(environ={name: other_ca.ca}, looking=True)
    for ca in (private_ca, other_ca):
        server = serve_tls(ca)
        make_git(repository=server.url, ca_file=private_ca.ca).check(context)
        assert server.received


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "GIT_SSL_CAINFO"])
def test_an_authority_may_come_from_the_environment_alone(
    make_git: MakeGit, serve_tls: ServeTls, private_ca: PrivateCa, name: str
) -> None:
    server = serve_tls(private_ca)
    make_git(repository=server.url).check(make_context(environ={name: private_ca.ca}, looking=True))
    assert server.received


def test_a_folder_of_authorities_from_the_environment(
    make_git: MakeGit, serve_tls: ServeTls, private_ca: PrivateCa, tmp_path: Path
) -> None:
    server = serve_tls(private_ca)
    # OpenSSL looks for the hash of the name, GnuTLS reads them all
    (tmp_path / f"{_hash(private_ca)}.0").write_bytes(Path(private_ca.ca).read_bytes())
    make_git(repository=server.url).check(make_context(environ={"SSL_CERT_DIR": str(tmp_path)}, looking=True))
    assert server.received


def _hash(ca: PrivateCa) -> str:
    import subprocess  # noqa: PLC0415 - for this alone

    words = ["openssl", "x509", "-noout", "-subject_hash", "-in", ca.ca]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_a_password_goes_over_tls_without_a_warning(
    make_git: MakeGit, serve_tls: ServeTls, private_ca: PrivateCa, tmp_path: Path
) -> None:
    from fix_clock import RecordingVoice  # noqa: PLC0415 - for this alone

    server = serve_tls(private_ca)
    server.wanted = basic("ada", "canary")
    (tmp_path / "secret").write_text("canary\r\n")
    voice = RecordingVoice()
    step = make_git(
        repository=server.url, ca_file=private_ca.ca, username="ada", password_file=str(tmp_path / "secret")
    )
    step.apply(make_context(voice=voice))
    assert set(server.authorizations) == {server.wanted}
    assert voice.warnings == []
