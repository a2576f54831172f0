"""The address of a repository, with its credentials kept apart; how those reach git is known to `credentials`."""

from __future__ import annotations

import os
import re
from typing import Annotated

from initkit.core.options import Parser
from initkit.core.record import Record
from initkit.core.redact import learn
from initkit.steps.git.asked.ssh_address import is_short, parse_ssh

SCHEMES = ("https", "ssh", "http", "git", "file")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)")
_HIGHEST_PORT = 65535
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXPECTED = "expected a URL with https, ssh, http, git or file, USER@HOST:PATH, or a path that begins with / or ./"


class Remote(Record):
    """Where a repository is.

    Attributes:
        scheme: the protocol, in git's own name for it; ``file`` for a path.
        url: what git is given: the URL without user and password, an absolute path, or an address for ssh as it was
            written, with its user.
        user: the user's name for HTTP, or a token that stands in its place.
        password: the password.
    """

    scheme: str
    url: str
    user: str = ""
    password: str = ""

    def __str__(self) -> str:
        """The address without what is secret."""
        return self.url

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"

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
    if not match and is_short(text):
        return _ssh(text)
    if not match:
        raise ValueError(f"{_EXPECTED}, got {_kind_of(text)}")
    scheme = match["scheme"].lower()
    if scheme not in SCHEMES:
        raise ValueError(f"{_EXPECTED}, got a URL with {scheme}")
    if scheme == "ssh":
        return _ssh(f"ssh://{match['rest']}")
    return _file(match["rest"]) if scheme == "file" else _served(scheme, match["rest"])


def _kind_of(text: str) -> str:
    if text.startswith("-"):
        return "a word that begins with -"
    if re.match(r"[A-Za-z0-9+.-]+::", text):
        return "a remote helper (NAME::), which may run any command"
    if re.match(r"[^/]+:", text):
        return "an address for ssh without a user, such as git@"
    return "neither" if text else "nothing"


def _ssh(text: str) -> Remote:
    parse_ssh(text)
    return Remote("ssh", text)


def _file(rest: str) -> Remote:
    host, slash, path = rest.partition("/")
    if host not in {"", "localhost"} or not slash:
        raise ValueError("expected file:///PATH, got a file URL with a host in it")
    decoded = _unquoted(path)
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
    if "@" in path:
        # a slash in an unencoded password ends the host's part early: the rest of it would pass for a path, and what
        # stands before, after an @ in it, for the host that is given the credentials
        raise ValueError(f"expected {scheme}://HOST/PATH, got @ in the path; write @ and / as %40 and %2F")
    _check_address(scheme, address)
    user, _, password = (_unquoted(part) for part in userinfo.partition(":"))
    if at and scheme == "git":
        raise ValueError("expected git://HOST/PATH, got a user in it, which the git protocol does not know")
    _mask(user, password)
    return Remote(scheme, f"{scheme}://{address}{slash}{path}", user, password)


def _check_address(scheme: str, address: str) -> None:
    # git finds no credentials for a host with any others (urlmatch.c), and not everyone decodes %
    if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]*", address):
        flaw = "got other characters in the host than letters, digits, ., - and _; write ü and the like as xn--..."
        raise ValueError(f"expected {scheme}://HOST/PATH, {flaw}")
    match = re.fullmatch(r"(?:[^:\[\]-][^:\[\]]*|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\])(?::([0-9]{0,5}))?", address)
    if not match or not 0 < int(match[1] or 1) <= _HIGHEST_PORT:
        raise ValueError(
            f"expected {scheme}://HOST[:NUMBER]/PATH, got no such host and number; write : and / as %3A, %2F"
        )


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415 - takes as long to load as all of this, and is seldom needed

    return unquote(text)


def _mask(user: str, password: str) -> None:
    if password:
        learn(password)
    elif user:
        learn(user)  # a token that stands alone: https://TOKEN@host


Repository = Annotated[
    Remote, Parser("REPOSITORY", parse_remote, schema={"type": "string", "pattern": r"^\.{0,2}/|://|^[^/:]+@[^/]+:"})
]
