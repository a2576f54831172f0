"""What an HTTP status means for a repository: which of URL, credential and moment is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError, TemporaryError
from initkit.core.values import show_duration

if TYPE_CHECKING:
    from initkit.steps.git.calling.trace import Heard

# how git says that it failed by a status; for 401 it would go on to ask for a password
_FAILED_BY = (
    r"returned error: [345]\d\d|\bhttp [345]\d\d\b|could not read (?:username|password)|authentication failed"
    r"|repository .*not found|unable to get password from user|invalid credentials"
)
GIVE_CREDENTIAL = "give a credential: --username and --password-file, or --bearer-file"
CHECK_CREDENTIAL = "check the user and the password or token"
_PAGES = ("text/html", "application/xhtml+xml", "application/json")
_NOT_NOW = {408, 423, 425, 429}  # of 4xx: RFC 9110, 4918, 8470 and 6585
_CHECK_URL = "check the repository's URL"
_PROXY = ("the proxy wants a credential", "check the user and the password in http_proxy")
_UNKNOWN = "the server knows no such repository"
# statuses, and cause and advice for a request without and with a credential
_REFUSALS = (
    (
        {401},
        ("the server wants a credential", GIVE_CREDENTIAL),
        ("the server refuses the credential", CHECK_CREDENTIAL),
    ),
    (
        {403},
        ("the server forbids to read this without a credential", GIVE_CREDENTIAL),
        ("the credential may not read this repository", "give it the right to, or give another one"),
    ),
    (
        {404, 410},  # RFC 9110, section 15.5.4: also for what is not to be known to exist
        (_UNKNOWN, f"{_CHECK_URL}; a private repository is not shown without a credential"),
        (_UNKNOWN, f"{_CHECK_URL}, and that the credential may see it"),
    ),
    ({407}, _PROXY, _PROXY),
)


def by_answers(task: str, said: str, heard: Heard, now: float) -> TemporaryError | None:
    """The error for what was answered, if that is why git failed.

    Args:
        task: what was being done.
        said: what git wrote.
        heard: the answers.
        now: seconds since the epoch.
    """
    if heard.is_cut:
        return broken_off(task)
    if heard.page in _PAGES:
        return no_repository(task, heard)
    return _by_status(task, said, heard, now)


def broken_off(task: str) -> TemporaryError:
    """The error for an answer that is not whole, where git did not notice."""
    return TemporaryError(task, "the server broke off its answer")


def _by_status(task: str, said: str, heard: Heard, now: float) -> TemporaryError | None:
    status = heard.status
    if "askpass response" in said:  # then the program failed, and not the server
        return None
    if status < 400 or not re.search(_FAILED_BY, said, re.IGNORECASE):  # noqa: PLR2004 - RFC 9110, section 15
        return None
    pause = heard.retry_after(now)
    # a forge that limits the rate answers 403 with Retry-After too
    if status >= 500 or status in _NOT_NOW or (pause and status == 403):  # noqa: PLR2004
        return _not_now(task, status, pause)
    return SuspectError(task, *_refusal(status, authorized=heard.authorized))


def _not_now(task: str, status: int, pause: float) -> TemporaryError:
    cause = f"the server cannot answer now (HTTP {status})"
    if pause:
        cause += f" and wants to be asked again in {show_duration(round(pause))}"
    return TemporaryError(task, cause, retry_after=pause)


def _refusal(status: int, *, authorized: bool) -> tuple[str, str]:
    """Cause and advice."""
    for statuses, without, with_one in _REFUSALS:
        if status in statuses:
            cause, advice = with_one if authorized else without
            return f"{cause} (HTTP {status})", advice
    return f"the server refuses the request (HTTP {status})", _CHECK_URL


def no_repository(task: str, heard: Heard) -> SuspectError:
    """The error for an answer that is none of a repository: a forge's page, or a network's that wants a login."""
    return SuspectError(
        task,
        f"the server answers with {heard.page}, not as a repository does",
        "check the repository's URL: not a page that shows it (/tree/..., /blob/...), and no login before it",
    )
