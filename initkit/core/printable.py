"""The words of others, made fit for a message; what they mean is known to whoever asked."""

from __future__ import annotations

from initkit.core.redact import redact

LONGEST = 200  # characters of another's words that go into a message


def printable(words: bytes | str, longest: int = LONGEST) -> str:
    """Others' words in one line, without anything that acts on a terminal, and not endless.

    Args:
        words: as they came; bytes are read as UTF-8.
        longest: in characters; what is longer ends with an ellipsis instead.
    """
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    plain = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    if len(plain) <= longest:
        return plain
    return f"{redact(plain)[:longest]}…"  # a secret that is cut in two would no longer be known as one
