"""What it means that a server was reached, and that there is no proper answer of it all the same."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING

from initkit.core.breaks import CLOSES
from initkit.core.errors import InitkitError, TemporaryError
from initkit.core.redact import redact
from initkit.steps.wait.net.tls import tls_failure
from initkit.steps.wait.web.assertions import piece

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_HTTP = "check that it speaks HTTP on this port"
_TLS_ALERT = "\x15\x03"  # RFC 8446, section 5.1


def broken(error: BaseException, task: str, *, is_answering: bool = False) -> InitkitError:
    """What an exchange that failed means.

    Args:
        error: what the library raised; what counts is what it was raised from.
        task: for messages.
        is_answering: whether the answer had begun.
    """
    chain = list(_chain(error))
    if any(isinstance(one, TimeoutError) for one in chain):
        return TemporaryError(task, "no answer", "check that it is running and may be reached")
    for one in reversed(chain):
        if isinstance(one, ssl.SSLError):
            return tls_failure(one, task)
        if found := _cause(one, is_answering=is_answering):
            return TemporaryError(task, *found)
    return TemporaryError(task, piece(redact(str(chain[-1]))) or type(chain[-1]).__name__, _NO_HTTP)


def _cause(error: BaseException, *, is_answering: bool) -> tuple[str, str] | None:
    """Cause and advice, where the error is one that says something by itself."""
    running = "check that it is running; its own log may say more"
    if isinstance(error, http.client.IncompleteRead | EOFError) or (
        is_answering and isinstance(error, ConnectionError)
    ):
        return "its answer breaks off", running
    if isinstance(error, ConnectionError):
        return CLOSES, running
    if isinstance(error, http.client.BadStatusLine):
        return _no_http(str(error.args[0]))
    if isinstance(error, http.client.HTTPException):
        return f"its answer is no proper HTTP: {piece(redact(str(error)))}", _NO_HTTP
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower(), running
    return None


def _no_http(line: str) -> tuple[str, str]:
    said = line.strip("'\"\r\n")
    if line.startswith(_TLS_ALERT):
        return "it speaks TLS", "write https://"
    if not said or not said.isprintable():  # it may hold salt, and would be another cause each time
        return "it answers no HTTP", _NO_HTTP
    return f"it answers no HTTP: {piece(redact(said))}", _NO_HTTP


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it was raised from, and so on; libraries put it into arguments as well."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        yield found
        seen.append(found)
        before = None if found.__suppress_context__ else found.__context__
        found = found.__cause__ or before or _argument(found)


def _argument(error: BaseException) -> BaseException | None:
    return next((arg for arg in (getattr(error, "reason", None), *error.args) if isinstance(arg, BaseException)), None)
