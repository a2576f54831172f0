"""What is wrong with a URL before anybody takes it apart, told without its password."""

from __future__ import annotations

import re

from initkit.core.redact import MASK, redact

_ADVICE = "in a password write / as %2F, ? as %3F, # as %23, @ as %40"
_PORT = re.compile(r"\d{1,5}(?:[/?#]|$)")


def shown_wrong(text: str) -> str:
    """What stands where a URL should, for the message that it is none: without anything that may be a password."""
    scheme, colon, rest = text.partition(":")
    before, at, host = rest.rpartition("@")
    slashes = rest[: len(rest) - len(rest.lstrip("/"))]
    if before:
        return redact(f"{scheme}:{slashes}{MASK}{at}{host}")
    name, colon_, port = rest.lstrip("/").partition(":")
    if colon_ and not name.startswith("[") and not _PORT.match(port):  # the @ may not be there yet
        rest = f"{slashes}{name}:{MASK}"
    return redact(f"{scheme}{colon}{rest}")


def check_text(text: str, expected: str) -> None:
    """Refuse what no server can be told.

    Args:
        text: a URL.
        expected: what it should be, for the message.

    Raises:
        ValueError: it holds bytes that are not UTF-8, which Python keeps as surrogates (PEP 383).
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"expected {expected}, got bytes that are not UTF-8") from None


def check_userinfo(text: str, expected: str, *, among: str = "/?#") -> None:
    """Refuse a password whose signs are not percent-encoded: whoever takes the URL apart would see a host in it.

    Args:
        text: a URL.
        expected: what it should be, for the message.
        among: behind which signs an @ is no part of a path or query, but of such a password.

    Raises:
        ValueError: an @ stands where none can (RFC 3986, section 3.2.1).
    """
    rest = text.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    behind = rest[len(authority) :]
    is_hidden = "@" not in authority and "@" in behind and behind[:1] in among
    if authority.count("@") > 1 or is_hidden:
        raise ValueError(f"expected {expected}, got {shown_wrong(text)!r}; {_ADVICE}")
