"""SQL files and their rows in the ledger as one text, to be run by hand; it connects to nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.db.ledger import Ledger, Row
from initkit.db.sqlfiles.forbidden import prelude
from initkit.db.sqlfiles.recorded import SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.db.sqlfiles.files import Script
    from initkit.db.sqlfiles.lexer import Dialect


def written(taken: Sequence[Script], todo: Sequence[Script], rows: Mapping[str, Row], dialect: Dialect) -> str:
    """The text.

    Args:
        taken: what is recorded only.
        todo: what is run.
        rows: what is recorded of each, by its id, with its position.
        dialect: of the database.
    """
    texts = [f"-- the ledger\n{_recording(dialect, None)}"] if taken or todo else []
    texts += [f"-- {script.file}: it is there already\n{_recording(dialect, rows[script.id])}" for script in taken]
    texts += [_run(script, rows[script.id], dialect) for script in todo]
    return "\n\n".join(texts)


def _run(script: Script, row: Row, dialect: Dialect) -> str:
    texts = [f"{statement.text};" for statement in script.statements()]
    count = prelude(script.statements(), dialect) if script.section.in_transaction else 0
    before, body = "".join(f"{text}\n" for text in texts[:count]), "\n".join(texts[count:])
    record = _recording(dialect, row)
    if not script.section.in_transaction:
        return f"-- {script.file}, outside transactions\n{body}\n{record}"
    return f"-- {script.file}\n{before}begin;\n{body}\n{record}\ncommit;"


def _recording(dialect: Dialect, row: Row | None) -> str:
    """What the ledger executes, to be made or to write a row."""
    said: list[str] = []

    def execute(sql: str, values: Mapping[str, object]) -> list[list[object]]:
        if sql.startswith("select"):
            return [[None]] if dialect == "postgres" else []  # that there is no table yet
        said.append(re.sub(r"(?<!:):(\w+)", lambda match: _literal(values[match[1]]), sql) + ";")
        return []

    ledger = Ledger(execute, dialect, SOURCE)
    if row is None:
        ledger.make()
    else:
        ledger.write(row)
    return "\n".join(said)


def _literal(value: object) -> str:
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
