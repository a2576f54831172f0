"""Bodies in a bounded size: of answers as they come in and unpacked, and of requests from files."""

from __future__ import annotations

import os
import re
import stat
import zlib
from typing import Protocol

from initkit.core.errors import PermanentError
from initkit.core.readable import unreadable, unusable
from initkit.core.record import Record

_CHUNK = 16 * 1024  # bytes
_LARGEST_FILE = 16 * 1024 * 1024  # bytes
_EITHER = 32 + zlib.MAX_WBITS  # gzip or zlib, as its first bytes say
_CHARSET = r"(?i)charset\s*=\s*[\"']?([\w.-]+)"
# no other codecs: some of Python's take quadratic time, or are none of text
_TEXT = r"(?i)(?:utf|us-ascii|ascii|iso-8859|iso8859|latin|windows-|cp\d|koi8|gb|big5|euc|shift)[\w.-]*"


class Readable(Protocol):
    """What a body is read from: urllib3's response."""

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """Some more, packed as it came; nothing at the end."""
        ...


class Body(Record):
    """The body of an answer, or its beginning.

    Attributes:
        content: unpacked.
        is_whole: whether that is all of it.
    """

    content: bytes
    is_whole: bool

    def text(self, content_type: str) -> str:
        """As text, in the charset of a Content-Type header or else in UTF-8."""
        match = re.search(_CHARSET, content_type)
        charset = match[1] if match and re.fullmatch(_TEXT, match[1]) else "utf-8"
        try:
            return self.content.decode(charset, "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")


def read_body(source: Readable, encoding: str, limit: int) -> Body:
    """Read until the end, or until there are `limit` bytes, packed or unpacked.

    Args:
        source: what to read from.
        encoding: the Content-Encoding header (RFC 9110, section 8.4).
        limit: how many bytes are kept.

    Raises:
        ValueError: it is packed in a way that is not known, or not packed as it says.
        EOFError: it breaks off.
    """
    unpacker = _unpacker(encoding)
    kept, heard = bytearray(), 0
    while len(kept) <= limit and heard <= limit:
        packed = source.read(_CHUNK, decode_content=False)
        if not packed:
            if not unpacker.is_complete:
                raise EOFError
            return Body(bytes(kept), is_whole=True)
        heard += len(packed)
        kept += unpacker.unpack(packed, limit + 1 - len(kept))
    return Body(bytes(kept[:limit]), is_whole=False)


class _Plain:
    is_complete = True

    def unpack(self, packed: bytes, _most: int) -> bytes:
        return packed


class _Deflated:
    """gzip (RFC 1952), of one or several members, and deflate: in zlib's frame (RFC 1950) or, as some do it, bare."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_EITHER)
        self._began = False

    @property
    def is_complete(self) -> bool:
        return self._inflater.eof or not self._began

    def unpack(self, packed: bytes, most: int) -> bytes:
        found = b""
        while packed and len(found) < most:
            if self._inflater.eof:
                self._inflater = zlib.decompressobj(_EITHER)
            found += self._inflated(packed, most - len(found))
            packed = self._inflater.unused_data
        return found

    def _inflated(self, packed: bytes, most: int) -> bytes:
        first, self._began = not self._began, True
        try:
            return self._inflater.decompress(packed, most)
        except zlib.error:
            if not first:
                raise ValueError("its body is not packed as it says") from None
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            return self._inflater.decompress(packed, most)
        except zlib.error:
            raise ValueError("its body is not packed as it says") from None


def _unpacker(encoding: str) -> _Plain | _Deflated:
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if not names:
        return _Plain()
    if len(names) > 1 or names[0] not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError(f"its body is packed as {', '.join(names)[:40]}, which was not asked for")
    return _Deflated()


def read_file(path: str) -> bytes:
    """The body of a request.

    Raises:
        SuspectError: the file is missing, may not be read, or is none; it may be mounted late.
        TemporaryError: the system cannot read it just now.
        PermanentError: it is larger than 16 MiB.
    """
    task, mend = f"read {path}", "mend --body-file"
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe's other end may never come
        with open(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise unusable(task, "it is no file", mend)
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise unreadable(error, task, mend) from error
    if len(content) > _LARGEST_FILE:
        raise PermanentError(task, "it is larger than 16 MiB", mend)
    return content
