"""Files to load: eight columns, a seventh of the notes quoted, in each format; the same rows every time."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

Format = Literal["csv", "ndjson", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
COLUMNS = ("id", "email", "name", "city", "amount", "active", "created_at", "note")
_COLUMNS = (
    "id bigint primary key, email text not null, name text not null, city text, amount numeric(10, 2), "
    "active boolean not null, created_at timestamptz, note text"
)
TABLE = f"create table users ({_COLUMNS})"
ONE_ROW = "insert into users values (5, 'x', 'y', null, 0, true, null, null)"
_WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")

Row = tuple[int, str, str, str, str, bool, str, str | None]


def rows(count: int, *, changed: float = 0.0) -> Iterator[Row]:
    """So many; a share of them, evenly spread, has another city than usual."""
    chance = random.Random(1)  # noqa: S311 - no cryptography
    every = round(1 / changed) if changed else count + 1
    for number in range(1, count + 1):
        name = f"{chance.choice(_WORDS)} {chance.choice(_WORDS)}"
        city = chance.choice(_WORDS)
        amount = f"{chance.randrange(100_000) / 100:.2f}"
        moment = f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02} 12:{chance.randrange(60):02}:00+00"
        word = chance.choice(_WORDS)
        note = f'{word}, said "{word}"' if number % 7 == 0 else word if number % 3 else None
        city = f"{city} 2" if number % every == 0 else city
        yield number, f"user{number}@example.com", name, city, amount, number % 2 == 1, moment, note


def write(folder: str, count: int, style: Format = "csv", *, changed: float = 0.0) -> str:
    """The path of a file in `folder` with so many rows; it is left as it is where it is there already."""
    path = os.path.join(folder, f"{count}-{changed}", f"users.{style}")
    if os.path.exists(path):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.writelines(_text(rows(count, changed=changed), style))
    os.replace(path + ".part", path)
    return path


def _text(found: Iterator[Row], style: Format) -> Iterator[str]:
    if style == "csv":
        yield ",".join(COLUMNS) + "\n"
        yield from map(_separated, found)
    elif style == "ndjson":
        yield from (_object(row) + "\n" for row in found)
    else:
        yield "["
        for number, row in enumerate(found):
            yield (",\n" if number else "\n") + _object(row)
        yield "\n]\n"


def _separated(row: Row) -> str:
    number, email, name, city, amount, active, moment, note = row
    quoted = '"' + note.replace('"', '""') + '"' if note and '"' in note else note or ""
    return f"{number},{email},{name},{city},{amount},{'true' if active else 'false'},{moment},{quoted}\n"


def _object(row: Row) -> str:
    number, email, name, city, amount, active, moment, note = row
    return (
        f'{{"id": {number}, "email": "{email}", "name": "{name}", "city": "{city}", "amount": {amount}, '
        f'"active": {"true" if active else "false"}, "created_at": "{moment}", "note": {json.dumps(note)}}}'
    )
