"""What follows from the options alone: where content is published, what it is called, and how it is spoken of."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from initkit.steps.git.asked.values import is_sha

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.calling.program import Program
    from initkit.steps.git.publish.layout import Layout
    from initkit.steps.git.publish.record import Record, RecordFile
    from initkit.steps.git.staying.telling import Teller
    from initkit.steps.git.step import Git

_SHOWN = 7  # digits of a SHA that people read


class Work:
    """One step as it is looked at and carried out.

    Attributes:
        asked: its options.
    """

    def __init__(self, asked: Git) -> None:
        self.asked = asked

    @cached_property
    def shape(self) -> str:
        """A digest of the options that shape what is written."""
        asked = self.asked
        shape = [asked.subpath, asked.link, asked.links, asked.layout, *asked.sparse, asked.submodules, asked.lfs]
        shape += [asked.git_dir, asked.group_write, asked.owner, asked.mtime]
        if asked.git_dir == "keep":
            shape += [asked.repository, asked.ref, asked.depth]
        return digest(*map(str, shape))

    def key(self, sha: str) -> str:
        """What content of a commit is called; see `Layout`."""
        return f"{sha}-{self.shape}"

    def layout(self) -> Layout:
        """Where content is published."""
        from initkit.steps.git.publish.place import Place  # noqa: PLC0415 - not needed for --help

        asked, dest = self.asked, os.path.abspath(self.asked.dest)
        if asked.layout == "link":
            return Place(dest, asked.link, asked.keep_for)
        from initkit.steps.git.publish.plain import Plain  # noqa: PLC0415 - not needed for most

        record = self.record_file().path if asked.record else ""
        return Plain(dest, record, timed=asked.mtime == "commit")

    def unobstructed(self) -> Layout:
        """The layout, once nothing that is not ours stands in its way, nor in the record's.

        Raises:
            InitkitError: something does.
        """
        layout = self.layout()
        layout.refuse_strangers()
        if self.asked.record:
            self.record_file().refuse(layout, os.path.abspath(self.asked.dest))
        return layout

    def shown(self) -> str:
        """The commit that was published before by these options; empty where none was."""
        asked, record = self.asked, self.layout().published()
        if record is None or (record.repository, record.ref) != (str(asked.repository), asked.ref):
            return ""
        return record.sha if record.key == self.key(record.sha) else ""

    def record_file(self) -> RecordFile:
        """The file that ``--record`` names."""
        from initkit.steps.git.publish.record import RecordFile  # noqa: PLC0415 - only where it is asked for

        return RecordFile(os.path.abspath(self.asked.record))

    def record(self, sha: str, context: Context) -> Record:
        """The record of what is published now."""
        from initkit.steps.git.publish.record import Record  # noqa: PLC0415 - not needed for --help

        asked, now = self.asked, round(context.clock.wall())
        return Record(self.key(sha), str(asked.repository), asked.ref, sha, asked.subpath, asked.link, now)

    def told(self, layout: Layout, record: Record) -> bytes:
        """What is to stand in that file."""
        from initkit.steps.git.publish.record import told  # noqa: PLC0415 - as above

        return told(record, repository=str(self.asked.repository), ref=self.asked.ref, path=layout.path)

    def teller(self) -> Teller | None:
        """Who has ``--exec`` told, where there is one."""
        if self.asked.exec_ is None:
            return None
        from initkit.steps.git.staying.telling import Teller  # noqa: PLC0415 - only where there is a command

        return Teller.of(self.asked.exec_, self.asked.exec_timeout, self.layout())

    @contextmanager
    def reached(
        self, context: Context, keep_open: tuple[int, ...] = (), remote: Remote | None = None
    ) -> Iterator[Program]:
        """The program for the repository, or for another remote on the same errand, for as long as the block lasts."""
        from initkit.steps.git.access.access import reaching  # noqa: PLC0415 - not needed for --help
        from initkit.steps.git.calling.program import Program  # noqa: PLC0415 - as above
        from initkit.steps.git.content.caps import largest_file  # noqa: PLC0415 - as above

        home = self.asked.repository
        with reaching(remote or home, self.asked, context, home=home if remote else None) as access:
            yield Program(remote or home, access, context, keep_open, largest=largest_file(self.asked.max_size))

    def spoken(self, sha: str) -> str:
        """What is published, for people."""
        return sha[:_SHOWN] if is_sha(self.asked.ref) else f"{self.asked.ref} at {sha[:_SHOWN]}"

    def facts(self, sha: str) -> dict[str, object]:
        """What is published, for programs."""
        asked = self.asked
        return {"repository": str(asked.repository), "ref": asked.ref, "sha": sha, "path": self.layout().path}


def shown(sha: str) -> str:
    """As much of a SHA as people read."""
    return sha[:_SHOWN]


def digest(*words: str) -> str:
    """Twelve digits for some words."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and --help needs none of it

    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:12]


@contextmanager
def file_system(dest: str) -> Iterator[None]:
    """Turn what a file system refuses into an error of ours.

    Raises:
        InitkitError: it refused something.
    """
    try:
        yield
    except OSError as error:
        from initkit.steps.git.calling.failures import from_os  # noqa: PLC0415 - only where something failed

        raise from_os(f"publish in {dest}", error) from error
