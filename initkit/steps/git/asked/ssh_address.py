"""Addresses for ssh: URLs and the short form of scp; how the server is reached is the business of `access`."""

from __future__ import annotations

import re

from initkit.core.record import Record

EXPECTED = "expected ssh://USER@HOST/PATH or USER@HOST:PATH"
# none of the parts can begin with -, for ssh would take it for an option
_USER = r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.+-]*)"
_HOST = r"(?:(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)|\[(?P<literal>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\])"
# text, for most repositories are elsewhere: `re` compiles it once it is needed
_URL = rf"(?i:ssh)://{_USER}@{_HOST}(?::(?P<number>[0-9]+))?(?P<path>/.*)"
_SHORT = rf"{_USER}@{_HOST}:(?P<path>[^:-].*)"
_HIGHEST_PORT = 65535


class SshAddress(Record):
    """Where a repository is on a server.

    Attributes:
        user: whom to log in as.
        host: the server's name or address, an IPv6 one without brackets.
        port: the port's number.
    """

    user: str
    host: str
    port: int = 22

    @property
    def key_name(self) -> str:
        """The name that a file of known hosts has for it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return self.host if self.port == SshAddress.port else f"[{self.host}]:{self.port}"


def is_short(text: str) -> bool:
    """Whether it is meant to be ``USER@HOST:PATH``: a colon, and no slash before it."""
    return bool(re.match(r"[^/:]+@(?:[^/:]+|\[[^/\]]*\]):", text))


def parse_ssh(text: str) -> SshAddress:
    """The server's part of an address; no message repeats the text, for a password may stand in it.

    Raises:
        ValueError: it is no such address.
    """
    match = re.fullmatch(_SHORT if is_short(text) else _URL, text)
    if not match:
        raise ValueError(f"{EXPECTED}, got {_flaw(text)}")
    parts = match.groupdict()
    port = int(parts.get("number") or SshAddress.port)
    if not 0 < port <= _HIGHEST_PORT:
        raise ValueError(f"{EXPECTED}, got no such number of a port")
    _check_path(text, parts["path"])
    return SshAddress(match["user"], match["name"] or match["literal"], port)


def _check_path(text: str, path: str) -> None:
    if is_short(text):
        return
    if re.search(r"[\s\\?#@]", path):
        raise ValueError(f"{EXPECTED}, got a blank, \\, ?, # or @ in the path; write them as %20, %5C, %3F, %23, %40")
    from urllib.parse import unquote  # noqa: PLC0415 - takes as long to load as all of this

    if re.search(r"[\x00-\x1f\x7f]", unquote(path)):
        raise ValueError(f"{EXPECTED}, got control characters in it")


def _flaw(text: str) -> str:
    rest = text.partition("://")[2] or text
    userinfo, at, _ = rest.partition("/")[0].rpartition("@")
    if not at:
        return "no user in it, such as git@"
    if ":" in userinfo:
        return "a password in it, which ssh does not take; give --ssh-key-file"
    return "no such user, host, number or path"
