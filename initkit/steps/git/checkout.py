"""From the remote into a folder: our own bare repository, what is fetched into it, and a tree written from it."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.steps.git import remove
from initkit.steps.git.failures import DamagedError
from initkit.steps.git.links import escaping
from initkit.steps.git.values import is_sha

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.steps.git.program import Program
    from initkit.steps.git.refs import Wanted

_SHA1_DIGITS = 40
_SHOWN = 7  # digits of a SHA that people read


class Store:
    """The bare repository that keeps what was fetched, so that the next fetch brings only what is new.

    Only the holder of the folder's lock may use it: its stale lock files are removed without asking.

    Args:
        git: the program, with the lock's descriptor kept open.
        path: where the repository is.
        slot: the name of the ref that keeps the fetched commit; one for each link.
    """

    def __init__(self, git: Program, path: str, slot: str) -> None:
        self.git = replace(git, variables={"GIT_DIR": path})
        self.path = path
        self.ref = f"refs/initkit/{slot}"

    def fetch(self, wanted: Wanted, depth: int) -> str:
        """Bring a ref or a commit here; returns the commit, which may be newer than the one that was wanted.

        Raises:
            InitkitError: it cannot be fetched.
        """
        task = f"fetch {wanted.name} from {self.git.remote}"
        with self._mended():
            self._prepare(wanted)
            self.git.ask(
                task,
                *_FETCH,
                *self._depth(depth),
                "--end-of-options",
                self.git.remote.url,
                f"+{wanted.name}:{self.ref}",
            )
            return self._commit(wanted, task)

    def write(self, sha: str, tree: str, subpath: str) -> None:
        """Write a commit's files, or those below `subpath` at the same place, into the empty folder `tree`.

        The whole index is read even for a sub-folder: the attributes in the folders above it count.

        Raises:
            InitkitError: it cannot be written.
        """
        task = f"check out {sha[:_SHOWN]} of {self.git.remote}"
        index = f"{tree}.index"
        chosen = ["-c", "core.sparseCheckout=false"]
        with self._mended():
            if subpath:
                self._find_folder(task, sha, subpath)
                self._write_patterns(f"/{_literally(subpath)}/\n")
                chosen = ["-c", "core.sparseCheckout=true", "-c", "core.sparseCheckoutCone=false"]
            git = replace(self.git, variables={**self.git.variables, "GIT_WORK_TREE": tree, "GIT_INDEX_FILE": index})
            try:
                git.ask(task, *chosen, "read-tree", "-u", "--reset", sha, directory=tree)
            finally:
                remove.file(index)

    def _prepare(self, wanted: Wanted) -> None:
        """Make the repository, or make it fit for use after a run that was killed.

        Its configuration and attributes are made anew each time: whoever shares the volume could have a filter or a
        proxy command run by them.
        """
        self._clear_stale()
        for name in ("config", "config.worktree", "info", "hooks", "objects/info/alternates"):
            remove.anything(os.path.join(self.path, name))
        format_ = [] if len(wanted.sha) == _SHA1_DIGITS else ["--object-format=sha256"]
        self.git.ask(
            f"make {self.path}", "init", "--quiet", "--bare", "--template=", *format_, "--end-of-options", self.path
        )

    def _clear_stale(self) -> None:
        for folder, _, names in os.walk(self.path):
            for name in names:
                if name.endswith((".lock", ".keep")) or name.startswith(("tmp_", ".tmp-")):
                    remove.file(os.path.join(folder, name))

    def _depth(self, depth: int) -> list[str]:
        if depth:
            return [f"--depth={depth}"]
        return ["--unshallow"] if os.path.exists(os.path.join(self.path, "shallow")) else []

    def _commit(self, wanted: Wanted, task: str) -> str:
        try:
            said = self.git.ask(task, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{self.ref}^{{commit}}")
        except InitkitError as error:
            raise PermanentError(task, "it is no commit", "name a branch, a tag of a commit, or a commit") from error
        sha = said.decode().split("\n", 1)[0]
        if is_sha(wanted.name) and sha != wanted.name:
            raise PermanentError(task, "it is a tag's own SHA", f"name the commit, {sha}")
        return sha

    def _find_folder(self, task: str, sha: str, subpath: str) -> None:
        said = self.git.ask(task, "ls-tree", "-z", "--full-tree", sha, "--", subpath).decode("utf-8", "surrogateescape")
        kind = said.split(" ")[1] if said else ""
        if kind != "tree":
            cause = f"{subpath} is no folder" if kind else f"there is no folder {subpath}"
            raise SuspectError(task, cause, "check --subpath and --ref")

    def _write_patterns(self, text: str) -> None:
        path = os.path.join(self.path, "info", "sparse-checkout")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """Begin anew with what a crash of the node damaged; damage in a new repository comes from the remote."""
        was_there = os.path.exists(self.path)
        try:
            yield
        except DamagedError as error:
            if not was_there:
                raise
            remove.anything(self.path)
            raise TemporaryError(error.task, f"{error.cause}; {self.path} is made anew") from error


_FETCH = (
    "fetch",
    "--quiet",
    "--force",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--update-shallow",
)


def _literally(path: str) -> str:
    """A path as a pattern that matches nothing else (gitignore(5))."""
    return re.sub(r"([\\*?\[\]!#])", r"\\\1", path)


def refuse_escaping(root: str, git: Program, sha: str) -> None:
    """Raise at the first link that leads out of the tree.

    Raises:
        PermanentError: there is one.
    """
    for path, target in escaping(root, git.context.stop):
        task = f"publish {sha[:_SHOWN]} of {git.remote}"
        raise PermanentError(
            task,
            f"the link {path} leads out of the tree, to {target}",
            "have it taken out, or trust it with --links keep",
        )
