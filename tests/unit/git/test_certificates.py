"""Which certificates git is given, from which files, and which files are refused."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.git.access import certificates
from initkit.steps.git.access.certificates import trusting

if TYPE_CHECKING:
    from pathlib import Path


def _pem(der: bytes, kind: str = "CERTIFICATE") -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----" % (kind.encode(), base64.encodebytes(der), kind.encode())


_ONE, _OTHER, _KEY = _pem(b"\x30one"), _pem(b"\x30other"), _pem(b"\x30canary", "PRIVATE KEY")


def _bundle(ca_file: Path, **environ: str) -> bytes:
    with trusting(str(ca_file), environ) as (variables, (descriptor,)):
        assert variables["GIT_SSL_CAINFO"] == f"/proc/self/fd/{descriptor}"
        return os.pread(descriptor, 1 << 20, 0)


def test_the_systems_bundle_stays_trusted_and_a_key_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "system").write_bytes(_ONE)
    (tmp_path / "ca").write_bytes(b"a comment\r\n" + _KEY + b"\n" + _OTHER)
    assert _bundle(tmp_path / "ca", SSL_CERT_FILE=str(tmp_path / "system")) == _ONE + b"\n" + _OTHER + b"\n"


def test_gits_own_variable_goes_before_everyone_elses(tmp_path: Path) -> None:
    for name, content in {"git": _ONE, "all": _KEY, "ca": _OTHER}.items():
        (tmp_path / name).write_bytes(content)
    bundle = _bundle(tmp_path / "ca", SSL_CERT_FILE=str(tmp_path / "all"), GIT_SSL_CAINFO=str(tmp_path / "git"))
    assert _ONE in bundle
    assert _KEY not in bundle


def test_a_private_authority_is_enough_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "_BUNDLES", (str(tmp_path / "none"),))
    (tmp_path / "ca").write_bytes(_ONE.replace(b"\n", b"\r\n"))
    assert _bundle(tmp_path / "ca").strip() == _ONE.replace(b"\n", b"\r\n")


def test_without_a_file_git_is_told_what_everyone_else_reads() -> None:
    with trusting("", {"SSL_CERT_FILE": "/a", "SSL_CERT_DIR": "/b"}) as given:
        assert given == ({"GIT_SSL_CAINFO": "/a", "GIT_SSL_CAPATH": "/b"}, ())
    with trusting("", {}) as given:
        assert given == ({}, ())


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "no certificate in PEM"),
        (b"\x30\x82", "no certificate in PEM"),
        (_KEY, "no certificate in PEM"),
        (_ONE[:-10], "no certificate in PEM"),
        (_ONE + b"\n" + _pem(b"other"), "certificate 2 in it is broken"),
        (_ONE.replace(b"MG9u", b"MG9"), "certificate 1 in it is broken"),
    ],
)
def test_a_file_without_a_whole_certificate_is_refused(tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "ca").write_bytes(content)
    with pytest.raises(PermanentError, match=cause):
        _bundle(tmp_path / "ca")


def test_a_file_that_is_missing_is_named_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(_ONE)
    with pytest.raises(PermanentError, match=r"none: No such file or directory; .*--ca-file"):
        _bundle(tmp_path / "none")
    with pytest.raises(PermanentError, match=r"none: No such file or directory; .*SSL_CERT_FILE"):
        _bundle(tmp_path / "ca", SSL_CERT_FILE=str(tmp_path / "none"))
