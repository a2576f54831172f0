"""URLs of servers: read once, shown without secrets; what a path or a query means is each scheme's own."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from initkit.core.errors import PermanentError, SuspectError, UsageError
from initkit.core.options import Declared, Opt, declared
from initkit.core.record import Record
from initkit.core.redact import redact
from initkit.core.secrets import learn_url, read_text
from initkit.core.values import HostPort

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


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
    shown = redact(text)
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
            SuspectError: the file is missing; it may be mounted late.
            PermanentError: the file cannot be read, or holds no such URL.
        """
        if url is not None:
            return url
        if self.url_env is not None:
            return _from_variable(self.url_env, environ, parse)
        return _from_file(self.url_file or "", parse)


T = TypeVar("T")


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
        return parse(read_text(path).strip())
    except (FileNotFoundError, NotADirectoryError) as error:
        advice = "mount it, or mend --url-file; it may still be on its way"
        raise SuspectError(task, f"cannot read {path}: {error.strerror}", advice) from error
    except OSError as error:
        advice = f"make it readable for UID {os.getuid()}, or mend --url-file"
        raise PermanentError(task, f"cannot read {path}: {error.strerror}", advice) from error
    except UnicodeDecodeError as error:
        raise PermanentError(task, f"{path} is not UTF-8", "write the URL into it as plain text") from error
    except ValueError as error:
        raise PermanentError(task, f"{path}: {error}", "mend the file") from error


class Prepared(Protocol):
    """A target that can see before any attempt that something it was not told is missing."""

    def prepare(self, environ: Mapping[str, str]) -> None:
        """Look at the environment only; raises `UsageError`."""
        ...


def prepare_all(targets: Sequence[object], environ: Mapping[str, str]) -> None:
    """Have every target that can do so look at the environment.

    Raises:
        UsageError: what the first one that lacks something says.
    """
    for target in targets:
        prepare = getattr(target, "prepare", None)
        if prepare is not None:
            prepare(environ)
