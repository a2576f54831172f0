"""SSL contexts, kept from attempt to attempt, for the system's CAs take 20 ms each time; what they are for says `tls`.

Nothing is checked by OpenSSL's level "strict" (`ssl.VERIFY_X509_STRICT`), which Python sets by itself from 3.13 on: it
demands extensions, such as a key usage in a CA's certificate (RFC 5280, section 4.2.1.3), that many private CAs leave
out and most clients do not miss. A wait that refused what the application then accepts would be of no use. What
``--ca`` names is trusted as it stands, an intermediate or a server's own certificate too (`VERIFY_X509_PARTIAL_CHAIN`),
as curl and Python from 3.13 on have it. So the same chain is judged alike whatever the version and the options.
"""

from __future__ import annotations

import os
import ssl
import stat
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from initkit.core.readable import unreadable, unusable
from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    Stamp = tuple[int, int, int, int] | None

T = TypeVar("T")
_MOST = 32  # contexts: each of the system's CAs takes a megabyte or two


class Trust(Record):
    """What a context is made of.

    Attributes:
        ca: the file of the CAs to trust; None trusts the system's.
        cert: the client's own certificate.
        key: its key, where `cert` does not hold it.
        is_checked: whether the server's certificate is.
        is_named: whether it is checked for the server's name.
        alpn: the protocols to offer (RFC 7301); none says nothing about them.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    is_checked: bool = True
    is_named: bool = True
    alpn: tuple[str, ...] = ()


class _Slot:
    """The context of one `Trust`; its lock has one thread make it while others wait for just that one."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.stamps: list[Stamp] = []
        self.context: ssl.SSLContext | None = None


class Contexts:
    """At most so many contexts, each made anew when a file that it comes from is another one; for any thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._slots: dict[Trust, _Slot] = {}

    def get(self, trust: Trust) -> ssl.SSLContext:
        """The context, not to be changed by who gets it.

        Raises:
            SuspectError: a file is missing, may not be read, or holds no certificate or key.
            TemporaryError: the system cannot read it just now.
        """
        slot = self._slot(trust)
        with slot.lock:
            stamps = _stamps(trust)  # before it is made: what changes meanwhile is seen the next time
            if slot.context is None or slot.stamps != stamps:
                slot.context = None
                slot.context, slot.stamps = _made(trust), stamps
            return slot.context

    def _slot(self, trust: Trust) -> _Slot:
        with self._lock:
            slot = self._slots[trust] = self._slots.pop(trust) if trust in self._slots else _Slot()
            while len(self._slots) > self._most:
                del self._slots[next(iter(self._slots))]
            return slot


CONTEXTS = Contexts()


def _stamps(trust: Trust) -> list[Stamp]:
    given = [path for path in (trust.ca, trust.cert, trust.key) if path is not None]
    for path in given:
        _see_readable(path)
    # those of the system may be mounted late too
    return [_stamp(path) for path in [*given, *(_of_system() if _is_by_system(trust) else ())]]


def _of_system() -> tuple[str, str]:
    """The file and the folder of the system's CAs, as OpenSSL finds them (SSL_CERT_FILE, SSL_CERT_DIR)."""
    paths = ssl.get_default_verify_paths()
    file = os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile)
    return file, os.environ.get(paths.openssl_capath_env, paths.openssl_capath)


def _is_by_system(trust: Trust) -> bool:
    return trust.ca is None and trust.is_checked


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _see_readable(path: str) -> None:
    """OpenSSL's own errors do not say which file they are about."""
    task = f"read {path}"
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe's other end may never come
        with open(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise unusable(task, "it is no file")
    except OSError as error:
        raise unreadable(error, task) from error


def _made(trust: Trust) -> ssl.SSLContext:
    if trust.ca is not None:
        context = _loaded(lambda: ssl.create_default_context(cafile=trust.ca), trust.ca)
    elif trust.is_checked:
        context = _loaded(ssl.create_default_context, "the system's CA certificates")
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = trust.is_checked and trust.is_named
    if not trust.is_checked:
        context.verify_mode = ssl.CERT_NONE
    if trust.cert is not None:
        cert, key = trust.cert, trust.key
        # without a password's source OpenSSL would ask on the terminal
        _loaded(lambda: context.load_cert_chain(cert, key, password=lambda: ""), key or cert)
    if trust.alpn:
        context.set_alpn_protocols(list(trust.alpn))
    return context


def _loaded(load: Callable[[], T], what: str) -> T:
    try:
        return load()
    except (ssl.SSLError, ValueError) as error:  # of a ValueError: a passphrase is wanted
        cause = "it holds no certificate or key that can be used, or not a pair (PEM, without a passphrase)"
        raise unusable(f"read {what}", cause) from error
    except OSError as error:  # it was there a moment ago
        raise unreadable(error, f"read {what}") from error
