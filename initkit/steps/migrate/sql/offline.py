"""SQL files and their rows in the ledger as one text, to be run by hand; it connects to nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.db.ledger import Ledger, Row
from initkit.db.sqlfiles.forbidden import prelude
from initkit.db.sqlfiles.recorded import SOURCE
from initkit.steps.migrate.sql.session import READING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.db.sqlfiles.files import Script
    from initkit.db.sqlfiles.lexer import Dialect


# what another file has set is gone, as where initkit runs them: each in a session that starts afresh
_AFRESH: dict[Dialect, str] = {
    "postgres": "discard all;\n" + "".join(f"set {name} to '{value}';\n" for name, value in READING.items()),
    "sqlite": "pragma foreign_keys = on;\n",
}
_SETTLED: dict[Dialect, str] = {"postgres": "reset session authorization;\nreset role;\n", "sqlite": ""}


def written(
    taken: Sequence[Script], todo: Sequence[Script], rows: Mapping[str, Row], dialect: Dialect, schema: str | None
) -> str:
    """The text.

    Args:
        taken: what is recorded only.
        todo: what is run.
        rows: what is recorded of each, by its id, with its position.
        dialect: of the database.
        schema: that the ledger lies in, where that is known.
    """
    paper = _Paper(dialect, schema)
    texts = [f"-- the ledger\n{_AFRESH[dialect]}{paper.made()}"] if taken or todo else []
    texts += [f"-- {script.file}: it is there already\n{paper.recorded(rows[script.id])}" for script in taken]
    texts += [_run(script, paper.settled(rows[script.id]), dialect) for script in todo]
    return "\n\n".join(texts)


def _run(script: Script, record: str, dialect: Dialect) -> str:
    texts = [f"{statement.text};" for statement in script.statements()]
    count = prelude(script.statements(), dialect) if script.section.in_transaction else 0
    before, body = _AFRESH[dialect] + "".join(f"{text}\n" for text in texts[:count]), "\n".join(texts[count:])
    if not script.section.in_transaction:
        return f"-- {script.file}, outside transactions\n{before}{body}\n{record}"
    return f"-- {script.file}\n{before}begin;\n{body}\n{record}\ncommit;"


class _Paper:
    """The ledger's statements, written down instead of executed."""

    def __init__(self, dialect: Dialect, schema: str | None) -> None:
        self._dialect = dialect
        # a file may have changed where a name without a schema is looked for
        restored = "reset search_path;\n" if dialect == "postgres" and schema is None else ""
        self._settled = _SETTLED[dialect] + restored
        self._ledger = Ledger(self._execute, dialect, SOURCE, schema=schema)
        self._said: list[str] = []

    def made(self) -> str:
        self._ledger.make()
        return self._taken()

    def recorded(self, row: Row) -> str:
        self._ledger.write(row)
        return self._taken()

    def settled(self, row: Row) -> str:
        return self._settled + self.recorded(row)

    def _taken(self) -> str:
        text = "\n".join(self._said)
        self._said.clear()
        return text

    def _execute(self, sql: str, values: Mapping[str, object]) -> list[list[object]]:
        if sql.startswith("select"):
            return [[None]] if self._dialect == "postgres" else []  # that there is no table yet
        self._said.append(re.sub(r"(?<!:):(\w+)", lambda match: _literal(values[match[1]]), sql) + ";")
        return []


def _literal(value: object) -> str:
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
