"""Options that say how content is published, and for how long; nothing is decided here."""

from __future__ import annotations

from typing import Annotated, Literal

from initkit.core.identity import UserAndGroup
from initkit.core.options import Declared, Opt, declared
from initkit.core.values import Duration
from initkit.steps.git.asked.values import LinkName


@declared
class Published(Declared):
    """How readers find the content, whose it is, and what becomes of the content before."""

    layout: Annotated[
        Literal["link", "plain"],
        Opt("Publish by a link that is switched at once (link), or as files in DEST itself (plain)."),
    ] = "link"
    link: Annotated[LinkName, Opt("Name of the link in DEST that leads to the content.")] = "current"
    keep_for: Annotated[Duration, Opt("How long the content before is kept for those who are still in it.")] = 60.0
    git_dir: Annotated[Literal["drop", "keep"], Opt("Publish a repository in .git too (keep), or not.")] = "drop"
    group_write: Annotated[bool, Opt("Let the group write wherever the owner may.")] = False
    owner: Annotated[UserAndGroup | None, Opt("Give the content to this user, by name or number.")] = None
    mtime: Annotated[
        Literal["checkout", "commit"], Opt("Times of files: when they were written, or the commit's own.")
    ] = "checkout"
    record: Annotated[
        str, Opt("Write what is published (repository, ref, sha, time) to this file, as JSON.", "FILE")
    ] = ""
    verify: Annotated[
        Literal["quick", "full"],
        Opt("Look that what was published is still there: by size and time (quick), or read it all (full)."),
    ] = "quick"
