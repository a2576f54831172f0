"""The values that only `git` knows: names of refs, sub-folders and links; the repository's address is in `remote`."""

from __future__ import annotations

import re
from typing import Annotated

from initkit.core.options import Parser

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


RefName = Annotated[str, Parser("BRANCH|TAG|SHA", parse_ref)]
Subpath = Annotated[str, Parser("DIR", parse_subpath)]
LinkName = Annotated[str, Parser("NAME", parse_link)]
Folder = Annotated[str, Parser("DEST", parse_folder)]
