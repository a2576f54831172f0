"""Whom git trusts over TLS: the system's authorities, and those of ``--ca-file`` besides."""

from __future__ import annotations

import binascii
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.git.access.memory import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# where the system's bundle is: Debian and Alpine; Fedora and its kin; SUSE; Alpine, BSD
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_BLOCK = rb"-----BEGIN CERTIFICATE-----\s(?P<body>[^-]*)-----END CERTIFICATE-----"  # RFC 7468, section 5


@contextmanager
def trusting(ca_file: str, environ: Mapping[str, str]) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """Environment variables that make git trust what it should, and the descriptors that they are about.

    git knows ``GIT_SSL_CAINFO`` and ``GIT_SSL_CAPATH`` only; what everyone else reads, ``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR``, counts where those are not set.

    Raises:
        PermanentError: the file is missing or unreadable, or holds no certificate.
    """
    variables = {name: value for name, value in _environments(environ).items() if value}
    if not ca_file:
        yield variables, ()
        return
    bundle = _system(variables.get("GIT_SSL_CAINFO", "")) + b"\n" + _certificates(ca_file)
    with in_memory("ca", bundle) as descriptor:
        yield variables | {"GIT_SSL_CAINFO": f"/proc/self/fd/{descriptor}"}, (descriptor,)


def _environments(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "GIT_SSL_CAINFO": environ.get("GIT_SSL_CAINFO") or environ.get("SSL_CERT_FILE") or "",
        "GIT_SSL_CAPATH": environ.get("GIT_SSL_CAPATH") or environ.get("SSL_CERT_DIR") or "",
    }


def _system(named: str) -> bytes:
    """The system's bundle; none where there is none, as in an image that has only the private authority."""
    path = named or next(filter(os.path.exists, _BUNDLES), "")
    return _read(path, "SSL_CERT_FILE") if path else b""


def _certificates(path: str) -> bytes:
    """The certificates in a file, without anything else that stands there, such as a key."""
    found = list(re.finditer(_BLOCK, _read(path, "--ca-file")))
    if not found:
        raise _useless(path, "it holds no certificate in PEM", "openssl x509 -inform der turns DER into PEM")
    for number, block in enumerate(found, 1):
        _refuse_broken(block["body"], path, number)
    return b"\n".join(block[0] for block in found) + b"\n"


def _refuse_broken(body: bytes, path: str, number: int) -> None:
    try:
        der = binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error:
        der = b""
    if der[:1] != b"\x30":  # a SEQUENCE (RFC 5280, section 4.1)
        raise _useless(path, f"certificate {number} in it is broken", "copy the file again")


def _read(path: str, option: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        advice = f"mount it there and let this user read it, or correct {option}"
        raise PermanentError(f"read the certificates in {path}", error.strerror or str(error), advice) from error


def _useless(path: str, cause: str, advice: str) -> PermanentError:
    return PermanentError(f"read the certificates in {path}", cause, advice)
