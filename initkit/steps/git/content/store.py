"""From the remote into a folder: our own bare repository, what is fetched into it, and a tree written from it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.steps.git import remove
from initkit.steps.git.asked.values import is_sha
from initkit.steps.git.calling.failures import DamagedError, is_full
from initkit.steps.git.content import bare
from initkit.steps.git.content.checkout import THRIFTY, Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.steps.git.calling.program import Program
    from initkit.steps.git.calling.refs import Wanted
    from initkit.steps.git.content.checkout import Terms
    from initkit.steps.git.content.listing import Tally
    from initkit.steps.git.content.writing import Workshop

_SHA1_DIGITS = 40
_SHOWN = 7  # digits of a SHA that people read
_AT_ONCE = 10_000  # objects in one command line: half a megabyte of the two that execve(2) takes
_MOST_PACKS = 50  # until they are made one


class Store:
    """The bare repository that keeps what was fetched, so that the next fetch brings only what is new.

    Only the holder of the folder's lock may use it: its stale lock files are removed without asking.

    Args:
        git: the program, with the lock's descriptor kept open.
        path: where the repository is.
        slot: the name of the ref that keeps the fetched commit; one for each link.

    Attributes:
        git: the program, for this repository.
        ref: the ref that keeps the fetched commit.
        fetched: the name that was fetched last: a full ref, or a SHA.
    """

    def __init__(self, git: Program, path: str, slot: str) -> None:
        self.git = git.but(variables={"GIT_DIR": path})
        self.path = path
        self.ref = f"refs/initkit/{slot}"
        self.fetched = ""
        self._times: dict[str, tuple[str, int]] = {}

    @classmethod
    def of(cls, git: Program, workshop: Workshop, wanted: Wanted) -> Store:
        """The repository for what is wanted: one for each kind of object name."""
        name = "repository" if _digits(wanted) == _SHA1_DIGITS else "repository-sha256"
        return cls(git, os.path.join(workshop.house, name), workshop.slot)

    def fetch(self, wanted: Wanted, depth: int, filter_: str = "") -> str:
        """Bring a ref or a commit here; returns the commit, which may be newer than the one that was wanted.

        A server that gives no commit by its SHA (git 2.49 and older without protocol v2 do so unless told otherwise) is
        asked for its branches and tags with their whole history.

        Args:
            wanted: what to fetch.
            depth: how many commits of its history; 0 for all of it.
            filter_: which objects the server is to leave out, as git-rev-list(1) has it; `write` fetches those of them
                that it needs, all at once.

        Raises:
            InitkitError: it cannot be fetched.
        """
        task = f"fetch {wanted.name} from {self.git.remote}"
        self.fetched = wanted.name
        with self._mended(needed=0):
            bare.prepare(self.path, _digits(wanted))
            self._tidy(_digits(wanted))
            try:
                self._fetch(task, [*self._depth(depth), *_filtered(filter_)], f"+{wanted.name}:{self.ref}")
            except PermanentError as error:
                if not is_sha(wanted.name) or "unadvertised object" not in error.cause:
                    raise
                self._fetch_around(task, wanted.sha, error)
            return self._commit(wanted, task)

    def write(self, sha: str, tree: str, subpath: str, terms: Terms) -> Tally:
        """Write a commit's files, or those below `subpath` at the same place, into the empty folder `tree`.

        Submodules are left as empty folders. What it comes to is looked at first, and counted in `terms.caps`.

        Raises:
            InitkitError: it may not or cannot be written.
        """
        task = f"check out {sha[:_SHOWN]} of {self.git.remote}"
        with self._mended(needed=1):
            return Checkout(self.git, task, sha, tree, subpath, terms, lambda blobs: self.bring(task, blobs)).run()

    def time(self, sha: str) -> int:
        """When a commit was made, by its committer's clock, in seconds since the epoch."""
        return self._known(f"read {sha[:_SHOWN]}", sha)[1]

    def _known(self, task: str, name: str) -> tuple[str, int]:
        """The SHA and the time of the commit that a name stands for; an empty SHA where it is none."""
        if name not in self._times:
            asked = ("--max-count=1", "--no-commit-header", "--format=%H %ct", "--end-of-options", name)
            sha, _, time = self.git.ask(task, "rev-list", *asked).decode().strip().partition(" ")
            self._times |= {sha: (sha, int(time or 0))}
            return self._times[sha]
        return self._times[name]

    def _fetch(self, task: str, options: Sequence[str], *refspecs: str, settings: Sequence[str] = ()) -> None:
        from_origin = bare.is_partial(self.path) or any(option.startswith("--filter=") for option in options)
        promises = self._promises() if from_origin else ()
        source = "origin" if from_origin else self.git.remote.url
        try:
            self.git.ask(task, *promises, *settings, *_FETCH, *options, "--end-of-options", source, *refspecs)
        except InitkitError as error:
            if not self.git.largest or bare.largest_unfinished(self.path) < self.git.largest:
                raise
            bare.clear_stale(self.path)
            advice = "allow more by --max-size, or have less fetched by --filter or --depth"
            raise PermanentError(task, "what it sends is larger than --max-size allows", advice) from error

    def _promises(self) -> Iterator[str]:
        """Settings that name where missing objects are to be had (partial-clone.txt of git).

        They are given for fetches alone: with them any command would fetch what it misses, object by object.
        """
        for setting in (f"url={self.git.remote.url}", "promisor=true", "partialCloneFilter=blob:none"):
            yield from ("-c", f"remote.origin.{setting}")

    def _fetch_around(self, task: str, sha: str, refusal: PermanentError) -> None:
        heads = (f"+refs/{kind}/*:{self.ref}-around/{kind}/*" for kind in ("heads", "tags"))
        self._fetch(task, ["--prune", *self._depth(0), *_filtered("")], *heads)
        try:
            self.git.ask(task, "update-ref", "--no-deref", "--end-of-options", self.ref, sha)
        except InitkitError as error:
            raise refusal from error

    def bring(self, task: str, blobs: Sequence[str]) -> None:
        """Fetch blobs that a filter left out; in a store that was never filtered they are lost.

        Without negotiation: the server would take them for sent with the commits that are here.
        """
        if not bare.is_partial(self.path):
            raise DamagedError(task, f"object {blobs[0]} is missing", "check the repository with git fsck")
        for start in range(0, len(blobs), _AT_ONCE):
            some = blobs[start : start + _AT_ONCE]
            self._fetch(task, ["--filter=blob:none"], *some, settings=_NO_NEGOTIATION)

    def _tidy(self, digits: int) -> None:
        """Throw away what nobody needs any more, once in a while: each fetch leaves a pack behind.

        Git keeps all that it fetched with a filter for ever; there is little of it, and it is fetched anew.
        """
        if bare.count_packs(self.path) <= _MOST_PACKS:
            return
        if bare.is_partial(self.path):
            remove.anything(self.path)
            bare.prepare(self.path, digits)
            return
        try:
            self.git.ask(f"tidy {self.path}", "repack", "-a", "-d", "--quiet")
        except DamagedError:
            raise
        except InitkitError as error:  # no room, perhaps: what is there can still be used
            self.git.context.voice.detail(f"{error}")

    def _depth(self, depth: int) -> list[str]:
        if depth:
            return [f"--depth={depth}"]
        return ["--unshallow"] if os.path.exists(os.path.join(self.path, "shallow")) else []

    def _commit(self, wanted: Wanted, task: str) -> str:
        sha = self._known(task, self.ref)[0]
        if not sha:
            raise PermanentError(task, "it is no commit", "name a branch, a tag of a commit, or a commit")
        if is_sha(wanted.name) and sha != wanted.name:
            raise PermanentError(task, "it is a tag's own SHA", f"name the commit, {sha}")
        return sha

    @contextmanager
    def _mended(self, needed: int) -> Iterator[None]:
        """Begin anew with what a crash of the node damaged; damage in a new repository comes from the remote.

        Also where the volume is full: of what was fetched and never published there may be much, and all of it only
        spares fetching it again.

        Args:
            needed: how many packs are needed even in a new repository.
        """
        was_there = os.path.exists(self.path)
        try:
            yield
        except DamagedError as error:
            if not was_there:
                raise
            remove.anything(self.path)
            raise TemporaryError(error.task, f"{error.cause}; {self.path} is made anew") from error
        except (InitkitError, OSError) as error:
            if not is_full(error) or bare.count_packs(self.path) <= needed:
                raise
            remove.anything(self.path)
            raise TemporaryError(f"fetch into {self.path}", "the volume was full; it is made anew") from error


_NO_NEGOTIATION = ("-c", "fetch.negotiationAlgorithm=noop")
_FETCH = (
    # one pack for each fetch, and no loose objects: packs are what `_tidy` counts and a published .git links to
    "-c",
    "fetch.unpackLimit=1",
    *THRIFTY,
    "fetch",
    "--quiet",
    "--force",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-show-forced-updates",
    "--update-shallow",
)


def _digits(wanted: Wanted) -> int:
    """How many digits the remote's object names have; what nobody knows yet is taken for the usual."""
    return len(wanted.sha) or _SHA1_DIGITS


def _filtered(filter_: str) -> list[str]:
    """The option for a filter; without one what an earlier fetch left out by one is not left out again."""
    return [f"--filter={filter_}"] if filter_ else ["--no-filter"]
