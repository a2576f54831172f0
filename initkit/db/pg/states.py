"""SQLSTATEs of logins that a server refuses: how libpq is made to tell them; what they mean is not known here.

A server words its reasons in its own language, and libpq gives those of a login as text only. Asked to be verbose, it
writes the code into that text: https://www.postgresql.org/docs/current/libpq-control.html#LIBPQ-PQSETERRORVERBOSITY
"""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from initkit.core.printable import printable
from initkit.core.record import Record

if TYPE_CHECKING:
    import ctypes

    from psycopg.pq.abc import PGconn

_DEFAULT, _VERBOSE = 1, 2  # PGVerbosity of libpq-fe.h
# pqBuildErrorMessage3 in libpq's fe-protocol3.c: severity, two blanks, code, message; the severity is translated too
_CODED = re.compile(r"[^\n:]+:  ([0-9A-Z]{5}): ([^\n]*)((?:\n(?!connection to server )[^\n]*)*)")
_FRAMED = re.compile(r"connection to server .*? failed: (.*)")
_PLAIN = re.compile(r"[^\n:]{1,40}:  (?=\S)")
_DETAIL = re.compile(r"^DETAIL:  (.*)$", re.MULTILINE)
_LOCATION = re.compile(r"^LOCATION:  (\w+), ", re.MULTILINE)


class Said(Record):
    """What was said when a login failed.

    Attributes:
        cause: the reason, in the server's or libpq's words; one line, printable, not endless.
        state: the SQLSTATE; empty where libpq itself gave up, or does not tell it.
        function: the server's function that refused, as its source code calls it; empty where it is not told.
    """

    cause: str
    state: str = ""
    function: str = ""


def tell_states(pgconn: PGconn) -> None:
    """Have a connection that was begun tell SQLSTATEs; without effect where libpq cannot be reached by its C names."""
    _set_verbosity(pgconn, _VERBOSE)


def tell_plainly(pgconn: PGconn) -> None:
    """Have it word its errors as usual again."""
    _set_verbosity(pgconn, _DEFAULT)


def _set_verbosity(pgconn: PGconn, verbosity: int) -> None:
    library, pointer = _libpq(), getattr(pgconn, "pgconn_ptr", None)
    if library is not None and pointer is not None:
        library.PQsetErrorVerbosity(pointer, verbosity)


@cache
def _libpq() -> ctypes.CDLL | None:
    """The very libpq that psycopg calls: another one would not know its connections."""
    import ctypes  # noqa: PLC0415 - psycopg has loaded it, and only a database needs it

    from psycopg import pq  # noqa: PLC0415 - the driver is loaded when a database is met

    try:
        library: Any = ctypes.CDLL(_path())
        if library.PQlibVersion() != pq.version():
            return None
        library.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
    except (OSError, AttributeError, TypeError, LookupError, ImportError):  # not where psycopg usually has it
        return None
    return library  # type: ignore[no-any-return]


def _path() -> str | None:
    from psycopg import pq  # noqa: PLC0415 - loaded already

    if pq.__impl__ == "python":
        from psycopg.pq.misc import find_libpq_full_path  # noqa: PLC0415 - loaded already

        return find_libpq_full_path()
    # a symbol is also looked for in what a library depends on (dlsym(3)), here the extension module on its libpq
    return sys.modules[pq.PGconn.__module__].__file__


def read(message: bytes) -> Said:
    """What libpq's error message says; where several connections were tried (sslmode, gssencmode), the first refusal.

    libpq frames it as ``connection to server at "db" (10.0.0.7), port 5432 failed: FATAL:  28P01: the reason``, and
    adds lines of its own.
    """
    text = _decoded(message)
    if coded := _CODED.search(text):
        detail, location = _DETAIL.search(coded[3]), _LOCATION.search(coded[3])
        cause = f"{coded[2]} ({detail[1]})" if detail else coded[2]
        return Said(printable(cause), coded[1], location[1] if location else "")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    framed = [match[1] for match in map(_FRAMED.search, lines) if match]
    return Said(printable(_PLAIN.sub("", (framed or lines or ["no reason was given"])[-1], count=1)))


def _decoded(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:  # the server speaks in the encoding of its lc_messages as long as it knows none of ours
        return message.decode("latin-1")
