"""Whom a credential is meant for: scheme, host and port of a URL (RFC 6454, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from initkit.steps.git.asked.remote import Remote

WEB = ("https", "http")  # the schemes for which there are credentials of HTTP
_PORTS = {"https": 443, "http": 80}


def origin_of(remote: Remote) -> str:
    """``SCHEME://HOST:PORT`` in lower case, with the port always written; only for http and https."""
    parts = urlsplit(remote.url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS[parts.scheme]}"


def same_origin(one: Remote, other: Remote) -> bool:
    """Whether what is meant for the one may be given to the other; never outside http and https."""
    return one.scheme in WEB and other.scheme in WEB and origin_of(one) == origin_of(other)
