"""TLS for every scheme that has it: one set of options, one meaning of what goes wrong; whom we trust is `trust`'s."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Annotated

from initkit.core.breaks import CLOSES, is_break
from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.options import Declared, Opt, declared
from initkit.core.values import parse_host_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from initkit.steps.wait.net.trust import Trust

_NO_TLS = "check that the server speaks TLS on this port"
_NO_COMMON = "check the server's versions of TLS and its ciphers"
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

    def trust(self, alpn: Sequence[str] = ()) -> Trust:
        """What the context of this target's connections is made of."""
        from initkit.steps.wait.net.trust import Trust  # noqa: PLC0415 - 10 ms that only TLS needs

        return Trust(self.ca, self.cert, self.key, is_checked=not self.insecure, alpn=tuple(alpn))

    def wrap(
        self,
        connection: socket.socket,
        host: str,
        task: str,
        *,
        left: Callable[[], float],
        alpn: Sequence[str] = (),
    ) -> ssl.SSLSocket:
        """Make TLS of a connection; the connection is closed where that fails.

        Args:
            connection: connected.
            host: as in the URL; ``--server-name`` goes first.
            task: for messages: ``connect to db:5432``.
            left: the seconds left for it, or TimeoutError; asked once all is there that it takes.
            alpn: the protocols to offer (RFC 7301); none says nothing about them.

        Raises:
            SuspectError: the certificate is not trusted, the server wants another one of us, or a file is missing,
                cannot be read or holds something else.
            TemporaryError: the other side does not speak TLS, breaks off, or is silent.
            TimeoutError: `left` says so.
        """
        from initkit.steps.wait.net.trust import CONTEXTS  # noqa: PLC0415 - as above

        try:
            context = CONTEXTS.get(self.trust(alpn))
            connection.settimeout(left())
        except BaseException:
            connection.close()
            raise
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


def tls_failure(error: BaseException, task: str) -> InitkitError:
    """What a failed handshake, or a TLS connection that breaks off, means."""
    import ssl  # noqa: PLC0415 - loaded already

    if isinstance(error, ssl.SSLCertVerificationError):
        return SuspectError(task, f"certificate check failed: {error.verify_message.rstrip('.')}", CERTIFICATE_ADVICE)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or is_break(error):
        return TemporaryError(task, CLOSES, _NO_TLS)
    if isinstance(error, ssl.SSLError):
        return _refusal((error.reason or str(error)).lower().replace("_", " "), task)
    if isinstance(error, TimeoutError):
        return TemporaryError(task, "no answer to the TLS handshake", _NO_TLS)
    if isinstance(error, OSError):
        return TemporaryError(task, f"TLS: {(error.strerror or str(error)).lower()}", _NO_TLS)
    return PermanentError(task, "its name can be no server's name in TLS", "mend --server-name")


def _refusal(reason: str, task: str) -> InitkitError:
    """What OpenSSL's reason means; the names of alerts are those of RFC 8446, section 6.2."""
    if "alert" in reason and ("certificate" in reason or "unknown ca" in reason):
        return SuspectError(task, f"TLS: the server refuses: {reason}", "check --cert and --key")
    if "handshake failure" in reason:  # some servers say it of a client certificate that they miss
        return SuspectError(task, f"TLS: the server refuses: {reason}", f"{_NO_COMMON}, and --cert if it wants one")
    if "protocol version" in reason or "unsupported protocol" in reason:
        return TemporaryError(task, f"TLS: {reason}", _NO_COMMON)
    return TemporaryError(task, f"TLS: {reason}", _NO_TLS)
