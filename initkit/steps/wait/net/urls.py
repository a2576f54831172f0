"""URLs of servers: read once, shown without secrets; what a path or a query means is each scheme's own."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from initkit.core.errors import UsageError
from initkit.core.options import Declared, Opt, declared
from initkit.core.readable import unreadable, unusable
from initkit.core.record import Record
from initkit.core.secrets import learn_url, read_text
from initkit.core.urls import check_text, check_userinfo, shown_wrong
from initkit.core.values import HostPort
from initkit.steps.wait.net.tls import TlsOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ServerUrl(Record):
    """A URL in parts, percent-decoded.

    Attributes:
        text: as it was written; secret.
        endpoint: host and port, the scheme's own port where none was written.
        user: None where none was written.
        password: None where none was written; masked in all output.
        path: without its first slash.
        query: the last of several values of a name counts.
    """

    text: str
    scheme: str
    endpoint: HostPort
    user: str | None = None
    password: str | None = None
    path: str = ""
    query: Mapping[str, str] = MappingProxyType({})

    def __str__(self) -> str:
        """The URL without user, password and query."""
        path = f"/{self.path}" if self.path else ""
        return f"{self.scheme}://{self.endpoint}{path}"

    def __repr__(self) -> str:
        return str(self)


def parse_server_url(text: str, ports: Mapping[str, int]) -> ServerUrl:
    """A URL of a server; its password is masked in all output from then on (see `learn_url`).

    Args:
        text: ``SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]``.
        ports: the schemes that are right, and the port of each where none is written.

    Raises:
        ValueError: it is none of these, or has no host or a bad port.
    """
    text = text.strip()
    learn_url(text)
    forms = " or ".join(f"{scheme}://HOST" for scheme in ports)
    shown = shown_wrong(text)
    check_text(text, forms)
    check_userinfo(text, forms)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # its words may quote a part of a password
        raise ValueError(f"expected {forms}, got {shown!r}; in a password write / as %2F, @ as %40") from error
    scheme = parts.scheme.lower()
    if scheme not in ports or not parts.hostname or port == 0 or any(ord(sign) <= 32 for sign in parts.netloc):  # noqa: PLR2004 - blanks
        raise ValueError(f"expected {forms}, got {shown!r}")
    user, password = (unquote(part) if part is not None else None for part in (parts.username, parts.password))
    return ServerUrl(
        text,
        scheme,
        HostPort(parts.hostname, port or ports[scheme]),
        user,
        password,
        unquote(parts.path.removeprefix("/")),
        dict(parse_qsl(parts.query, keep_blank_values=True)),
    )


@declared
class UrlSource(Declared):
    """Where a URL with a secret may come from instead of the command line; a scheme's dataclass has it as a base."""

    url_env: Annotated[str | None, Opt("Environment variable that holds the URL.", "NAME")] = None
    url_file: Annotated[str | None, Opt("File that holds the URL, such as a mounted Secret.", "FILE")] = None

    def check_source(self, url: object) -> None:
        """Refuse no URL, and more than one; for `__post_init__`.

        Raises:
            ValueError: not exactly one of URL, --url-env and --url-file was given.
        """
        given = sum(source is not None for source in (url, self.url_env, self.url_file))
        if given != 1:
            raise ValueError(f"expected one of URL, --url-env and --url-file, got {given or 'none'}")

    def shown_source(self, url: object, scheme: str) -> str:
        """A name for messages that needs no environment: the URL, or where it will come from."""
        if url is not None:
            return str(url)
        return f"{scheme} (${self.url_env})" if self.url_env is not None else f"{scheme} ({self.url_file})"

    def sourced(self, url: T | None, environ: Mapping[str, str], parse: Callable[[str], T]) -> T:
        """The URL: as given, or read now from where it is.

        Raises:
            UsageError: the variable is not set, or holds no such URL.
            SuspectError: the file is missing, may not be read, or holds no such URL: it may be written late.
            TemporaryError: the system cannot read it just now.
        """
        if url is not None:
            return url
        if self.url_env is not None:
            return _from_variable(self.url_env, environ, parse)
        return _from_file(self.url_file or "", parse)


T = TypeVar("T")
# where the @ may not be there yet, what stands where a port should is the beginning of a password
_HALF = r"[^:/]*://[^/?#@]*:(?!\d{1,5}(?:[/?#]|$))[^@]*"


def _from_variable(name: str, environ: Mapping[str, str], parse: Callable[[str], T]) -> T:
    text = environ.get(name, "").strip()
    if not text:
        raise UsageError("find the target", f"the environment variable {name} is not set", f"set {name}")
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError("find the target", f"the environment variable {name}: {error}", f"mend {name}") from error


def _from_file(path: str, parse: Callable[[str], T]) -> T:
    task = "find the target"
    try:
        text = read_text(path).strip()
    except UnicodeDecodeError as error:
        raise unusable(task, f"{path} is not UTF-8", "write the URL into it as plain text") from error
    except OSError as error:
        raise unreadable(error, f"read {path}", "mend --url-file") from error
    if not text:
        raise unusable(task, f"{path} is empty")
    try:
        return parse(text)
    except ValueError as error:
        cause = "it holds no whole URL" if re.fullmatch(_HALF, text) else str(error)
        raise unusable(task, f"{path}: {cause}") from error


class UrlTarget(TlsOptions, UrlSource, Generic[T]):
    """A server by a URL with a secret, perhaps in TLS; a scheme's dataclass has it as a base, and adds its `url`."""

    if TYPE_CHECKING:  # the field is each scheme's own: it has a type and a help
        schemes: ClassVar[tuple[str, ...]]
        url: T | None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: no URL or several, a key without a certificate, or options that do not go with the URL.
        """
        self.check_source(self.url)
        self.check_tls()
        if self.url is not None:
            self._check(self.url)

    @property
    def name(self) -> str:
        """The URL without user, password and query, or where it comes from."""
        return self.shown_source(self.url, self.schemes[0])

    def prepare(self, environ: Mapping[str, str]) -> None:
        """See that the environment has the URL; a file may still be on its way.

        Raises:
            UsageError: it has not.
        """
        if self.url_file is None:
            self.address(environ)

    def address(self, environ: Mapping[str, str]) -> T:
        """The URL, read; errors are those of `sourced`."""
        return self.sourced(self.url, environ, self._accepted)

    def _accepted(self, text: str) -> T:
        url = self._parse(text)
        self._check(url)
        return url

    def _parse(self, text: str) -> T:
        """The URL that a text holds, or ValueError."""
        raise NotImplementedError

    def _check(self, url: T) -> None:
        """Raise ValueError for a URL that does not go with the options."""
