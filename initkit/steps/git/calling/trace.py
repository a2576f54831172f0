"""What a server answered over HTTP, as far as git does not tell it; what follows from it is known to `failures`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE = 16 << 10  # bytes; what is longer is none of the headers that count
_SENT, _RECEIVED = b"=> Send header:", b"<= Recv header:"
_SMART = "application/x-git-"


class Heard:
    """The last answer's status and headers, and what the last request had; nothing secret is kept.

    git writes the headers (not the content) of each exchange to ``GIT_TRACE_CURL``, credentials left out
    (git(1), ``GIT_TRACE_REDACT``). It comes through a pipe, so nothing of it is ever stored.

    Attributes:
        status: the status code; 0 before any answer.
        authorized: whether the request brought a credential.
        requests: how many there were.
        page: the media type of the first success that git's own protocol does not know, "nothing" where it named none;
            empty where all were as they should be. git takes any such text for the files of a repository.
    """

    def __init__(self) -> None:
        self.status = 0
        self.authorized = False
        self.requests = 0
        self.page = ""
        self._method = ""
        self._is_open = False
        self._headers: dict[str, str] = {}
        self._rest = b""

    def add(self, block: bytes) -> None:
        """Hear one more block of the trace."""
        *lines, rest = (self._rest + block).split(b"\n")
        self._rest = rest if len(rest) <= _LONGEST_LINE else b""
        for line in lines:
            _, sent, request = line.partition(_SENT)
            _, received, answer = line.partition(_RECEIVED)
            if sent and not received:
                self._hear_request(request.decode("latin-1").strip())
            elif received:
                self._hear_answer(answer.decode("latin-1").strip())

    def _hear_request(self, line: str) -> None:
        words = line.split(" ")
        if len(words) == 3 and words[2].startswith("HTTP/"):  # noqa: PLR2004 - RFC 9112, section 3
            self.requests += 1
            self.authorized = False
            self._method = words[0]
        elif line.lower().startswith("authorization:"):
            self.authorized = True

    def _hear_answer(self, line: str) -> None:
        if line.startswith("HTTP/"):
            self._headers = {}
            self._is_open = True
            word = line.split(" ")[1] if " " in line else ""
            self.status = int(word) if word.isascii() and word.isdigit() and len(word) == 3 else 0  # noqa: PLR2004
        elif not line:
            self._is_open = False
            self._look_for_page()
        else:
            name, _, value = line.partition(":")
            if name.lower() in _KEPT:
                self._headers[name.lower()] = value.strip()

    def _look_for_page(self) -> None:
        if self.page or self.status // 100 != 2 or self._method == "CONNECT":  # noqa: PLR2004
            return
        kind = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith(_SMART):
            self.page = kind or "nothing"

    @property
    def is_cut(self) -> bool:
        """Whether the last answer broke off within its headers; libcurl takes what came for all of it."""
        return self._is_open

    @property
    def location(self) -> str:
        """Where the last answer redirects to; empty where it does not."""
        return self._headers.get("location", "") if self.status // 100 == 3 else ""  # noqa: PLR2004

    def retry_after(self, now: float) -> float:
        """Seconds after which the server wants to be asked again (RFC 9110, section 10.2.3); 0 if it did not say.

        Args:
            now: seconds since the epoch; a date is taken by the server's own clock where it tells that (``Date``).
        """
        said = self._headers.get("retry-after", "")
        if said.isascii() and said.isdigit():
            return float(said[:_DIGITS])
        until = _moment(said)
        return max(0.0, until - (_moment(self._headers.get("date", "")) or now)) if until else 0.0


_KEPT = ("content-type", "date", "location", "retry-after")
_DIGITS = 9  # 30 years


def _moment(text: str) -> float:
    """Seconds since the epoch for a date of HTTP; 0 for anything else."""
    if not text:
        return 0.0
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few servers send one

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0


@contextmanager
def hearing() -> Iterator[tuple[int, dict[str, str], int]]:
    """A pipe for the trace: the reading end, the variables that lead git to it, and the end to be inherited."""
    reading, writing = os.pipe()
    try:
        # git takes a descriptor's number only if it has one digit
        variables = {
            "GIT_TRACE_CURL": f"/proc/self/fd/{writing}",
            "GIT_TRACE_CURL_NO_DATA": "1",
            "GIT_TRACE_REDACT": "1",
        }
        yield reading, variables, writing
    finally:
        os.close(reading)
        os.close(writing)
