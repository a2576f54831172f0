"""Options that say what is read from the repository, and what of it may be written; nothing is decided here."""

from __future__ import annotations

from typing import Annotated, Literal

from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.values import Count
from initkit.steps.git.asked.remote import Repository
from initkit.steps.git.asked.values import Filter, Folder, Pattern, RefName, Size, Subpath


@declared
class Content(Declared):
    """What is read, from where, and within which limits."""

    repository: Annotated[
        Repository,
        Arg(
            "What to read: https://, ssh://, USER@HOST:PATH, http://, git:// or file://, or a path that begins with / "
            "or ./.",
            "REPOSITORY",
        ),
    ]
    dest: Annotated[
        Folder, Arg("Folder to publish in; made where it is missing, and nothing of others is touched.", "DEST")
    ]
    ref: Annotated[
        RefName,
        Opt("Branch, tag or full SHA; a branch goes before a tag of the same name, refs/... is taken as it stands."),
    ] = "HEAD"
    subpath: Annotated[Subpath, Opt("Publish only this folder of the repository.")] = ""
    sparse: Annotated[
        tuple[Pattern, ...],
        Opt("Publish only what matches this pattern, written as in a .gitignore in the topmost folder."),
    ] = ()
    depth: Annotated[Count, Opt("How many commits to fetch (0 = the whole history).")] = 1
    filter: Annotated[
        Filter, Opt("Fetch no files (blob:none) or no large ones (blob:limit=1m) but those that are published.")
    ] = ""
    submodules: Annotated[
        Literal["off", "shallow", "recursive"],
        Opt("Submodules: leave them empty, fetch those of the repository itself, or theirs too."),
    ] = "off"
    lfs: Annotated[bool, Opt("Replace the pointers of Git LFS by the files; needs git-lfs.")] = False
    links: Annotated[
        Literal["inside", "keep", "none"],
        Opt(
            "Symbolic links in the content: refuse any that leads out of it (inside), trust them all (keep), or "
            "publish none of them."
        ),
    ] = "inside"
    max_size: Annotated[
        Size, Opt("Refuse content that is larger than this, in all, and packs that are (0 = no limit).")
    ] = 10 << 30
    max_files: Annotated[Count, Opt("Refuse content of more files and folders than this (0 = no limit).")] = 1_000_000
