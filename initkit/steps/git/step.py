"""The step `git`: what can be asked for, whether it is there, and the order in which it is put there."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.outcome import Finding, Outcome, Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.core.values import Count
from initkit.steps.git import remove
from initkit.steps.git.checkout import Store, refuse_escaping
from initkit.steps.git.failures import from_os
from initkit.steps.git.lock import held
from initkit.steps.git.program import Program
from initkit.steps.git.publish import Place, Record, key_of, sha_of
from initkit.steps.git.refs import Wanted, resolve
from initkit.steps.git.remote import Repository
from initkit.steps.git.values import Folder, LinkName, RefName, Subpath, is_sha

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context

_SHOWN = 7  # digits of a SHA that people read
_SHA1_DIGITS = 40
_PATIENCE = RetryPolicy(timeout=600, max_interval=30, attempt_timeout=60)


@declared
class Git(Declared):
    """Publish a repository's content in a folder: all of it at once, through a link."""

    kind: ClassVar[str] = "git"

    repository: Annotated[
        Repository,
        Arg("What to read: https://, http://, git:// or file://, or a path that begins with / or ./.", "REPOSITORY"),
    ]
    dest: Annotated[
        Folder, Arg("Folder to publish in; made where it is missing, and nothing of others is touched.", "DEST")
    ]
    ref: Annotated[
        RefName,
        Opt("Branch, tag or full SHA; a branch goes before a tag of the same name, refs/... is taken as it stands."),
    ] = "HEAD"
    subpath: Annotated[Subpath, Opt("Publish only this folder of the repository.")] = ""
    depth: Annotated[Count, Opt("How many commits to fetch (0 = the whole history).")] = 1
    link: Annotated[LinkName, Opt("Name of the link in DEST that leads to the content.")] = "current"
    links: Annotated[
        Literal["inside", "keep"],
        Opt("Symbolic links in the content: refuse any that leads out of it (inside), or trust them all (keep)."),
    ] = "inside"
    retry: RetryPolicy = _PATIENCE

    def check(self, context: Context) -> Finding:
        """Compare what is published with what the remote has; a full SHA that is published needs no network."""
        with self._file_system():
            place = self._place()
            place.refuse_strangers()
            published = place.published()
            wanted = resolve(Program(self.repository, context), self.ref)
            if published is not None and key_of(published) == self._key(wanted.sha):
                return Satisfied(self._spoken(wanted.sha), self._facts(wanted.sha))
            now = f" (now {sha_of(published)[:_SHOWN]})" if published else ""
            return Pending(f"would check out {self._spoken(wanted.sha)}{now}", (), self._facts(wanted.sha))

    def apply(self, context: Context) -> Outcome:
        """Fetch, check out beside the old tree, and switch the link; one at a time for each DEST."""
        with self._file_system():
            place = self._place()
            place.refuse_strangers()
            place.open()
            with held(place.lock, context) as lock, context.stop.in_flight():
                place.clear(context)
                git = Program(self.repository, context, keep_open=(lock,))
                wanted = resolve(git, self.ref)
                published = place.published()
                if published is not None and key_of(published) == self._key(wanted.sha):
                    return Outcome.ok(self._spoken(wanted.sha), self._facts(wanted.sha))  # by another replica
                return self._publish(place, git, wanted)

    def _publish(self, place: Place, git: Program, wanted: Wanted) -> Outcome:
        before = place.linked()
        name = place.complete(self._key(wanted.sha))
        # a complete tree that the link leads to nevertheless was not found whole: never repair it under its readers
        if name is None or name == before:
            name = self._check_out(place, git, wanted)
        git.context.stop.check()
        place.switch(name, self.subpath)
        place.retire([name, before], git.context)
        sha = sha_of(name)
        was = f" (was {sha_of(before)[:_SHOWN]})" if before and sha_of(before) != sha else ""
        facts = self._facts(sha) | ({"previous_sha": sha_of(before)} if before else {})
        return Outcome.changed(f"{self._spoken(sha)}{was}", facts)

    def _check_out(self, place: Place, git: Program, wanted: Wanted) -> str:
        format_ = "repository" if len(wanted.sha) == _SHA1_DIGITS else "repository-sha256"
        store = Store(git, os.path.join(place.house, format_), _digest(self.link))
        sha = store.fetch(wanted, self.depth)
        tree = place.new_name()
        os.mkdir(tree)
        try:
            store.write(sha, tree, self.subpath)
            if self.links == "inside":
                refuse_escaping(os.path.join(tree, self.subpath), git, sha)
            return place.keep(tree, self._key(sha), self._record(sha, git.context))
        finally:
            with suppress(OSError):  # the next run clears what stays
                remove.anything(tree)

    def _place(self) -> Place:
        return Place(os.path.abspath(self.dest), self.link)

    def _key(self, sha: str) -> str:
        return f"{sha}-{_digest(self.subpath, self.link, self.links)}"

    def _spoken(self, sha: str) -> str:
        return sha[:_SHOWN] if is_sha(self.ref) else f"{self.ref} at {sha[:_SHOWN]}"

    def _facts(self, sha: str) -> dict[str, object]:
        path = os.path.join(self.dest, self.link)
        return {"repository": str(self.repository), "ref": self.ref, "sha": sha, "path": path}

    def _record(self, sha: str, context: Context) -> Record:
        return Record(str(self.repository), self.ref, sha, self.subpath, self.link, round(context.clock.wall()))

    @contextmanager
    def _file_system(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise from_os(f"publish in {self.dest}", error) from error


def _digest(*words: str) -> str:
    """Twelve digits for the options that shape a tree."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and --help needs none of it

    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:12]


STEP = Git
