"""The values that only `git` knows: refs, paths, patterns, sizes, addresses; the repository's own is in `remote`."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

from initkit.core.options import Parser
from initkit.core.record import Record
from initkit.core.values import HostPort, parse_host_port

_SHA = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")  # SHA-1, SHA-256
_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_NAME = 255  # bytes: NAME_MAX of Linux


def is_sha(ref: str) -> bool:
    """Whether a ref is a full object name and no branch or tag."""
    return bool(_SHA.fullmatch(ref))


def parse_ref(text: str) -> str:
    """A branch, a tag, a full ref or a full SHA, by the rules of git-check-ref-format(1).

    Raises:
        ValueError: git has no ref of such a name, or would take it for an option.
    """
    if is_sha(text):
        return text.lower()
    wrong = not text or text == "@" or text.startswith(("-", "/", ".")) or text.endswith(("/", "."))
    if wrong or _NOT_IN_REF.search(text):
        raise ValueError(f"expected a branch, a tag or a full SHA, got {text!r}")
    return text


def parse_subpath(text: str) -> str:
    """A folder's path inside the repository, ``""`` for all of it.

    Raises:
        ValueError: it leads out of the repository or is not in its shortest form.
    """
    path = text.removeprefix("./").rstrip("/") if text not in {"", "."} else ""
    parts = path.split("/")
    # git never has .git in a tree, and it is told apart from it neither on HFS+ nor on NTFS
    if path and ({"", ".", "..", ".git"} & {part.lower() for part in parts} or _CONTROL.search(path)):
        raise ValueError(f"expected a folder's path inside the repository, without . and .., got {text!r}")
    return path


def parse_link(text: str) -> str:
    """The name of the link in DEST.

    Raises:
        ValueError: it is no file's name, or one that initkit needs itself.
    """
    wrong = not text or text in {".", "..", ".initkit"} or "/" in text or _CONTROL.search(text)
    if wrong or len(text.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        raise ValueError(f"expected a file's name such as current, got {text!r}")
    return text


def parse_folder(text: str) -> str:
    """A folder's path.

    Raises:
        ValueError: it is empty or holds a character that no path has.
    """
    if not text or "\0" in text:
        raise ValueError(f"expected a folder, got {text!r}")
    return text


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes from ``500M``, ``10GiB`` or a bare number of bytes; the units are powers of 1,024.

    Raises:
        ValueError: it is no size.
    """
    match = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"expected a size such as 500M or 10G, got {text!r}")
    return int(match[1]) * _UNITS[match[2].upper()]


def show_size(size: int) -> str:
    """The shortest exact way to write so many bytes: ``10G``, ``1536K``."""
    unit = next((unit for unit in ("T", "G", "M", "K") if size and size % _UNITS[unit] == 0), "")
    return f"{size // _UNITS[unit]}{unit}"


def parse_pattern(text: str) -> str:
    """A pattern as gitignore(5) has it.

    Raises:
        ValueError: it can match nothing, or would be read as two.
    """
    if not text.strip() or text.startswith("#") or _CONTROL.search(text):
        raise ValueError(f"expected a pattern such as /docs/ or *.html, got {text!r}")
    return text


def parse_filter(text: str) -> str:
    """An object filter (git-rev-list(1), ``--filter``), of those that leave out files only.

    Raises:
        ValueError: it is none, or one that leaves out more.
    """
    if not re.fullmatch(r"|blob:none|blob:limit=\d{1,12}[kmg]?", text):
        raise ValueError(f"expected blob:none or blob:limit=SIZE, got {text!r}")
    return text


def parse_fingerprint(text: str) -> str:
    """A host key's fingerprint as ssh-keygen -l prints it.

    Raises:
        ValueError: it is none of SHA-256.
    """
    stripped = text.strip().rstrip("=")
    if not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", stripped):
        raise ValueError(f"expected SHA256: and 43 characters, as ssh-keygen -l prints them, got {text!r}")
    return stripped


class Words(Record):
    """A command, as a shell would have split it."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        """As it can be typed."""
        return shlex.join(self.words)


def parse_command(text: str) -> Words:
    """A program and its arguments, split as a POSIX shell does; nothing in them is replaced.

    Raises:
        ValueError: a quote is open, or there is no word.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:  # the line itself may hold a secret
        raise ValueError("expected a command line, got one whose last quote or backslash is open") from error
    if not words or not words[0] or "\0" in text:
        raise ValueError("expected a command line such as 'nginx -s reload', got none")
    return Words(words)


def parse_address(text: str) -> HostPort:
    """Where to listen, from ``:8080``, ``127.0.0.1:8080`` or ``[::]:8080``; without a host everywhere.

    Raises:
        ValueError: it has another form.
    """
    return parse_host_port(f"[::]{text}" if text.startswith(":") else text)


RefName = Annotated[str, Parser("BRANCH|TAG|SHA", parse_ref)]
Subpath = Annotated[str, Parser("DIR", parse_subpath)]
LinkName = Annotated[str, Parser("NAME", parse_link)]
Folder = Annotated[str, Parser("DEST", parse_folder)]
Size = Annotated[int, Parser("SIZE", parse_size, show=show_size)]
Pattern = Annotated[str, Parser("PATTERN", parse_pattern)]
Filter = Annotated[str, Parser("FILTER", parse_filter)]
Fingerprint = Annotated[str, Parser("SHA256:...", parse_fingerprint)]
CommandLine = Annotated[Words, Parser("COMMAND", parse_command)]
Address = Annotated[HostPort, Parser("ADDRESS", parse_address)]
