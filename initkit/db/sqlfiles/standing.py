"""How far a database is, next to a folder of SQL migrations: what is pending, in which order; it writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from initkit.core.errors import PermanentError, UsageError
from initkit.core.record import Record
from initkit.db.ledger import TABLE
from initkit.db.revisions import Revision, Standing, VersionTable
from initkit.db.sqlfiles.files import read_folder
from initkit.db.sqlfiles.naming import key_of
from initkit.db.sqlfiles.recorded import recorded
from initkit.db.sqlfiles.unfinished import goes_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initkit.core.step import Context
    from initkit.db.dsn import Database
    from initkit.db.ledger import Row
    from initkit.db.migration_options import MigrationOptions
    from initkit.db.revisions import Heads
    from initkit.db.sqlfiles.files import Folder, Script
    from initkit.db.sqlfiles.lexer import Dialect
    from initkit.db.sqlfiles.naming import Key
    from initkit.db.sqlfiles.recorded import Recorded


class Wish(Record):
    """What was asked for; as the options of `migrate` have it."""

    to: str = "heads"
    baseline: str | None = None
    out_of_order: bool = False
    on_drift: Literal["warn", "fail", "ignore"] = "warn"


class Plan(Record):
    """What there is to do.

    Attributes:
        standing: as the step has it.
        taken: those to record as a baseline, without running them.
        todo: those to run, in that order, repeatable ones last.
    """

    standing: Standing
    taken: tuple[Script, ...] = ()
    todo: tuple[Script, ...] = ()


def look(options: MigrationOptions, database: Database, context: Context) -> Standing:
    """How far a database is, for whoever does not apply migrations.

    What comes too late is pending like all else, and files that have changed are the business of whoever applies them.

    Raises:
        InitkitError: the database cannot be reached, or the migrations cannot be read.
        UsageError: SQL files cannot be applied to it.
    """
    folder = read_folder(options.path, dialect_of(database))
    wish = Wish(options.to, out_of_order=True, on_drift="ignore")
    return plan(folder, recorded(database, context, VersionTable(TABLE)), wish).standing


def dialect_of(database: Database) -> Dialect:
    """Whose SQL the files are.

    Raises:
        UsageError: they cannot be applied to it.
    """
    if database.dialect == "mysql":
        cause = "SQL files are applied to PostgreSQL and SQLite"
        raise UsageError(f"migrate {database.shown}", cause, "use alembic for MySQL")
    return database.dialect


def plan(folder: Folder, known: Recorded, wish: Wish) -> Plan:
    """What is to be done.

    Raises:
        PermanentError: files have changed and may not, come too late, or cannot be applied.
        UsageError: a version that was asked for is none, or not there.
    """
    versions = {_key(row): row for row in known.rows if not _is_repeatable(row)}
    others = {row.revision: row for row in known.rows if _is_repeatable(row)}
    done = {key: row for key, row in versions.items() if row.state != "started"}
    newest = max(done, default=())
    warnings = [*folder.warnings, *_drift(folder, done, known.moments, wish)]
    taken = _taken(folder, known, wish, warnings)
    last = _target(folder, versions, wish.to)
    covered = done.keys() | {script.key for script in taken}
    left = [script for script in folder.versioned if script.key not in covered]
    ahead = () if left or taken else _beyond(folder, versions)
    late = [script for script in left if script.key < newest and script.key not in versions]
    if late and not wish.out_of_order:
        raise _too_late(folder, late, done[newest])
    repeatable = () if last else tuple(script for script in folder.repeatable if _has_changed(script, others))
    todo = (*(script for script in left if not last or script.key <= last), *repeatable)
    for script in todo:
        script.statements()  # all is read before anything is run
    standing = Standing(
        heads=_heads(done, newest, others),
        pending=_pending(taken, todo, {_key(row): row for row in known.rows if row.state == "started"}),
        unknown=ahead,
        is_ahead=bool(ahead),
        is_newest=not left and not taken and not any(_has_changed(script, others) for script in folder.repeatable),
        is_empty=not folder.versioned and not folder.repeatable,
        warnings=tuple(warnings),
    )
    return Plan(standing, taken, todo)


def _beyond(folder: Folder, versions: dict[Key, Row]) -> tuple[str, ...]:
    """What a newer image has applied on top of all that is here."""
    newest = max((script.key for script in folder.versioned), default=())
    return tuple(versions[key].revision for key in sorted(versions) if key > newest)


def _is_repeatable(row: Row) -> bool:
    return row.revision.startswith("R__")


def _key(row: Row) -> Key:
    return key_of(row.revision) or ()


def _heads(done: dict[Key, Row], newest: Key, others: dict[str, Row]) -> Heads:
    return (done[newest].revision,) if newest else tuple(sorted(others))


def _has_changed(script: Script, others: dict[str, Row]) -> bool:
    row = others.get(script.id)
    return row is None or row.state == "started" or not script.agrees(row.checksum)


def _pending(taken: Sequence[Script], todo: Sequence[Script], started: dict[Key, Row]) -> tuple[Revision, ...]:
    found: list[Revision] = []
    for script in (*taken, *todo):
        note = " (baseline)" if len(found) < len(taken) else ""
        row = started.get(script.key)
        if row and script.key and not goes_on(row.left, script.dialect):
            note = " (half done: needs --repair)"
        title = f"{script.name.title}{note}".strip()
        # repeatable ones build upon nothing: each is an end of its own
        down = (found[-1].id,) if found and script.key else ()
        found.append(Revision(script.id, title, script.file, down))
    return tuple(found)


def _target(folder: Folder, versions: dict[Key, Row], to: str) -> Key:
    """The last version to go up to; empty for all."""
    if to in {"head", "heads"}:
        return ()
    key = version_of(to, "--to")
    if key not in versions and all(script.key != key for script in folder.versioned):
        raise PermanentError(f"migrate to {to}", f"{folder.path} has no version {to}", _those(folder))
    return key


def version_of(text: str, option: str) -> Key:
    """A version as it is compared.

    Raises:
        UsageError: it is none.
    """
    key = key_of(text)
    if key is None:
        raise UsageError("migrate", f"{option}: expected a version like 0002 or 1.2, got {text!r}")
    return key


def _those(folder: Folder) -> str:
    ids = [script.id for script in folder.versioned]
    return f"its versions go from {ids[0]} to {ids[-1]}" if ids else "mount the migrations"


def _taken(folder: Folder, known: Recorded, wish: Wish, warnings: list[str]) -> tuple[Script, ...]:
    if wish.baseline is None:
        return ()
    key = version_of(wish.baseline, "--baseline")
    if known.rows:
        marked = [row for row in known.rows if row.state == "baseline"]
        if marked and max(map(_key, marked)) != key:
            warnings.append(f"the baseline is {marked[-1].revision}, which --baseline {wish.baseline} does not change")
        return ()
    if known.is_bare:
        return ()  # there is nothing that the files up to there could have made
    found = tuple(script for script in folder.versioned if script.key <= key)
    if not found or found[-1].key != key:
        cause = f"{folder.path} has no version {wish.baseline}"
        raise PermanentError(f"take {wish.baseline} for applied", cause, _those(folder))
    return found


def _too_late(folder: Folder, late: Sequence[Script], newest: Row) -> PermanentError:
    names = ", ".join(script.file for script in late)
    return PermanentError(
        f"apply the migrations in {folder.path}",
        f"{names} would come before {newest.revision}, which is applied already",
        "give it a version above that, or use --out-of-order",
    )


def _drift(folder: Folder, done: dict[Key, Row], moments: Mapping[str, str], wish: Wish) -> list[str]:
    if wish.on_drift == "ignore":
        return []
    here = {script.key: script for script in folder.versioned}
    changed, foreign = list[str](), list[str]()
    for key, row in sorted(done.items()):
        script = here.get(key)
        when = _when(row, moments)
        if script is None and here and key < max(here):
            changed.append(f"{row.name} is gone from {folder.path} ({when})")
        elif script is not None and not script.agrees(row.checksum):
            is_other = script.file != row.name
            name = f"{script.file}, recorded as {row.name}," if is_other else script.file
            (foreign if is_other else changed).append(f"{name} differs from what was applied ({when})")
    _judge_drift(folder, changed, foreign, wish)
    return changed


def _judge_drift(folder: Folder, changed: list[str], foreign: list[str], wish: Wish) -> None:
    task = f"apply the migrations in {folder.path}"
    if foreign:  # of two applications in one schema, each would take the other's migrations for its own
        advice = "give each application a schema or database of its own, or use --on-drift ignore"
        raise PermanentError(task, "; ".join(foreign), advice)
    if changed and wish.on_drift == "fail":
        advice = "bring back what was applied, and make the change in a new file; or use --on-drift warn"
        raise PermanentError(task, "; ".join(changed), advice)


def _when(row: Row, moments: Mapping[str, str]) -> str:
    verb = "taken for applied" if row.state == "baseline" else "applied"
    return f"{verb} {moments.get(row.revision, 'once')} by {row.applied_by or 'somebody'}"
