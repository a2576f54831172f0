"""Bytes as people type them in one argument; what is sent where is the business of each scheme."""

from __future__ import annotations

import re
from typing import Annotated

from initkit.core.options import Parser

_SIMPLE = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\"}
_PIECE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([nrt\\]))|([^\\]+)")
_HEX = re.compile(r"(?:\s*[0-9A-Fa-f]{2})*\s*")
_SHOWN = {value[0]: f"\\{letter}" for letter, value in _SIMPLE.items()}


def parse_bytes(text: str) -> bytes:
    r"""Bytes from text in UTF-8 with ``\xHH``, ``\n``, ``\r``, ``\t`` and ``\\``, or from ``hex:`` and pairs of digits.

    Raises:
        ValueError: there is another escape, or no pair of digits where one must be.
    """
    if text.startswith("hex:"):
        digits = text.removeprefix("hex:")
        if not _HEX.fullmatch(digits):
            raise ValueError(f"expected hex: and pairs of hexadecimal digits, got {text!r}")
        return bytes.fromhex(digits)
    pieces = list(_PIECE.finditer(text))
    if sum(len(piece[0]) for piece in pieces) != len(text):
        raise ValueError(rf"expected text with no other escapes than \n, \r, \t, \\ and \xHH, or hex:…, got {text!r}")
    return b"".join(map(_piece, pieces))


def _piece(match: re.Match[str]) -> bytes:
    digits, letter, plain = match.groups()
    if digits:
        return bytes.fromhex(digits)
    # arguments that were no UTF-8 come as they were (PEP 383)
    return _SIMPLE[letter] if letter else str(plain).encode("utf-8", "surrogateescape")


def show_bytes(value: bytes) -> str:
    """Text that `parse_bytes` reads back, in printable ASCII."""
    text = "".join(_SHOWN.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in value)  # noqa: PLR2004 - printable ASCII
    return rf"\x68{text[1:]}" if text.startswith("hex:") else text


Bytes = Annotated[bytes, Parser("BYTES", parse_bytes, show=show_bytes)]
