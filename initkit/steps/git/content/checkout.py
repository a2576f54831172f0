"""From a commit in our repository into an empty folder: what is looked at first, and how it is written."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError
from initkit.core.record import Record
from initkit.steps.git import remove
from initkit.steps.git.calling.failures import DamagedError
from initkit.steps.git.content import bare
from initkit.steps.git.content.inside import folder_of
from initkit.steps.git.content.listing import FEW, Tally, is_attributes, path_of, picked, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Literal

    from initkit.steps.git.calling.program import Program
    from initkit.steps.git.content.caps import Caps

_LINK = b"120000 "
_SHA1_DIGITS = 40
_CONVERSIONS = (b"ident", b"encoding", b"eol=crlf")
_ATTRIBUTES = 1 << 16  # bytes of attributes that are looked through
# larger files are passed on as they come and not held in memory, which a container's limit may not leave room for
THRIFTY = ("-c", "core.bigFileThreshold=8m")
_AT_ONCE = 5000  # paths in one command line: far from the limit of execve(2) even where they are long


class Terms(Record):
    """What of a commit may be written, and what is left out.

    Attributes:
        caps: how much may be written still; what is written is counted in it.
        links: ``none`` leaves symbolic links out; they are counted in `caps.dropped`.
        sparse: patterns of gitignore(5), as if they stood in the repository's topmost folder; none for everything.
        keep_index: whether git's index stays beside the tree, in `TREE.index`, for the caller to use and to remove.
    """

    caps: Caps
    links: Literal["inside", "keep", "none"] = "inside"
    sparse: tuple[str, ...] = ()
    keep_index: bool = False


class Checkout(Record):
    """One commit on its way into one folder.

    Attributes:
        git: the program, for the repository that has the commit.
        task: what is done, for messages.
        sha: the commit.
        tree: an empty folder.
        subpath: the folder of the commit to write, at the same place; all of it where it is empty.
        terms: what may be written.
        bring: fetches blobs that a filter left out.
    """

    git: Program
    task: str
    sha: str
    tree: str
    subpath: str
    terms: Terms
    bring: Callable[[Sequence[str]], None]

    def run(self) -> Tally:
        """Look at what would be written, and write it.

        Raises:
            InitkitError: it may not or cannot be written.
        """
        try:
            above = self._above()
            tally = self._surveyed(above)
            self.terms.caps.take(self.task, tally.entries, tally.size)
            self._write(above)
            if self.terms.links == "none" and tally.links:
                self._drop_links()
            if above or self._converts(tally):
                self._weigh(tally)
        finally:
            if not self.terms.keep_index:
                remove.file(self._index)
        return tally

    @property
    def _index(self) -> str:
        return f"{self.tree}.index"

    def _converts(self, tally: Tally) -> bool:
        """Whether attributes may have made files larger; to look at each file costs much more than to look at them."""
        try:
            return len(tally.attributes) == FEW or any(self._has_conversion(*one) for one in tally.attributes)
        except OSError:  # the patterns left it out, or it is none
            return True

    def _has_conversion(self, name: bytes, path: bytes) -> bool:
        """Whether a file has an attribute that makes others larger, or was itself written other than it is."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with (
            folder_of(self.tree, os.fsdecode(path)) as (folder, last),
            open(os.open(last, flags, dir_fd=folder), "rb") as file,
        ):
            text = file.read(_ATTRIBUTES + 1)
        return _blob(text, len(name)) != name.decode() or any(word in text for word in _CONVERSIONS)

    def _weigh(self, tally: Tally) -> None:
        """Count what attributes made of the files: another encoding, and ``ident`` writes ten bytes for each one."""
        size = 0
        for folder, _, names in os.walk(self.tree):
            self.git.context.stop.check()
            size += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
        self.terms.caps.take(self.task, 0, max(0, size - tally.size))

    def _above(self) -> list[bytes]:
        """Records of what counts for `subpath` from the folders above it: attributes, and the list of submodules."""
        if not self.subpath:
            return []
        parts = self.subpath.split("/")
        paths = ["/".join((*parts[:depth], ".gitattributes")) for depth in range(len(parts))]
        asked = ("ls-tree", "-z", "-l", "--full-tree", self.sha, "--", self.subpath, *paths, ".gitmodules")
        found = {path_of(record): record for record in self._each(*asked)}
        self._refuse_no_folder(found.pop(os.fsencode(self.subpath), b""))
        return [record for record in found.values() if record.startswith(b"100")]

    def _refuse_no_folder(self, record: bytes) -> None:
        if not record.startswith(b"040000"):
            cause = f"{self.subpath} is no folder" if record else f"there is no folder {self.subpath}"
            raise SuspectError(self.task, cause, "check --subpath and --ref")

    def _surveyed(self, above: list[bytes]) -> Tally:
        """What will be written; all of it is in the store then."""
        caps, sparse = self.terms.caps, bool(self.terms.sparse)
        tally = survey(self.task, self._listing(), caps, weighing=not sparse)
        if sparse:
            self._read_tree(above)
            tally = survey(self.task, self._chosen(), caps)
        if not tally.missing and not any(b" BAD\t" in record for record in above):
            return tally
        named = (record.split()[2].decode() for record in above)
        self.bring(sorted({*tally.missing, *named}))
        tally = survey(self.task, self._chosen() if sparse else self._listing(), caps)
        if tally.missing:
            raise DamagedError(self.task, f"object {tally.missing[0]} is missing", "check the repository with git fsck")
        return tally

    def _listing(self) -> Generator[bytes, None, None]:
        below = ("--", f"{self.subpath}/") if self.subpath else ()
        return self._each("ls-tree", "-r", "-t", "-z", "-l", "--full-tree", self.sha, *below)

    def _chosen(self) -> Generator[bytes, None, None]:
        """The part of the listing that the patterns choose.

        Here git takes them as gitignore(5) has it, where what is below a chosen folder cannot be taken out again: it
        may be more than what is written, and never less.
        """
        pattern_file = self._write_patterns()
        paths = self._each("ls-files", "-z", "--cached", "--ignored", f"--exclude-from={pattern_file}")
        with closing(paths), closing(self._listing()) as records:
            first = next(paths, None)
            if first is None:
                raise SuspectError(self.task, "nothing in it matches --sparse", "check the patterns, and --ref")
            yield from picked(records, _chain(first, paths))

    def _write(self, above: list[bytes]) -> None:
        settings = {"core.sparseCheckout": "false"}
        if self.terms.sparse:
            self._write_patterns()
            settings = {"core.sparseCheckout": "true", "core.sparseCheckoutCone": "false"}
        if self.terms.links == "none":
            settings["core.symlinks"] = "false"  # git writes files instead, which are taken out before they are shown
        self._read_tree(above, "-u", settings=settings)

    def _read_tree(self, above: list[bytes], *options: str, settings: dict[str, str] | None = None) -> None:
        remove.file(self._index)
        entries = [word for record in above if is_attributes(record) for word in ("--cacheinfo", _entry(record))]
        if entries:
            self._ask("update-index", "--add", *entries)
        where = ["--reset", self.sha]
        if self.subpath:
            where = [f"--prefix={self.subpath}/", f"{self.sha}:{self.subpath}"]
        chosen = [word for name, value in (settings or {}).items() for word in ("-c", f"{name}={value}")]
        self._ask(*THRIFTY, *chosen, "read-tree", *options, *where)

    def _write_patterns(self) -> str:
        path = os.path.join(self.git.variables["GIT_DIR"], "info", "sparse-checkout")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        bare.put(path, "".join(f"{pattern}\n" for pattern in self.terms.sparse))
        return path

    def _drop_links(self) -> None:
        """Take out the files that stand in for links, and folders that held nothing else."""
        below = ("--", f"{self.subpath}/") if self.subpath else ()
        with closing(self._each("ls-tree", "-r", "-z", "--full-tree", self.sha, *below)) as records:
            links = (path_of(record) for record in records if record.startswith(_LINK))
            dropped = [os.fsdecode(path) for path in links if self._drop(path)]
        for start in range(0, len(dropped) if self.terms.keep_index else 0, _AT_ONCE):
            self._ask("update-index", "--skip-worktree", "--", *dropped[start : start + _AT_ONCE])

    def _drop(self, path: bytes) -> bool:
        root = os.fsencode(self.tree)
        try:
            os.unlink(os.path.join(root, path))
        except FileNotFoundError:  # the patterns left it out
            return False
        self.terms.caps.dropped += 1
        with suppress(OSError):
            while path := os.path.dirname(path):
                os.rmdir(os.path.join(root, path))
        return True

    def _ask(self, *arguments: str) -> bytes:
        return self._placed().ask(self.task, *arguments, directory=self.tree)

    def _each(self, *arguments: str) -> Generator[bytes, None, None]:
        return self._placed().each(self.task, *arguments, directory=self.tree)

    def _placed(self) -> Program:
        more = {"GIT_WORK_TREE": self.tree, "GIT_INDEX_FILE": self._index, "GIT_LITERAL_PATHSPECS": "1"}
        return self.git.but(variables={**self.git.variables, **more})


def _blob(content: bytes, digits: int) -> str:
    """The name that git gives to content."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and --help needs none of it

    hashed = b"blob %d\0%s" % (len(content), content)
    return (
        hashlib.sha1(hashed, usedforsecurity=False) if digits == _SHA1_DIGITS else hashlib.sha256(hashed)
    ).hexdigest()


def _entry(record: bytes) -> str:
    """``MODE,SHA,PATH`` for ``update-index --cacheinfo``."""
    mode, _, sha = record.split()[:3]
    return os.fsdecode(b",".join((mode, sha, path_of(record))))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
