"""Names and records of the DNS in the one form in which they are compared; asking for them is not done here."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

RecordType = Literal["A", "AAAA", "CNAME", "SRV", "MX", "NS", "TXT", "PTR"]
TYPES: tuple[RecordType, ...] = get_args(RecordType)
_LONGEST_LABEL = 63  # RFC 1035, section 2.3.4
_LONGEST_NAME = 253  # characters: 255 octets with the length of the first label and the root (same section)
_LARGEST = 65535


def parse_name(text: str) -> str:
    """A domain name as it was written, or an address in its shortest form.

    Raises:
        ValueError: it can be neither.
    """
    address = as_address(text.removeprefix("[").removesuffix("]"))
    if address:
        return address
    shape = text.removesuffix(".")
    if not re.fullmatch(r"[\w*-]+(\.[\w*-]+)*", shape):
        raise ValueError(f"expected a domain name or an address, got {text!r}")
    if not fits(to_ascii(shape)):
        raise ValueError(f"expected a name of at most 253 characters in parts of at most 63, got {text!r}")
    return text


def fits(name: str) -> bool:
    """Whether a message can hold a name in ASCII without the trailing dot."""
    return len(name) <= _LONGEST_NAME and all(0 < len(label) <= _LONGEST_LABEL for label in name.split("."))


def as_address(text: str) -> str:
    """The shortest form of an IP address without a zone; empty where it is none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(ValueError):
            return _address(family)(text)
    return ""


def _address(family: int) -> Callable[[str], str]:
    """The parser of addresses of a family; the module ipaddress would take 5 ms to load."""

    def parse(text: str) -> str:
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, text))
        except (OSError, UnicodeError) as error:
            raise ValueError from error

    return parse


def _any_address(text: str) -> str:
    address = as_address(text)
    if not address:
        raise ValueError
    return address


def reverse_name(address: str) -> str:
    """The name whose PTR record names an address (RFC 1035, section 3.5; RFC 3596, section 2.5), absolute."""
    if ":" in address:
        digits = socket.inet_pton(socket.AF_INET6, address).hex()
        return f"{'.'.join(reversed(digits))}.ip6.arpa."
    return f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa."


def to_ascii(name: str) -> str:
    """A name as name servers have it: an international one by IDNA 2008 with the mapping of UTS 46.

    Raises:
        ValueError: it can be no name.
    """
    if name.isascii():
        return name
    import dns.exception  # noqa: PLC0415 - the tables of international names are loaded when one is met
    import dns.name  # noqa: PLC0415

    codec = dns.name.IDNA2008Codec(uts_46=True, allow_pure_ascii=True)
    try:
        return dns.name.from_text(name, origin=None, idna_codec=codec).to_text()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"expected a domain name, got {name!r}: {str(error).rstrip('.').lower()}") from error


def canonical(kind: RecordType | None, text: str) -> str:
    """An expected value in the form that `found` gives records.

    Names in lower case without the trailing dot, IPv6 addresses in their shortest form, SRV as ``priority weight port
    target``, MX as ``preference name``; TXT stays as it is.

    Args:
        kind: None: an IPv4 or IPv6 address.
        text: as it was written.

    Raises:
        ValueError: a record of this type has another form.
    """
    if kind == "TXT":
        return text
    form, parse = _FORMS.get(kind or "", ("a domain name", _name))
    try:
        return parse(text)
    except ValueError:
        of_type = f" with --type {kind}" if kind else ""
        raise ValueError(f"expected {form}{of_type}, got {text!r}") from None


def _name(text: str) -> str:
    return text if text == "." else to_ascii(_word(text)).removesuffix(".").lower()


def _word(text: str) -> str:
    if not text or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError
    return text


def _numbered(count: int) -> Callable[[str], str]:
    """The parser of so many numbers before a name."""

    def parse(text: str) -> str:
        *numbers, name = text.split()
        if len(numbers) != count or not all(_is_number(number) for number in numbers):
            raise ValueError
        return " ".join([*(str(int(number)) for number in numbers), _name(name)])

    return parse


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", text)) and int(text) <= _LARGEST


_FORMS: dict[str, tuple[str, Callable[[str], str]]] = {
    "": ("an IPv4 or IPv6 address, or --type", _any_address),
    "A": ("an IPv4 address", _address(socket.AF_INET)),
    "AAAA": ("an IPv6 address", _address(socket.AF_INET6)),
    "MX": ("'PREFERENCE NAME'", _numbered(1)),
    "SRV": ("'PRIORITY WEIGHT PORT TARGET'", _numbered(3)),
}


def found(rdata: Any) -> str:  # noqa: ANN401 - dnspython makes the classes of rdata at run time
    """A record that a server has given, in the form of `canonical`."""
    kind = rdata.rdtype.name
    if kind in {"A", "AAAA"}:
        return as_address(rdata.address)
    if kind == "TXT":
        return b"".join(rdata.strings).decode("utf-8", "backslashreplace")
    if kind == "SRV":
        return f"{rdata.priority} {rdata.weight} {rdata.port} {_plain(rdata.target)}"
    if kind == "MX":
        return f"{rdata.preference} {_plain(rdata.exchange)}"
    return _plain(rdata.target)


def _plain(name: Any) -> str:  # noqa: ANN401 - dns.name.Name, which is not loaded here
    return str(name.to_text(omit_final_dot=True)).lower()


_MOST_SHOWN = 3
_LONGEST_SHOWN = 80  # characters of one record


def listed(records: tuple[str, ...]) -> str:
    """Records for a message: ``10.0.0.7, 10.0.0.8 and 3 more``; what cannot be printed is escaped."""
    words = [_printable(record) for record in records]
    if len(words) > _MOST_SHOWN + 1:
        words = [*words[:_MOST_SHOWN], f"{len(words) - _MOST_SHOWN} more"]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _printable(text: str) -> str:
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 1]}…"
