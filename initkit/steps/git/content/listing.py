"""What a commit would write, read as a stream before anything of it is written; how it is written is in `checkout`."""

from __future__ import annotations

import re
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.printable import printable
from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from initkit.steps.git.content.caps import Caps

FEW = 20  # files with attributes
_AT_ONCE = 4096  # records: one regular expression for all of them costs a tenth of one for each
_LONGEST_NAME = 255  # bytes: NAME_MAX of Linux
_LONGEST_PATH = 3072  # bytes: of Linux's 4,096 (PATH_MAX) the rest is left for the folder that it is published in
_DEEPEST = 200  # folders in each other: what walks a tree, here or in a later step, may go into itself for each
# not compiled yet: --help needs none of them, and `re` remembers what it compiled
_SIZE = rb"\0[0-7]{6} blob [0-9a-f]+ +([0-9]+)\t"
_ATTRIBUTES = rb"\0[0-7]{6} blob ([0-9a-f]+) +[0-9BAD]+\t((?:[^\0]*/)?\.gitattributes)(?=\0)"
_MISSING = rb"\0[0-7]{6} blob ([0-9a-f]+) +BAD\t"

# what HFS+ leaves out of a name, in UTF-8; NTFS leaves out blanks and dots at the end and what follows a colon
_IGNORED = rb"(?:\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf)*"
_GIT = rb"(?:" + _IGNORED + _IGNORED.join((rb"\.", rb"g", rb"i", rb"t")) + _IGNORED + rb"|git~1)"
# without any of these, in ASCII, there is no hostile name: to look for them costs a tenth of the expression
_TELLTALES = (b"~", b"\\", b"/.", b"\t.", b"//", b"/\0", b"\t/", b"\t\0")
_HOSTILE = rb"(?i)(?:\A|[/\\])" + _GIT + rb"[ .]*(?:\Z|[/\\:])|(?:\A|/)\.{0,2}(?:\Z|/)"


class Tally(Record):
    """What was listed.

    Attributes:
        entries: files, links, submodules and folders.
        size: bytes of all files whose size is known.
        links: symbolic links.
        modules: submodules.
        attributes: the first few files with attributes of others (gitattributes(5)): object name and path.
        missing: the names of blobs that are not in the store.
    """

    entries: int = 0
    size: int = 0
    links: int = 0
    modules: int = 0
    attributes: tuple[tuple[bytes, bytes], ...] = ()
    missing: tuple[str, ...] = ()


def survey(task: str, records: Generator[bytes, None, None], caps: Caps, *, weighing: bool = True) -> Tally:
    """Count what ``ls-tree -r -t -z -l`` prints, and stop at the first thing that may not be written.

    Memory stays small, whatever is listed: a tree of ten levels, each ten times the same, has ten thousand million
    files in a pack of a few hundred bytes.

    Args:
        task: for the message.
        records: the listing; it is closed.
        caps: the limits; nothing is counted in them.
        weighing: whether sizes matter.

    Raises:
        PermanentError: it is more than `caps` allow, or has a name that leads elsewhere.
    """
    tally = Tally()
    with closing(records):
        while batch := list(islice(records, _AT_ONCE)):
            text = b"\0".join((b"", *batch, b""))  # a NUL stands before each record, after it, and nowhere else
            _refuse_names(task, batch, text)
            tally = _added(tally, len(batch), text)
            caps.check(task, tally.entries, tally.size if weighing else 0)
    return tally


def _added(tally: Tally, entries: int, text: bytes) -> Tally:
    missing = re.findall(_MISSING, text) if b" BAD\t" in text else ()
    attributes = re.findall(_ATTRIBUTES, text) if b".gitattributes\0" in text else ()
    return Tally(
        tally.entries + entries,
        tally.size + sum(map(int, re.findall(_SIZE, text))),
        tally.links + text.count(b"\x00120000 "),
        tally.modules + text.count(b"\x00160000 "),
        (*tally.attributes, *attributes)[:FEW],
        tally.missing + tuple(name.decode() for name in missing),
    )


def _refuse_names(task: str, batch: list[bytes], text: bytes) -> None:
    """Git refuses most of them by itself; this is the second lock."""
    plain = text.isascii() and max(map(len, batch)) <= _LONGEST_NAME
    if plain and not any(sign in text for sign in _TELLTALES):
        return
    for record in batch:
        path = path_of(record)
        wrong = _wrong(path)
        if wrong:
            name = printable(path)
            raise PermanentError(task, f"its name {name} {wrong}", "have it taken out of the repository")


def _wrong(path: bytes) -> str:
    if re.search(_HOSTILE, path):
        return "leads elsewhere or is git's own"
    if len(path) > _LONGEST_PATH or max(map(len, path.split(b"/"))) > _LONGEST_NAME:
        return "is too long"
    return "has too many folders in each other" if path.count(b"/") > _DEEPEST else ""


def path_of(record: bytes) -> bytes:
    """The path in a record of ``ls-tree``."""
    return record.partition(b"\t")[2]


def picked(records: Iterable[bytes], paths: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The records of some paths, and of attributes and the list of submodules: they count without being written.

    Args:
        records: what ``ls-tree -r`` prints.
        paths: in the same order, which is that of the index too: by the bytes of the whole path.
    """
    wanted = next(paths, None)
    for record in records:
        path = path_of(record)
        while wanted is not None and wanted < path and not record.startswith(b"04"):
            wanted = next(paths, None)
        if path in (wanted, b".gitmodules") or is_attributes(record):
            yield record


def is_attributes(record: bytes) -> bool:
    """Whether it is a file with attributes for other files (gitattributes(5))."""
    return record.endswith((b"/.gitattributes", b"\t.gitattributes")) and record.startswith(b"100")
