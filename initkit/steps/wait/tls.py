"""TLS for every scheme that has it: one set of options, one meaning of what goes wrong."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Annotated

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.options import Declared, Opt, declared
from initkit.core.values import parse_host_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

CERTIFICATE_ADVICE = "check the certificate, its name and its CA (--ca)"


@declared
class TlsOptions(Declared):
    """Options of schemes that may speak TLS; a scheme's dataclass has it as a base."""

    ca: Annotated[str | None, Opt("CA certificates to trust instead of the system's.", "FILE")] = None
    cert: Annotated[str | None, Opt("Client certificate in PEM, with its chain.", "FILE")] = None
    key: Annotated[str | None, Opt("Private key of --cert, if it is not in the same file.", "FILE")] = None
    server_name: Annotated[
        str | None, Opt("Name that the certificate must be for, sent as SNI; by default the host's.", "NAME")
    ] = None
    insecure: Annotated[bool, Opt("Accept any certificate.")] = False

    def check_tls(self) -> None:
        """Refuse what cannot be meant; for `__post_init__`.

        Raises:
            ValueError: a key without a certificate, or a name that can be none.
        """
        if self.key and not self.cert:
            raise ValueError("expected --cert with --key, got --key alone")
        if self.server_name is not None and not _is_name(self.server_name):
            raise ValueError(f"expected a host's name as --server-name, got {self.server_name!r}")

    @property
    def asks_for_tls(self) -> bool:
        """Whether any of these options was given, so that nothing may be said without TLS."""
        return self.insecure or any((self.ca, self.cert, self.key, self.server_name))

    def check_scheme(self, scheme: str, secure: str) -> None:
        """Refuse these options with a URL that speaks no TLS; `secure` is the scheme that does.

        Raises:
            ValueError: an option was given, and `scheme` is another one.
        """
        if scheme != secure and self.asks_for_tls:
            raise ValueError(f"expected {secure}:// with options of TLS, got {scheme}://")

    def tls_context(self) -> ssl.SSLContext:
        """What a client of this target wraps its sockets with.

        Raises:
            SuspectError: a file is missing; it may be mounted late.
            PermanentError: a file cannot be read, or holds no certificate or key.
        """
        import ssl  # noqa: PLC0415 - 10 ms that only TLS needs

        for path in (self.ca, self.cert, self.key):
            if path is not None:
                _readable(path)
        if self.ca is None and not self.insecure:
            context = ssl.create_default_context()
        else:  # the system's CAs would take 10 ms at each attempt
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca is not None:
            _load(lambda: context.load_verify_locations(self.ca), self.ca)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert is not None:
            # without a password's source OpenSSL would ask on the terminal
            cert, key = self.cert, self.key
            _load(lambda: context.load_cert_chain(cert, key, password=lambda: ""), key or cert)
        return context

    def wrap(self, connection: socket.socket, host: str, task: str, *, alpn: Sequence[str] = ()) -> ssl.SSLSocket:
        """Make TLS of a connection within its timeout; the connection is closed where that fails.

        Args:
            connection: connected, with a timeout.
            host: as in the URL; ``--server-name`` goes first.
            task: for messages: ``connect to db:5432``.
            alpn: the protocols to offer (RFC 7301); none says nothing about them.

        Raises:
            SuspectError: the certificate is not trusted, or the server wants another one of us.
            TemporaryError: the other side does not speak TLS, breaks off, or is silent.
        """
        context = self.tls_context()
        if alpn:
            context.set_alpn_protocols(list(alpn))
        try:
            # of a connection that was reset meanwhile `wrap_socket` would make a socket that nobody can close
            number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))  # noqa: TRY301 - told as what happens in the handshake
            return context.wrap_socket(connection, server_hostname=self.server_name or host)
        except (OSError, ValueError) as error:  # ValueError: a name that can be none
            connection.close()
            raise tls_failure(error, task) from error


def _is_name(text: str) -> bool:
    """Whether it can be the name of a host; a name that cannot be encoded would cost `wrap_socket` the connection."""
    try:
        parse_host_port(f"[{text}]:1" if ":" in text else f"{text}:1")
        text.encode("idna")
    except ValueError:
        return False
    return True


def _readable(path: str) -> None:
    task = f"read {path}"
    try:
        with open(path, "rb"):
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        cause = (error.strerror or "missing").lower()
        raise SuspectError(task, cause, "mount it; it may still be on its way") from error
    except OSError as error:
        advice = f"make it readable for UID {os.getuid()}"
        raise PermanentError(task, (error.strerror or str(error)).lower(), advice) from error


def _load(load: Callable[[], None], path: str) -> None:
    import ssl  # noqa: PLC0415 - loaded already

    try:
        load()
    except (ssl.SSLError, ValueError) as error:
        cause = "it holds no certificate or key that can be used (PEM, without a passphrase)"
        raise PermanentError(f"read {path}", cause, "check the file") from error


def tls_failure(error: BaseException, task: str) -> InitkitError:
    """What a failed handshake, or a TLS connection that breaks off, means."""
    import ssl  # noqa: PLC0415 - loaded already

    if isinstance(error, ssl.SSLCertVerificationError):
        return SuspectError(task, f"certificate check failed: {error.verify_message.rstrip('.')}", CERTIFICATE_ADVICE)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        if "alert" in reason and ("certificate" in reason or "unknown ca" in reason or "handshake failure" in reason):
            return SuspectError(task, f"TLS: the server refuses: {reason}", "check --cert and --key")
        return TemporaryError(task, f"TLS: {reason}", "check that the server speaks TLS on this port")
    if isinstance(error, TimeoutError):
        return TemporaryError(task, "no answer to the TLS handshake", "check that the server speaks TLS on this port")
    if isinstance(error, OSError):
        words = (error.strerror or str(error)).lower()
        return TemporaryError(task, f"TLS: {words}", "check that the server speaks TLS on this port")
    return PermanentError(task, "its name can be no server's name in TLS", "mend --server-name")
