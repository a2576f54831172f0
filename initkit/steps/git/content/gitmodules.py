"""What `.gitmodules` says: which submodule comes from where; names, commands and all else in it are ignored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.printable import printable
from initkit.core.urls import shown_wrong
from initkit.steps.git.asked.remote import parse_remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.content.store import Store

FILE = ".gitmodules"
_LARGEST = 1 << 20  # bytes: the entries of some ten thousand submodules
_LONGEST = 4096  # characters of a URL: what is searched with expressions may take the square of it
_SECTION = "submodule."
_EVERYWHERE = ("https", "ssh")
_BASE = re.compile(r"[a-z+]+://[^/]*/|(?:[^/:\[]|\[[^\]/]*\])+:/?|/")  # of a URL, a HOST:PATH as ssh has it, a path


def urls(store: Store, sha: str, task: str) -> dict[str, str]:
    """The URL of each submodule's path; the last one counts, as in git.

    Raises:
        PermanentError: the file is no file, or too large.
        InitkitError: it cannot be read.
    """
    urls: dict[str, str] = {}
    paths: dict[str, str] = {}
    for name, key, value in _entries(_content(store, sha, FILE, task)):
        if key in {"path", "url"}:
            (paths if key == "path" else urls)[name] = value
    return {path: urls[name] for name, path in paths.items() if name in urls}


def setting(store: Store, sha: str, file: str, name: str, task: str) -> str:
    """One setting in a file of a commit that is written as git's configuration is; empty where there is none.

    Raises:
        InitkitError: as with `urls`.
    """
    found = [value for key, _, value in _pairs(_content(store, sha, file, task)) if key == name]
    return found[-1] if found else ""


def _content(store: Store, sha: str, file: str, task: str) -> bytes:
    """All that git reads in the file, ``KEY LF VALUE NUL`` each; what it includes from elsewhere is left out."""
    listed = store.git.ask(task, "ls-tree", "-l", "-z", "--full-tree", sha, "--", file).decode()
    if not listed:
        return b""
    mode, _, name, size = listed.split("\t", 1)[0].split()
    if mode not in {"100644", "100755"}:
        raise PermanentError(task, f"{file} is no file", "have it replaced by one")
    if not size.isdigit():  # a filter left it out
        store.bring(task, [name])
        size = store.git.ask(task, "cat-file", "-s", name).decode().strip()
    if int(size) > _LARGEST:
        raise PermanentError(task, f"{file} is larger than {_LARGEST} bytes", "have it made smaller")
    return store.git.ask(task, "config", f"--blob={name}", "--no-includes", "-z", "--list")


def _pairs(content: bytes) -> Iterator[tuple[str, str, str]]:
    for entry in content.decode("utf-8", "surrogateescape").split("\0"):
        yield entry.partition("\n")


def _entries(content: bytes) -> Iterator[tuple[str, str, str]]:
    for full, has_value, value in _pairs(content):
        name, dot, key = full.removeprefix(_SECTION).rpartition(".")
        if full.startswith(_SECTION) and dot and has_value:
            yield name, key, value


def remote_of(url: str, parent: Remote, home: Remote) -> Remote:
    """The remote that a submodule's URL means.

    A repository must not have us read what its own users could not: files of this machine, or servers that need no
    encryption. So protocols other than https and ssh are for those only who gave them for `home`.

    Args:
        url: from `.gitmodules`.
        parent: where the repository with that file is.
        home: what was asked for by a person.

    Raises:
        ValueError: it is none, or its protocol is not allowed.
    """
    if len(url) > _LONGEST:
        raise ValueError(f"expected a URL of at most {_LONGEST} characters, got {len(url)}")
    remote = parse_remote(_resolved(url, parent.url))
    if remote.scheme not in {*_EVERYWHERE, home.scheme}:
        raise ValueError(f"expected https or ssh, as {home} has no {remote.scheme} either, got {remote.scheme}")
    return remote


def shown(url: str) -> str:
    """A URL for a message, whatever it holds."""
    return printable(shown_wrong(url), 100)


def _resolved(url: str, parent: str) -> str:
    """A relative URL resolved against the parent's (git-submodule(1), ``add``); ``../`` takes one part off its end.

    Raises:
        ValueError: it leads above the parent's host.
    """
    if not url.startswith(("./", "../")):
        return url
    match = _BASE.match(parent)
    base = match[0] if match else ""
    parts = parent.removeprefix(base).rstrip("/").split("/")
    while url.startswith(("./", "../")):
        step, _, url = url.partition("/")
        if step == ".." and not parts.pop():
            raise ValueError(f"expected a URL on the same host, got one with too many ../ for {parent}")
        parts = parts or [""]
    return base + "/".join([*filter(None, parts), url.rstrip("/")])
