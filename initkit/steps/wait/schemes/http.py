"""http and https: an answer with the right status."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.core.options import Arg, Declared, Opt, Parser, declared
from initkit.core.redact import redact
from initkit.core.secrets import learn_url
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context

_UNAUTHORIZED, _FORBIDDEN = 401, 403


def parse_url(text: str) -> str:
    """An http or https URL with a host; its password is masked in all output from then on.

    Raises:
        ValueError: it is none.
    """
    learn_url(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # its words may quote a part of a password
        raise ValueError(f"expected an http:// or https:// URL with a valid host, got {redact(text)!r}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError(f"expected an http:// or https:// URL, got {redact(text)!r}")
    return text


class StatusSet:
    """Which statuses are right: single ones and ranges."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.ranges = [_status_range(part.strip()) for part in text.split(",")]

    def __contains__(self, status: int) -> bool:
        return any(first <= status <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return self.text


def _status_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-5]\d\d)(?:-([1-5]\d\d))?", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"expected statuses such as 200,204 or 200-299, got {text!r}")
    return int(match[1]), int(match[2] or match[1])


HttpUrl = Annotated[str, Parser("URL", parse_url, show=redact, schema={"type": "string", "pattern": "://"})]
_STATUSES = r"\s*[1-5]\d\d(-[1-5]\d\d)?\s*"
Statuses = Annotated[
    StatusSet,
    Parser(
        "STATUS",
        StatusSet,
        schema={
            "type": ["string", "integer"],
            "pattern": f"^{_STATUSES}(,{_STATUSES})*$",
            "minimum": 100,
            "maximum": 599,
        },
    ),
]


@declared
class Http(Declared):
    """An HTTP server that answers with the right status; redirects are not followed, proxies and .netrc not asked."""

    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    pace: ClassVar[Pace] = Pace(max_interval=0.5)

    url: Annotated[HttpUrl, Arg("What to GET.", "URL")]
    status: Annotated[Statuses, Opt("The right ones: 200,204,300-399.")] = StatusSet("200-299")

    @property
    def name(self) -> str:
        """The URL without secrets."""
        return redact(self.url)

    def probe(self, context: Context) -> str:
        """Send a GET and look at the answer's status.

        Raises:
            TemporaryError: no connection, no answer in time, or another status.
            SuspectError: 401, 403, or a certificate that cannot be trusted.
            PermanentError: no server can be asked for it.
        """
        import requests  # noqa: PLC0415 - the driver is loaded when a server is met

        timeout = max(0.001, context.attempt_timeout)
        try:
            with requests.Session() as session:
                session.trust_env = False
                url, auth = _without_userinfo(self.url)
                session.auth = auth  # type: ignore[assignment] # its types know no bytes, the library does
                with session.get(url, timeout=timeout, allow_redirects=False, stream=True) as answer:
                    status = answer.status_code
        except (requests.RequestException, ValueError) as error:  # urllib3 has errors of its own for bad hosts
            raise self._unanswered(error) from error
        if status not in self.status:
            raise self._wrong(status)
        return f"answers {status}"

    def _wrong(self, status: int) -> InitkitError:
        cause = f"it answers {status}, expected {self.status}"
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            return SuspectError(f"use {self.name}", cause, "check the credentials, or ask a path that needs none")
        return TemporaryError(f"use {self.name}", cause, "look into that server's own log")

    def _unanswered(self, error: Exception) -> InitkitError:
        import ssl  # noqa: PLC0415 - loaded already, by requests

        import requests  # noqa: PLC0415

        task = f"connect to {urlsplit(self.url).netloc.rpartition('@')[2]}"
        if isinstance(_innermost(error), ssl.SSLCertVerificationError):
            return SuspectError(task, _words(error), "check the certificate, its name and its CA")
        if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.ConnectionError):
            return PermanentError(task, "this can be no URL", "mend the target")
        if isinstance(error, requests.exceptions.Timeout):
            return TemporaryError(task, "no answer", "check that it is running and may be reached")
        return TemporaryError(task, _words(error), "check that it is running")


def _without_userinfo(url: str) -> tuple[str, tuple[bytes, bytes] | None]:
    """The URL, and user and password apart: as UTF-8 (RFC 7617, section 2.1), which requests makes Latin-1 of."""
    parts = urlsplit(url)
    userinfo, at, netloc = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=netloc)), (
        unquote_to_bytes(user),
        unquote_to_bytes(password),
    ) if at else None


def _words(error: BaseException) -> str:
    """The system's own words for an error."""
    found = _innermost(error)
    text = found.strerror if isinstance(found, OSError) and found.strerror else str(found)
    return redact(text[:1].lower() + text[1:]) or type(found).__name__


def _innermost(error: BaseException) -> BaseException:
    """What is below all that requests and urllib3 wrap around it."""
    found: BaseException = error
    while True:
        below = found.__cause__ or found.__context__ or _argument(found)
        if below is None or below is found:
            return found
        found = below


def _argument(error: BaseException) -> BaseException | None:
    return next((arg for arg in (getattr(error, "reason", None), *error.args) if isinstance(arg, BaseException)), None)


TARGET = Http
