"""Nothing secret in anything that is printed: by the shape of the text, and by values known to be secret.

Where secrets are read from is the concern of `core.secrets` and of whoever parses an address.
"""

from __future__ import annotations

import base64
import re
import threading
from urllib.parse import unquote

MASK = "***"
_SHORTEST = 4  # characters: a shorter known value would blank out half of every sentence

# words whose value is a secret, as a query parameter, a libpq keyword, a header or a variable's name
_WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|[\w.-]*(?:password|passwd|passphrase|secret|token|credential|signature)s?|sslpassword"
    r"|api[_-]?key|access[_-]?key|private[_-]?key"
)
_USERINFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<userinfo>[^\s/?#]*)@", re.IGNORECASE)
_SPACED_USERINFO = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://[^\s/?#:@]*:)(?P<password>[^\n]{1,200}?)@(?=[\w\[.-]+[:/?\s'\"]|[\w.-]+$)",
    re.IGNORECASE,
)
_QUERY = re.compile(rf"(?P<name>[?&;](?:{_WORDS}|auth|sig|key|code)=)[^&;#\s'\"]*", re.IGNORECASE)
_KEYWORD = re.compile(
    rf"(?P<name>(?<![\w-])(?:{_WORDS})\s*=\s*)(?P<value>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|[^\s,;&)'\"]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<name>\b(?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|digest|negotiate|token)\s+)?"
    r"|\b(?:set-)?cookie['\"]?\s*:\s*|\bx-[\w-]*(?:token|key|secret|auth)[\w-]*['\"]?\s*:\s*['\"]?|\b(?:basic|bearer)\s+(?=\S{8}))"
    r"(?P<value>[^\s'\",]+)",
    re.IGNORECASE,
)
SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase|file)?$|pwd$|secret|token|credential|api_?key|access_?key|private_?key", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` without secrets.

    Known values (`learn`) go in whatever way they are written: as they are, percent-encoded, escaped as JSON, Python,
    SQL or libpq do, in base64. Of the rest go: userinfo of URLs (RFC 3986, section 3.2.1; a user's name alone may
    stay), query parameters, libpq's keywords and headers whose names say that they are secret.
    """
    text = KNOWN.mask(text)
    if "://" in text:
        text = _USERINFO.sub(_without_password, text)
        text = _SPACED_USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    if "=" in text:
        text = _QUERY.sub(rf"\g<name>{MASK}", text)
        text = _KEYWORD.sub(rf"\g<name>{MASK}", text)
    return _HEADER.sub(rf"\g<name>{MASK}", text)


def _without_password(match: re.Match[str]) -> str:
    user, colon, _ = match["userinfo"].partition(":")
    # a token often stands alone in the user's place: https://ghp_…@host
    alone = not colon and match["scheme"].lower().startswith("http")
    return f"{match['scheme']}{MASK if alone else user}{':' + MASK if colon else ''}@"


class KnownSecrets:
    """Values that are secret whatever stands around them."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def learn(self, value: str) -> None:
        """Mask `value` from now on; also in its percent-decoded form. Very short values are left to the patterns."""
        with self._lock:
            for form in {value, unquote(value)}:
                if len(form) >= _SHORTEST:
                    self._values.add(form)
            self._pattern = None

    def forget(self) -> None:
        """Know nothing any more."""
        with self._lock:
            self._values.clear()
            self._pattern = None

    def mask(self, text: str) -> str:
        """`text` with every known value replaced."""
        if not self._values:
            return text
        with self._lock:
            if self._pattern is None:
                longest_first = sorted(self._values, key=len, reverse=True)
                self._pattern = re.compile("|".join(_any_writing(value) for value in longest_first))
            pattern = self._pattern
        return pattern.sub(MASK, text)


def _any_writing(value: str) -> str:
    """A pattern for `value` however it is escaped, or within base64."""
    return "|".join(["".join(_any_character(c) for c in value), *_in_base64(value)])


def _any_character(character: str) -> str:
    octets = character.encode("utf-8", "surrogateescape")
    code = ord(character)
    forms = [
        re.escape(character),
        "".join(rf"%(?i:{octet:02x})" for octet in octets),
        rf"\\+u(?i:{code:04x})" if code <= 0xFFFF else _surrogates(code),  # noqa: PLR2004 - the basic plane
        rf"\\+U(?i:{code:08x})",
        "".join(rf"\\+x(?i:{octet:02x})" for octet in octets),
        "".join(rf"\\{octet:03o}" for octet in octets),
    ]
    if code <= 0xFF:  # noqa: PLR2004 - Latin-1
        forms.append(rf"\\+x(?i:{code:02x})")
    short = {"\n": r"\\n", "\t": r"\\t", "\r": r"\\r", " ": r"\+", "'": r"''", "\\": r"\\\\", "&": "&amp;"}.get(
        character
    )
    if short:
        forms.insert(0, short)
    # a backslash may stand before it (JSON, libpq), doubled where the text was quoted twice
    prefix = r"\\{0,3}" if not character.isalnum() else ""
    return f"{prefix}(?:{'|'.join(dict.fromkeys(forms))})"


def _surrogates(code: int) -> str:
    high, low = divmod(code - 0x10000, 0x400)
    return rf"\\+u(?i:{0xD800 + high:04x})\\+u(?i:{0xDC00 + low:04x})"


def _in_base64(value: str) -> list[str]:
    """What `value` looks like inside base64, at each of the three alignments; the characters it shares are left out."""
    octets = value.encode("utf-8", "surrogateescape")
    found = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + octets).decode().rstrip("=")
        start = (0, 2, 3)[shift]
        whole_bits = (shift + len(octets)) * 8 // 6
        middle = encoded[start:whole_bits]
        if len(middle) >= _SHORTEST:
            escaped = re.escape(middle).replace(r"\+", r"(?:\+|-)").replace("/", "[/_]")
            found.append(rf"[A-Za-z0-9+/_-]*{escaped}[A-Za-z0-9+/_=-]*")
    return found


KNOWN = KnownSecrets()
learn = KNOWN.learn
