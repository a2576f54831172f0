"""What a migration's file name says: its version, or that it is repeatable; what is in the file is not looked at.

``0001_name.sql``, ``20240101120000_name.sql``: dbmate, goose (https://pressly.github.io/goose/reference/annotations/);
``1_name.up.sql`` and ``.down.sql``: golang-migrate (MIGRATIONS.md of its repository); ``V1.2__name.sql``,
``R__name.sql``, ``U1.2__name.sql``: Flyway (https://documentation.red-gate.com/flyway/flyway-concepts/migrations).
"""

from __future__ import annotations

import re

from initkit.core.record import Record

Key = tuple[int, ...]
"""A version as it is compared: its numbers, without zeros at the end: 1.0 is 1, as 001 is."""

_NUMBERS = r"[0-9]+(?:[._][0-9]+)*"
_FLYWAY = re.compile(rf"(?P<prefix>[VU])(?P<version>{_NUMBERS})__(?P<name>.*)")
_PLAIN = re.compile(r"(?P<version>[0-9]+(?:\.[0-9]+)*)(?:[_\- ]+(?P<name>.*))?")
_REPEATABLE = re.compile(r"R__(?P<name>.+)")
_VERSION = re.compile(rf"[vV]?({_NUMBERS})")
_LONGEST = 255  # characters of a version: as long as a file's name may be


class Name(Record):
    """What a file's name says.

    Attributes:
        file: the name itself.
        id: the version as it is written, without Flyway's prefix; the name without ``.sql`` for a repeatable one.
        key: the version as it is compared; empty for a repeatable one.
        title: as people read it.
        is_ignored: it takes a migration back: a down or undo file.
    """

    file: str
    id: str = ""
    key: Key = ()
    title: str = ""
    is_ignored: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether it is run whenever it has changed."""
        return not self.key


def key_of(version: str) -> Key | None:
    """A version as it is compared: ``V1.2``, ``0001`` or the beginning of a file's name; None where it is none."""
    match = _VERSION.match(version) if len(version) <= _LONGEST else None
    if match is None or version[match.end() :][:1] not in {"", "_", "-", " "}:
        return None
    return _key(match[1])


def _key(version: str) -> Key:
    numbers = [int(number) for number in re.split("[._]", version)]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def read_name(file: str) -> Name | None:
    """What the name of a file that ends in ``.sql`` says; None where it says nothing."""
    stem = file[: -len(".sql")]
    if match := _REPEATABLE.fullmatch(stem):
        return Name(file, stem, (), _title(match["name"]))
    if match := _FLYWAY.fullmatch(stem):
        version = match["version"]
        return Name(file, version, _key(version), _title(match["name"]), match["prefix"] == "U")
    is_down = stem.endswith(".down")
    if match := _PLAIN.fullmatch(stem.removesuffix(".up").removesuffix(".down")):
        version = match["version"]
        return Name(file, version, _key(version), _title(match["name"] or ""), is_down)
    return None


def _title(name: str) -> str:
    return " ".join(re.split(r"[_\s]+", name)).strip()
