"""Nothing secret in anything that is printed: by the shape of the text, and by values known to be secret.

How a known value may be written is the concern of `core.writings`; where secrets are read from that of `core.secrets`
and of whoever parses an address.

Every pattern takes linear time, for a text may be anything. Patterns are text here: `re` compiles them once there is
something that they are about, and most runs never meet it.
"""

from __future__ import annotations

import re
import threading

MASK = "***"
_REMEMBERED = 3  # values of one place, the last ones: what is under way may still hold the one before
_SHORTEST = 4  # characters: a shorter known value would blank out half of every sentence
# values that a variable or option with a secret's name may have without being one: SERVICE_ACCOUNT_TOKEN=false
_EVERYDAY = {"true", "false", "none", "null", "enabled", "disabled", "default", "required", "always", "never"}

# names whose value is a secret: of a query parameter, a libpq keyword, a variable, a key in JSON
_WORDS = ("pass", "pwd", "secret", "token", "credential", "signature", "key", "auth", "sig", "code", "cookie", "pw")
_NAME = (
    r"(?:[\w.-]*(?:password|passwd|passphrase|secret|token|credential|signature|(?:api|access|private)[_-]?key)s?"
    r"|(?:[\w.-]*[._-])?(?:pass|pwd))"
)
_MASKED = r"(?!\*\*\*)"  # what is masked stays as it is: text may pass here twice
_USERINFO = r"://(?P<userinfo>[^\s/?#]*)@"
# a raw space or slash in a password is wrong, and people write it; digits are rather a port
_RAW_USERINFO = (
    r"(?P<user>://[^\s/?#:@]*:)(?!\d{1,5}(?:[^\w@]|$))(?P<password>[^\n]{1,200}?)@(?=[\w\[.-]+[:/?\s'\"]|[\w.-]+$)"
)
_QUERY = rf"(?i)(?P<name>[?&;](?:{_NAME}|auth|sig|key|code|pw)=){_MASKED}[^&;#\s'\"]+"
_QUOTED = (
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\""  # closed
    r"|\\+'[^'\n]*+'?|\\+\"[^\"\n]*+\"?"  # within something that is quoted itself
    r"|['\"][^\n]*+"  # cut off
)
_KEYWORD = rf"(?is)(?P<name>(?<![\w.-]){_NAME}[ \t]*=(?!=)[ \t]*){_MASKED}(?P<value>{_QUOTED}|\S+)"
_ENTRY = rf"(?is)(?P<name>['\"]{_NAME}\\*['\"]\s*:\s*)(?P<quote>\\*['\"]){_MASKED}(?P<value>(?:(?!['\"])[^\\]|\\.)*)"
_HEADER = (
    r"(?i)(?P<name>(?<![\w-])(?:"
    r"(?:proxy-)?authorization\\*['\"]?\s*[:=]\s*\\*['\"]?(?:(?:basic|bearer|digest|negotiate|token)\s+)?"
    r"|x-(?=[\w-]*(?:token|key|secret|auth))[\w-]*+\\*['\"]?\s*:\s*\\*['\"]?"
    # alone they are also words: a credential has digits, padding, or capitals within
    r"|(?:basic|bearer)\s+(?=\S{8})(?=\S*?(?:[\d=]|(?-i:[a-z][A-Z])))"
    rf")){_MASKED}(?P<value>[^\s'\",\\]+)"
)
_DIGEST = rf"(?i)(?P<name>authorization\s*[:=]\s*digest\s+){_MASKED}(?:[\w-]+=(?:\"[^\"\n]*+\"|[^\s,\"]++),?[ \t]*)+"
_COOKIE = rf"(?i)(?P<name>\b(?:set-)?cookie\\*['\"]?\s*:\s*\\*['\"]?){_MASKED}[^\s'\",;\\]+(?:;\s*[^\s'\",;\\]+)*"
_SECRET_WORDS = ("secret", "token", "credential", "password", "apikey", "accesskey", "privatekey")
_NO_SECRETS = {"pwd", "oldpwd"}  # a shell's working directories
_SECRET_ENDINGS = ("pass", "passwd", "passphrase", "pwd")


def is_secret_name(name: str) -> bool:
    """Whether a variable's name says that its value is secret; every variable is asked at every start."""
    plain = name.lower().replace("_", "")
    if plain in _NO_SECRETS:
        return False
    return plain.endswith(_SECRET_ENDINGS) or any(word in plain for word in _SECRET_WORDS)


def redact(text: str) -> str:
    """`text` without secrets.

    Known values (`learn`) go in whatever way they are written: as they are, percent-encoded, escaped as JSON, Python,
    SQL or libpq do, in base64. Of the rest go: userinfo of URLs (RFC 3986, section 3.2.1; a user's name alone may
    stay), query parameters, libpq's keywords, entries of JSON and headers whose names say that they are secret.
    """
    text = KNOWN.mask(text)
    if "://" in text and "@" in text:
        text = re.sub(_USERINFO, _without_password, text)
        text = re.sub(_RAW_USERINFO, rf"\g<user>{MASK}@", text)
    lowered = text.lower()
    return _by_name(text) if any(word in lowered for word in _WORDS) else _without_header(text)


def _by_name(text: str) -> str:
    if "=" in text:
        text = re.sub(_QUERY, rf"\g<name>{MASK}", text)
        text = re.sub(_KEYWORD, _without_value, text)
    if ":" in text:
        text = re.sub(_ENTRY, rf"\g<name>\g<quote>{MASK}", text)
        text = re.sub(_COOKIE, rf"\g<name>{MASK}", text)
        text = re.sub(_DIGEST, rf"\g<name>{MASK}", text)
    return _without_header(text)


def _without_header(text: str) -> str:
    lowered = text.lower()
    if any(word in lowered for word in ("authorization", "x-", "basic", "bearer")):
        text = re.sub(_HEADER, rf"\g<name>{MASK}", text)
    return text


def _without_password(match: re.Match[str]) -> str:
    user, colon, _ = match["userinfo"].partition(":")
    # a token often stands alone in the user's place: https://ghp_…@host
    before = match.string[max(0, match.start() - 5) : match.start()].lower()
    alone = not colon and before.endswith(("http", "https"))
    return f"://{MASK if alone else user}{':' + MASK if colon else ''}@"


def _without_value(match: re.Match[str]) -> str:
    value = match["value"]
    # what closes a sentence or a call is no part of a bare value
    tail = "" if value[0] in "'\"\\" else value[len(value.rstrip("'\")],;")) :]
    return match["name"] + MASK + tail


def _is_everyday(value: str) -> bool:
    """Whether masking it everywhere would spoil what has nothing to do with it."""
    return len(value) < _SHORTEST or value.lower() in _EVERYDAY


class KnownSecrets:
    """Values that are secret whatever stands around them."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._renewed: dict[str, list[set[str]]] = {}  # by place, the newest last
        self._pattern: re.Pattern[str] | None = None
        self._base64: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def learn(self, value: str, *, place: str = "") -> None:
        """Mask `value` from now on; also in its percent-decoded form. Very short values are left to the patterns.

        Args:
            value: what is secret.
            place: where it is read anew again and again, if so. Only the last few values that stood there are masked:
                each takes some 100 KB and time, and a token may be renewed every hour.
        """
        forms = {form for form in (value, _decoded(value)) if not _is_everyday(form)}
        with self._lock:
            if forms <= self._values:
                return
            if place:
                self._renew(place, forms)
            else:
                self._values |= forms
                self._pattern = None

    def _renew(self, place: str, forms: set[str]) -> None:
        before = self._renewed.get(place, [])
        if forms not in before:
            self._pattern = None
            re.purge()  # else `re` keeps the large patterns of before
        self._renewed[place] = [*(one for one in before if one != forms), forms][-_REMEMBERED:]

    def forget(self) -> None:
        """Know nothing any more."""
        with self._lock:
            self._values.clear()
            self._renewed.clear()
            self._pattern = None

    def mask(self, text: str) -> str:
        """`text` with every known value replaced."""
        with self._lock:
            if not self._values and not self._renewed:
                return text
            from initkit.core import writings  # noqa: PLC0415 - only where something is secret

            if self._pattern is None:
                values = self._values.union(*(one for place in self._renewed.values() for one in place))
                self._pattern = writings.any_of(values)
                self._base64 = frozenset().union(*map(writings.in_base64, values))
            pattern, base64 = self._pattern, self._base64
        return writings.mask_base64(pattern.sub(MASK, text), base64, MASK)


def _decoded(value: str) -> str:
    if "%" not in value:
        return value
    from urllib.parse import unquote  # noqa: PLC0415 - 2 ms that few values need

    return unquote(value)


KNOWN = KnownSecrets()
learn = KNOWN.learn
