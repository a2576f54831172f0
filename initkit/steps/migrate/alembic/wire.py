"""What goes over the pipes to the child that runs alembic, and back: one JSON value a line; it sends nothing itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from initkit.core import errors
from initkit.core.errors import InitkitError
from initkit.core.record import Record
from initkit.db.dsn import Database, Dialect
from initkit.db.revisions import Heads, Revision, Standing

if TYPE_CHECKING:
    from initkit.db.ledger import Left

Event = Mapping[str, Any]
_CLASSES = ("UsageError", "TemporaryError", "SuspectError", "PermanentError", "TimedOutError")


class Request(Record):
    """What the child is to do.

    Attributes:
        task: ``ask`` how far the database is and write nothing, ``upgrade`` it, or print the ``sql``.
        path: of the project, as people wrote it.
        ini: the path of its alembic.ini; empty where there is none.
        toml: that of its pyproject.toml; empty where there is none.
        folder: that of these two, or the one with env.py.
        script_location: the folder with env.py.
        version_locations: those with revisions.
        name: the section of the ini.
        x: arguments for env.py.
        import_folders: what to import from before all else.
        to: the revision to go up to.
        single_head: whether there must be no more than one head.
        dialect: of the database.
        address: of the database, as `db.dsn` has it.
        source: where that was found.
        shown: the database, for messages.
        environ: environment variables.
        export: those in which env.py finds the URL, besides the usual ones.
        settings: of sessions on PostgreSQL, by name; with ``application_name`` for those that change something.
        pod: in which it runs.
        expected: the heads that are recorded, to be sure that env.py looks at the same database; None: unknown.
        starts: the revisions that the `sql` begins after.
        is_here: whether env.py may be asked: connecting would make SQLite's file.
        attempt_timeout: seconds to connect.
    """

    task: str
    path: str
    ini: str
    toml: str
    folder: str
    script_location: str
    version_locations: tuple[str, ...]
    name: str
    x: tuple[str, ...]
    import_folders: tuple[str, ...]
    to: str
    single_head: bool
    dialect: Dialect
    address: str
    source: str
    shown: str
    environ: Mapping[str, str]
    export: tuple[str, ...]
    settings: Mapping[str, str]
    pod: str
    attempt_timeout: float
    expected: Heads | None = None
    starts: Heads = ()
    is_here: bool = True

    @property
    def database(self) -> Database:
        """The database."""
        return Database(self.dialect, self.address, self.source)

    def line(self) -> bytes:
        """As it goes over the pipe."""
        return json.dumps(vars(self)).encode() + b"\n"


def request_of(line: bytes) -> Request:
    """What `Request.line` wrote."""
    found = json.loads(line)
    for name in ("x", "import_folders", "version_locations", "export", "expected", "starts"):
        if found.get(name) is not None:
            found[name] = tuple(found[name])
    return Request(**found)


def revision_event(revision: Revision) -> dict[str, object]:
    """A revision as JSON has it."""
    return {"id": revision.id, "message": revision.message, "file": revision.file, "down": list(revision.down)}


def revision_of(found: Event) -> Revision:
    """What `revision_event` made."""
    return Revision(found["id"], found["message"], found["file"], tuple(found["down"]))


def standing_event(standing: Standing) -> dict[str, object]:
    """A standing as JSON has it."""
    return vars(standing) | {"pending": [revision_event(one) for one in standing.pending]}


def standing_of(found: Event) -> Standing:
    """What `standing_event` made."""
    lists = {name: tuple(found[name]) for name in ("heads", "unknown", "warnings")}
    return Standing(**dict(found) | lists | {"pending": tuple(revision_of(one) for one in found["pending"])})


def left_event(left: Left) -> dict[str, str]:
    """A statement outside transactions as JSON has it."""
    return {"statement": left.statement, "index": left.index, "before": left.before}


def error_event(error: InitkitError) -> dict[str, object]:
    """An error as JSON has it: of subclasses only what it means for the run goes over."""
    name = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in {*_CLASSES, "InitkitError"})
    return {"class": name, "task": error.task, "cause": error.cause, "advice": error.advice}


def error_of(found: Event) -> InitkitError:
    """What `error_event` made."""
    cls = getattr(errors, found["class"]) if found["class"] in _CLASSES else InitkitError
    error: InitkitError = cls(found["task"], found["cause"], found["advice"])
    return error
