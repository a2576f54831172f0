"""Modes as `chmod` writes them, octal and symbolic; which entry gets which mode is the concern of `rules`.

Worker processes load it, so the options that take a mode are declared elsewhere: in `values`.
"""

from __future__ import annotations

import re
import stat
from functools import lru_cache, reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SET_IDS = stat.S_ISUID | stat.S_ISGID
_OCTAL = re.compile(r"(?:0o)?([0-7]{3,5})")
_UMASK = re.compile(r"(?:0o)?(0?[0-7]{3})")
_CLAUSE = re.compile(r"([ugoa]+)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_HIGHEST = 0o7777
_LOWEST = 0o100  # with three digits
_MOST_DIGITS = 4  # of a mode in decimal
_ALL_PERMISSIONS = 0o777
_ANY_EXECUTE = 0o111
# what each class of user covers, the special bits included, as GNU chmod has it
_WHO = {
    "u": stat.S_ISUID | stat.S_IRWXU,
    "g": stat.S_ISGID | stat.S_IRWXG,
    "o": stat.S_ISVTX | stat.S_IRWXO,
    "a": _HIGHEST,
}
_BITS = {"r": 0o444, "w": 0o222, "x": _ANY_EXECUTE, "X": 0, "s": SET_IDS, "t": stat.S_ISVTX}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
# Reading, writing and executing never influence one another, so each can be in the same of these eight states at once
_SAMPLES = tuple(u * 0o700 | g * 0o070 | o * 0o007 for u in (0, 1) for g in (0, 1) for o in (0, 1))


class Clause(NamedTuple):
    """One action of a symbolic mode: for the bits of `who`, what `operator` does with `permissions`."""

    who: int
    operator: str
    permissions: str


class Mode(NamedTuple):
    """A mode that is exact (octal), or relative to the one that is there (symbolic).

    An octal mode sets all twelve bits. A symbolic one leaves setuid and setgid of a folder alone unless it says ``s``
    (POSIX leaves that open; GNU chmod does the same). Two modes are equal when they are written alike.

    Attributes:
        text: as it was written.
        exact: the twelve bits of an octal mode; None for a symbolic one.
        clauses: what a symbolic mode does, in order.
    """

    text: str
    exact: int | None = None
    clauses: tuple[Clause, ...] = ()

    def __str__(self) -> str:
        return self.text

    def over(self, old: int, *, folder: bool) -> int:
        """The twelve bits that an entry with the mode `old` is to have."""
        return self.exact if self.exact is not None else _evaluate(self, old, folder)

    @property
    def sets_ids(self) -> bool:
        """Whether it gives setuid or setgid."""
        if self.exact is not None:
            return bool(self.exact & SET_IDS)
        return any(c.operator != "-" and "s" in c.permissions and c.who & SET_IDS for c in self.clauses)


@lru_cache(maxsize=16384)  # a tree has few different modes; there are only 8192 questions about one symbolic mode
def _evaluate(mode: Mode, old: int, folder: bool) -> int:  # noqa: FBT001 - a cache's key
    bits = old
    for clause in mode.clauses:
        value = _value(clause, bits, folder=folder)
        if clause.operator == "+":
            bits |= value
        elif clause.operator == "-":
            bits &= ~value
        else:
            bits = bits & ~_cleared(clause, folder=folder) | value
    return bits


def _cleared(clause: Clause, *, folder: bool) -> int:
    """What ``=`` takes away: a folder keeps its set-id bits unless it is said with ``s``."""
    return clause.who & ~SET_IDS if folder and "s" not in clause.permissions else clause.who


def _value(clause: Clause, bits: int, *, folder: bool) -> int:
    if clause.permissions in _SHIFTS:
        return (bits >> _SHIFTS[clause.permissions] & 0o7) * _ANY_EXECUTE & clause.who
    value = 0
    for letter in clause.permissions:
        value |= _BITS[letter]
    if "X" in clause.permissions and (folder or bits & _ANY_EXECUTE):
        value |= _ANY_EXECUTE
    return value & clause.who


def _union(masks: Iterable[int]) -> int:
    return reduce(or_, masks, 0)


def parse_mode(text: str) -> Mode:
    """A mode from ``0640``, ``2770``, ``u=rwX,g=rX,o=`` or ``g=u``.

    Raises:
        ValueError: it is none, or one that would give something else each time it is applied.
    """
    stripped = text.strip()
    octal = _OCTAL.fullmatch(stripped)
    if octal and int(octal[1], 8) <= _HIGHEST:
        return Mode(stripped, int(octal[1], 8))
    if stripped.isascii() and stripped.isdigit():
        raise ValueError(
            f"expected an octal mode such as 0640 or 2770, got {text!r}{_meant(stripped, _LOWEST, _HIGHEST)}"
        )
    mode = Mode(stripped, None, tuple(_clauses(stripped)))
    if not settles(mode):
        raise ValueError(f"expected a mode that changes nothing when it is applied again, got {text!r}")
    return mode


def _meant(digits: str, lowest: int, highest: int) -> str:
    """A YAML loader turns 0750 into 488 before a template prints it."""
    number = int(digits) if len(digits) <= _MOST_DIGITS else highest + 1
    return f" (decimal for {number:04o}: quote modes in YAML)" if lowest <= number <= highest else ""


def _clauses(text: str) -> list[Clause]:
    clauses = []
    for part in text.split(","):
        match = _CLAUSE.fullmatch(part)
        if not match:
            hint = "; say for whom: u, g, o or a" if part[:1] in {"+", "-", "="} else ""
            raise ValueError(f"expected a mode such as 0640 or u=rwX,g=rX,o=, got {text!r}{hint}")
        who = _union(_WHO[letter] for letter in match[1])
        clauses += [Clause(who, operator, permissions) for operator, permissions in _ACTION.findall(match[2])]
    return clauses


def settles(mode: Mode, umask: int = 0) -> bool:
    """Whether giving it twice, less the bits of `umask`, is the same as once.

    ``g=X,u+x`` goes on changing what it finds; so does ``u=g`` where the umask takes away from the group what the owner
    was given.
    """
    if not any("X" in clause.permissions or clause.permissions in _SHIFTS for clause in mode.clauses):
        return True
    return all(
        mode.over(once, folder=folder) & ~umask == once
        for folder in (False, True)
        for old in _SAMPLES
        for once in [mode.over(old, folder=folder) & ~umask]
    )


def parse_umask(text: str) -> int:
    """Permission bits from ``0027`` or ``027``.

    Raises:
        ValueError: it is none, or names setuid, setgid or the sticky bit.
    """
    stripped = text.strip()
    octal = _UMASK.fullmatch(stripped)
    if octal:
        return int(octal[1], 8)
    hint = _meant(stripped, 1, _ALL_PERMISSIONS) if stripped.isascii() and stripped.isdigit() else ""
    raise ValueError(f"expected an octal umask of three permission digits such as 0027, got {text!r}{hint}")


def show_umask(umask: int) -> str:
    """Four octal digits."""
    return f"{umask:04o}"
