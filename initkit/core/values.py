"""Types of values that people type, each with its parser; a type that only one kind knows lives in that kind's room."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from initkit.core.options import Parser
from initkit.core.redact import MASK

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)"
_NUMBER = r"\d+(?:\.\d+)?"
_LONGEST = 10 * 365 * 86400.0  # seconds: what a timer of the system can certainly hold


def parse_duration(text: str) -> float:
    """Seconds from ``250ms``, ``1.5s``, ``1h30m`` or a bare number of seconds.

    Raises:
        ValueError: it is no duration, or one longer than ten years.
    """
    stripped = text.strip()
    if re.fullmatch(_NUMBER, stripped):
        seconds = float(stripped)
    else:
        parts = re.findall(_PART, stripped)
        if not parts or "".join(number + unit for number, unit in parts) != stripped:
            raise ValueError(f"expected a duration such as 250ms, 30s or 1h30m, got {text!r}")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise ValueError(f"expected a duration of at most ten years, got {text!r}")
    return seconds


def parse_pause(text: str) -> float:
    """Seconds as `parse_duration` reads them, but more than none.

    Raises:
        ValueError: it is no duration, or 0.
    """
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError(f"expected a duration longer than 0, got {text!r}")
    return seconds


def show_duration(seconds: float) -> str:
    """The shortest exact way to write so many seconds: ``1h30m``, ``1.5s``, ``250ms``."""
    milliseconds = round(seconds * 1000)
    if 0 < milliseconds < _UNITS["s"] * 1000:
        return f"{milliseconds}ms"
    if milliseconds < _UNITS["m"] * 1000:
        return f"{milliseconds / 1000:g}s"
    whole, rest = divmod(milliseconds, 1000)
    text = ""
    for unit in ("d", "h", "m"):
        count, whole = divmod(whole, round(_UNITS[unit]))
        text += f"{count}{unit}" if count else ""
    seconds_left = whole + rest / 1000
    return text + (f"{seconds_left:g}s" if seconds_left else "")


def parse_count(text: str) -> int:
    """A whole number from 0 up.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"\d{1,9}", text.strip()):
        raise ValueError(f"expected a whole number from 0 up, got {text!r}")
    return int(text)


def parse_share(text: str) -> float:
    """A share from ``0.2`` or ``20%``.

    Raises:
        ValueError: it is none, or not from 0 to 1.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share from 0% to 100%, got {text!r}")
    return share


class HostPort(NamedTuple):
    """A host's name or address, without brackets, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        """``host:port``, an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_HOST_PORT = r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s\x00-\x20\x7f:/@\[\]?#]+)):([0-9]{1,5})"
_LONGEST_LABEL = 63  # RFC 1035, section 2.3.4


def parse_host_port(text: str) -> HostPort:
    """Host and port from ``host:port`` or ``[::1]:port``.

    Raises:
        ValueError: it has another form, or the port is not from 1 to 65535.
    """
    match = re.fullmatch(_HOST_PORT, text.strip())
    if not match:
        user, at, host = text.rpartition("@")
        raise ValueError(f"expected host:port, got {(MASK if user else '') + at + host!r}")
    port = int(match[3])
    if not 1 <= port <= 65535:  # noqa: PLR2004 - the 16 bits of RFC 9293
        raise ValueError(f"expected a port from 1 to 65535, got {match[3]}")
    host = match[1] or match[2]
    if not all(0 < len(label) <= _LONGEST_LABEL for label in host.removesuffix(".").split(".")):
        raise ValueError(f"expected a host's name of parts of 1 to 63 characters, got {host!r}")
    return HostPort(host, port)


_SPELLED = rf"\s*({_NUMBER}|({_PART})+)\s*$"
_DURATION = {
    "type": ["string", "number"],
    "pattern": f"^{_SPELLED}",
    "minimum": 0,
    "maximum": _LONGEST,
}
_PAUSE = _DURATION | {"pattern": rf"^(?=.*[1-9]){_SPELLED}", "exclusiveMinimum": 0}
Duration = Annotated[float, Parser("DURATION", parse_duration, show=show_duration, schema=_DURATION)]
Pause = Annotated[float, Parser("DURATION", parse_pause, show=show_duration, schema=_PAUSE)]
Count = Annotated[
    int,
    Parser(
        "NUMBER",
        parse_count,
        schema={"type": ["integer", "string"], "pattern": r"^\s*\d{1,9}\s*$", "minimum": 0, "maximum": 999_999_999},
    ),
]
Share = Annotated[
    float,
    Parser(
        "SHARE",
        parse_share,
        show=lambda share: f"{share * 100:g}%",
        schema={
            "type": ["string", "number"],
            "pattern": r"^\s*(0+(\.\d+)?|0*1(\.0+)?|0*\d{1,2}(\.\d+)?%|0*100(\.0+)?%)\s*$",
            "minimum": 0,
            "maximum": 1,
        },
    ),
]
