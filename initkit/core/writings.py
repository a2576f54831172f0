"""All the ways in which one value may be written: percent-encoded, escaped as JSON, Python, SQL or libpq do, in base64.

What is done with what is found belongs to `core.redact`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST = 4  # characters: fewer stand in every other word
_RUN = re.compile(r"[A-Za-z0-9+/_-]{4,}={0,2}")
# JSON, Python and libpq put backslashes before characters, twice as many where they quote what was quoted. They are
# taken all at once and for good: a choice of how many would take exponential time.
_BACKSLASHES = r"(?:\\|%5[cC])*+"
_FIRST = r"(?<!\\)(?<!%5[cC])"
_LETTERS = {"\n": "n", "\t": "t", "\r": "r", "\b": "b", "\f": "f"}
_OTHERS = {" ": [r"\+"], "&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], '"': ["&quot;"], "'": ["&#39;", "&#x27;"]}


def any_of(values: Iterable[str]) -> re.Pattern[str]:
    """What finds each of `values` in whatever way its characters are escaped; the longest where several begin."""
    longest_first = sorted(values, key=len, reverse=True)
    backslashes = [form for value in longest_first if _is_backslashes(value) for form in _doubled_backslashes(value)]
    writings = [_writing(value) for value in longest_first if not _is_backslashes(value)]
    escaped = [f"{_FIRST}{_BACKSLASHES}(?:{'|'.join(writings)})"] if writings else []
    return re.compile("|".join([*map(re.escape, backslashes), *escaped]))


def _is_backslashes(value: str) -> bool:
    """Whether so little is left without its backslashes that it would be found everywhere."""
    return len(value.replace("\\", "")) < _SHORTEST


def _doubled_backslashes(value: str) -> list[str]:
    escaped = [value.replace("\\", "\\" * times) for times in (4, 2, 1)]
    return [*escaped, value.replace("\\", "%5C"), value.replace("\\", "%5c")]


def _writing(value: str) -> str:
    bare = value.replace("\\", "")
    # SQL and CSV double their quotes
    runs = [match[0] for match in re.finditer(r"(['\"])\1*|[^'\"]", bare, re.DOTALL)]
    written = [_once(run) if len(run) == 1 and run not in "'\"" else _doubled(run) for run in runs]
    return _BACKSLASHES.join(written) + (_BACKSLASHES if value.endswith("\\") else "")


def _doubled(quotes: str) -> str:
    one, count = _once(quotes[0]), len(quotes)
    # not possessive: before Python 3.11.5 that goes wrong where a group can be matched in several ways (gh-106052)
    more = f"(?:{_BACKSLASHES}{one}){{{count - 1},{count * 2 - 1}}}"
    return one + more


def _once(character: str) -> str:
    octets, code = _octets(character), ord(character)
    forms = [
        re.escape(character),
        "".join(rf"%(?i:{octet:02x})" for octet in octets),
        *_OTHERS.get(character, []),
        rf"(?<=\\)(?:{'|'.join(_escapes(octets, code, _LETTERS.get(character)))})",
    ]
    return f"(?:{'|'.join(forms)})"


def _escapes(octets: bytes, code: int, letter: str | None) -> Iterable[str]:
    """What may follow the backslash of an escape."""
    yield rf"u(?i:{code:04x})" if code <= 0xFFFF else _surrogates(code)  # noqa: PLR2004 - the basic plane
    yield rf"U(?i:{code:08x})"
    yield r"\\++".join(rf"x(?i:{octet:02x})" for octet in octets)
    yield r"\\++".join(f"{octet:03o}" for octet in octets)
    if 0x80 <= code <= 0xFF:  # noqa: PLR2004 - Latin-1
        yield rf"x(?i:{code:02x})"
    if letter:
        yield letter


def _surrogates(code: int) -> str:
    high, low = divmod(code - 0x10000, 0x400)
    return rf"u(?i:{0xD800 + high:04x})\\++u(?i:{0xDC00 + low:04x})"


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no octet
        return text.encode("utf-8", "surrogatepass")


def in_base64(value: str) -> set[str]:
    """What `value` looks like inside base64, at each of the three alignments, without the characters that it shares."""
    import base64  # noqa: PLC0415 - 1 ms that a run without secrets does not need

    octets = _octets(value)
    found = set()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + octets).decode().rstrip("=")
        middle = encoded[(0, 2, 3)[shift] : (shift + len(octets)) * 8 // 6]
        if len(middle) >= _SHORTEST:
            found.add(middle)
    return found


def mask_base64(text: str, middles: Iterable[str], mask: str) -> str:
    """`text` with each word replaced that is base64, of either alphabet (RFC 4648), and holds one of `middles`."""
    present = [middle for middle in middles if middle in _standard(text)]
    if not present:
        return text

    def masked(match: re.Match[str]) -> str:
        word = _standard(match[0])
        return mask if any(middle in word for middle in present) else match[0]

    return _RUN.sub(masked, text)


def _standard(text: str) -> str:
    return text.replace("-", "+").replace("_", "/")
