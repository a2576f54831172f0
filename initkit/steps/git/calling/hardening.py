"""What git runs with: an environment made from nothing and a configuration that trusts no file and no repository."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from initkit.steps.git.asked.remote import Remote

STALLED_AFTER = 60  # seconds without a byte, after which an HTTP transfer counts as stalled

PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")  # libcurl reads no HTTP_PROXY
# a proxy and the certificates are the cluster's, not the user's
KEPT = (
    "PATH",
    *PROXIES,
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
)

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "core.autocrlf": "false",
    "core.symlinks": "true",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "credential.helper": "",
    "protocol.allow": "never",
    "protocol.version": "2",
    "transfer.fsckObjects": "true",
    # harmless slips of old programs, found in well-known repositories
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "transfer.bundleURI": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # while it prepares a pack the server sends 1 byte a second (uploadpack.keepAlive): that is not stalled
    "http.lowSpeedLimit": "1",
}


def settings(remote: Remote, more: Mapping[str, str]) -> Iterator[str]:
    """The configuration as arguments: ``-c NAME=VALUE`` beats every file, that of a repository included.

    Args:
        remote: its protocol is the only one that is allowed.
        more: what it takes to reach it.
    """
    chosen = _SETTINGS | dict(more)
    chosen |= {f"protocol.{remote.scheme}.allow": "always", "http.lowSpeedTime": str(STALLED_AFTER)}
    for name, value in chosen.items():
        yield "-c"
        yield f"{name}={value}"


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """A child's whole environment; a user without a home and a passwd entry is the normal case."""
    kept = {name: environ[name] for name in KEPT if name in environ}
    return kept | {
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_DIR": "/dev/null",  # no repository that happens to lie around the working directory
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",  # in our own store, which others on the volume may write to
        "GIT_TERMINAL_PROMPT": "0",
    }


@contextmanager
def trusting(remote: Remote) -> Iterator[int | None]:
    """A descriptor of a configuration with ``safe.directory`` for a local repository; None for all others.

    The program that serves a local repository reads only files for it: git clears ``-c`` and ``GIT_CONFIG_COUNT`` from
    its environment. The file is in memory, since looking writes nothing and there may be no place to write.
    """
    if remote.scheme != "file":
        yield None
        return
    descriptor = os.memfd_create("gitconfig")
    try:
        os.write(descriptor, _safe_directories(remote.url).encode("utf-8", "surrogateescape"))
        yield descriptor
    finally:
        os.close(descriptor)


def _safe_directories(path: str) -> str:
    lines = ["[safe]"]
    for place in dict.fromkeys((path, os.path.realpath(path))):
        for suffix in ("", "/.git", ".git", ".git/.git"):  # where git looks, in enter_repo
            quoted = f"{place}{suffix}".replace("\\", r"\\").replace('"', r"\"")
            lines.append(f'directory = "{quoted}"')
    return "\n".join(lines) + "\n"
