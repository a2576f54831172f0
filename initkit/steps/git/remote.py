"""The address of a repository, with its credentials kept apart; how those reach git is known to `credentials`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import unquote, urlsplit

from initkit.core.options import Parser
from initkit.core.redact import learn

SCHEMES = ("https", "http", "git", "file")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXPECTED = "expected a URL with https, http, git or file, or a path that begins with / or ./"


@dataclass(frozen=True)
class Remote:
    """Where a repository is.

    Attributes:
        scheme: the protocol, in git's own name for it; ``file`` for a path.
        url: what git is given: the URL without user and password, or an absolute path.
        user: the user's name, or a token that stands in its place.
        password: the password.
    """

    scheme: str
    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The address without what is secret."""
        return self.url

    @property
    def has_credentials(self) -> bool:
        """Whether the URL brought a user or a password."""
        return bool(self.user or self.password)


def parse_remote(text: str) -> Remote:
    """A remote from a URL or a path; no message repeats the text, for a password may stand in it.

    git itself would take more: ``ext::COMMAND`` runs a command, a word that begins with ``-`` is an option.

    Raises:
        ValueError: it is neither, or has a part that cannot be meant.
    """
    if _CONTROL.search(text):
        raise ValueError(f"{_EXPECTED}, got control characters in it")
    if text.startswith(("/", "./", "../")):
        return Remote("file", os.path.abspath(text))
    match = _URL.fullmatch(text)
    if not match:
        raise ValueError(f"{_EXPECTED}, got {_kind_of(text)}")
    scheme = match["scheme"].lower()
    if scheme not in SCHEMES:
        raise ValueError(f"{_EXPECTED}, got a URL with {scheme}")
    return _file(match["rest"]) if scheme == "file" else _served(scheme, match["rest"])


def _kind_of(text: str) -> str:
    if text.startswith("-"):
        return "a word that begins with -"
    if re.match(r"[A-Za-z0-9+.-]+::", text):
        return "a remote helper (NAME::), which may run any command"
    if re.match(r"[^/]+:", text):
        return "an address for ssh, which cannot be used yet"
    return "neither" if text else "nothing"


def _file(rest: str) -> Remote:
    host, slash, path = rest.partition("/")
    if host not in {"", "localhost"} or not slash:
        raise ValueError("expected file:///PATH, got a file URL with a host in it")
    decoded = unquote(path)
    if _CONTROL.search(decoded):
        raise ValueError("expected file:///PATH, got control characters in it")
    return Remote("file", os.path.abspath(f"/{decoded}"))


def _served(scheme: str, rest: str) -> Remote:
    if re.search(r"[\s\\]", rest):
        raise ValueError(f"expected {scheme}://HOST/PATH, got blanks or backslashes in it; write them as %20, %5C")
    if "?" in rest or "#" in rest:
        raise ValueError(f"expected {scheme}://HOST/PATH, got ? or # in it; write them as %3F, %23")
    netloc, slash, path = rest.partition("/")
    userinfo, at, address = netloc.rpartition("@")
    if "@" in path and not at:
        # a slash in an unencoded password ends the host's part early, and the rest of it would pass for a path
        raise ValueError(f"expected {scheme}://HOST/PATH, got @ in the path; write @ and / as %40 and %2F")
    _check_address(scheme, address)
    user, _, password = (unquote(part) for part in userinfo.partition(":"))
    if at and scheme == "git":
        raise ValueError("expected git://HOST/PATH, got a user in it, which the git protocol does not know")
    _mask(user, password)
    return Remote(scheme, f"{scheme}://{address}{slash}{path}", user, password)


def _check_address(scheme: str, address: str) -> None:
    try:
        parts = urlsplit(f"//{address}")
        known = bool(parts.hostname) and not address.startswith("-")
        known = known and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise ValueError(
            f"expected {scheme}://HOST[:NUMBER]/PATH, got no such host and number; write : and / as %3A, %2F"
        )


def _mask(user: str, password: str) -> None:
    if password:
        learn(password)
    elif user:
        learn(user)  # a token that stands alone: https://TOKEN@host


Repository = Annotated[
    Remote, Parser("REPOSITORY", parse_remote, schema={"type": "string", "pattern": r"^\.{0,2}/|://"})
]
