"""Where a server sends git, and whether it may go there: never with a credential to another scheme, host or port.

git itself can only follow all redirects or none: having followed one it sends the header with the credential to
wherever it came. So it follows none, and what it would have been led to is looked at here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from initkit.core.errors import PermanentError, SuspectError
from initkit.steps.git.access.origin import same_origin
from initkit.steps.git.asked.remote import parse_remote

if TYPE_CHECKING:
    from initkit.steps.git.asked.remote import Remote

MOST_HOPS = 3  # a repository that was renamed, and renamed again, and wants .git
_LONGEST = 500  # characters of a URL that is still read
# what git asks for below a repository's URL (gitprotocol-http(5)); renamed repositories are redirected with it
_ASKED = r"(?P<url>[^?#]+?)/(?:info/refs(?:\?service=git-upload-pack)?|git-upload-pack)"


def led_to(remote: Remote, location: str) -> str:
    """The repository's URL at the same host that a redirect leads to; its credentials may be given there.

    Args:
        remote: what was asked for.
        location: the header Location of the answer (RFC 9110, section 10.2.2).

    Raises:
        PermanentError: it leads to a repository at another host.
        SuspectError: it leads to no repository: some forges send to a page to log in instead of answering 401.
    """
    task = f"read {remote}"
    found = _repository(remote, location)
    if found is None:
        raise SuspectError(
            task, "the server redirects to a page that is no repository", "check the URL, and the user and the password"
        )
    if not same_origin(remote, found):
        raise PermanentError(
            task,
            f"it redirects to {found}, and credentials are not sent on to another scheme, host or port",
            "give the URL that the server redirects to, if you trust it",
        )
    return found.url


def _repository(remote: Remote, location: str) -> Remote | None:
    try:
        match = re.fullmatch(_ASKED, urljoin(f"{remote.url}/info/refs", location[:_LONGEST]))
        return parse_remote(match["url"]) if match else None
    except ValueError:
        return None
