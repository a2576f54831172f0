"""Certificates for servers and clients of tests, from a CA that nobody else knows."""

from __future__ import annotations

import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_need import need_program

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, each a file in PEM."""

    cert: str
    key: str

    def both(self) -> str:
        """One file that holds the key and the certificate, made at the first call."""
        path = f"{self.cert}.both"
        if not os.path.exists(path):
            Path(path).write_text(Path(self.key).read_text() + Path(self.cert).read_text())
            os.chmod(path, 0o600)
        return path


class PrivateCa:
    """A certificate authority in a folder.

    Attributes:
        ca: the file to trust it by; its certificate has a key usage if it is to.
        server: for localhost, 127.0.0.1 and ::1.
        client: for clients.
    """

    def __init__(self, folder: Path, name: str = "initkit test CA", *, has_usage: bool = True) -> None:
        self._openssl = need_program("openssl")
        self.folder = folder
        self._own = Pair(str(folder / "ca.pem"), str(folder / "ca.key"))
        self.ca = self._own.cert
        extensions = ["basicConstraints=critical,CA:TRUE"]
        extensions += ["keyUsage=critical,keyCertSign,cRLSign"] if has_usage else []
        more = [word for extension in extensions for word in ("-addext", extension)]
        self._run("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", *more, *self._out(self._own))
        self.server = self.issue("server")
        self.client = self.issue("client", usage="clientAuth", names="")

    def issue(
        self,
        name: str,
        *,
        names: str = "DNS:localhost,IP:127.0.0.1,IP:::1",
        usage: str = "serverAuth",
        expired: bool = False,
    ) -> Pair:
        """A new pair; `names` as OpenSSL writes a subjectAltName, `name` is also its subject's CN.

        An expired one ended yesterday.
        """
        pair = Pair(str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key"))
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        lines = [f"extendedKeyUsage={usage}", "basicConstraints=CA:FALSE", "authorityKeyIdentifier=keyid"]
        extensions.write_text("\n".join([*lines, *([f"subjectAltName={names}"] if names else [])]) + "\n")
        self._run("req", "-new", *_KEY, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", str(request))
        sign = ["-req", "-in", str(request), "-CA", self._own.cert, "-CAkey", self._own.key, "-CAcreateserial"]
        days = "-1" if expired else "2"
        self._run("x509", *sign, "-days", days, "-extfile", str(extensions), "-out", pair.cert)
        os.chmod(pair.key, 0o600)
        return pair

    def server_context(self, pair: Pair | None = None, *, clients: bool = False) -> ssl.SSLContext:
        """What a server wraps its sockets with; with `clients` it demands a certificate of this CA."""
        pair = pair or self.server
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        if clients:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _out(self, pair: Pair) -> list[str]:
        return ["-keyout", pair.key, "-out", pair.cert]

    def _run(self, *words: str) -> None:
        ended = subprocess.run([self._openssl, *words], check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="session")
def private_ca() -> Iterator[PrivateCa]:
    """Its folder may be entered by all: a server started by root may run as a user of its own (keys stay 0600)."""
    with tempfile.TemporaryDirectory(prefix="initkit-tls-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - see above
        yield PrivateCa(Path(folder))


@pytest.fixture(scope="session")
def other_ca() -> Iterator[PrivateCa]:
    """Another CA, whose certificates `private_ca` does not vouch for."""
    with tempfile.TemporaryDirectory(prefix="initkit-tls-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - as above
        yield PrivateCa(Path(folder), "another test CA")
