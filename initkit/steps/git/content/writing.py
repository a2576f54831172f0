"""From a fetched commit to a whole tree: its files, its submodules', and what stands behind LFS pointers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError
from initkit.core.record import Record
from initkit.steps.git import remove
from initkit.steps.git.calling.failures import is_full
from initkit.steps.git.content import gitdir, lfs, submodules
from initkit.steps.git.content.checkout import Terms
from initkit.steps.git.content.links import refuse_escaping
from initkit.steps.git.content.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from initkit.steps.git.asked.content import Content
    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.calling.program import Program
    from initkit.steps.git.content.caps import Caps
    from initkit.steps.git.content.store import Store


_SHOWN = 7  # digits of a SHA that people read


class Workshop(Record):
    """What it takes to write a tree.

    Attributes:
        asked: the options.
        house: our own folder in DEST, where repositories are kept.
        slot: the name of the ref that keeps a fetched commit.
        keep_git: whether a repository is to stand in the tree's `.git`.
        caps: how much may be written still.
        reach: the program for another remote, for as long as the block lasts.
    """

    asked: Content
    house: str
    slot: str
    keep_git: bool
    caps: Caps
    reach: Callable[[Remote], AbstractContextManager[Program]]

    @property
    def terms(self) -> Terms:
        """What of a submodule's commit may be written; it counts together with everything else."""
        return Terms(self.caps, self.asked.links, keep_index=self.asked.lfs)


class Written(Record):
    """What was written.

    Attributes:
        time: when the commit was made, by its committer's clock, in seconds since the epoch.
        dropped: how many symbolic links were left out.
    """

    time: int = 0
    dropped: int = 0


def write(store: Store, sha: str, tree: str, workshop: Workshop) -> Written:
    """Write a commit as it was asked for into the empty folder `tree`.

    Raises:
        InitkitError: it may not or cannot be written.
    """
    asked, stop = workshop.asked, store.git.context.stop
    terms = workshop.terms.but(sparse=asked.sparse, keep_index=workshop.keep_git or asked.lfs)
    try:
        tally = store.write(sha, tree, asked.subpath, terms)
        submodules.fill(store, sha, tree, workshop)
        lfs.fill(store, sha, tree, workshop)
        if asked.links == "inside" and (tally.links or tally.modules):
            refuse_escaping(os.path.join(tree, asked.subpath), f"publish {sha[:_SHOWN]} of {store.git.remote}", stop)
        if workshop.keep_git:
            gitdir.keep(store, sha, tree, asked)
    except (InitkitError, OSError) as error:
        if is_full(error):  # of submodules that were never published there may be much
            Shelf(workshop.house, workshop.slot).retire()
        raise
    finally:
        remove.file(f"{tree}.index")
    if workshop.caps.dropped:
        store.git.context.voice.note(f"left out {workshop.caps.dropped} symbolic links, as --links none asks for")
    return Written(store.time(sha), workshop.caps.dropped)
