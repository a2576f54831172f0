"""What an exception from alembic, SQLAlchemy or somebody's revision means; each in terms of what a person can do."""

from __future__ import annotations

import configparser
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, Stopped, TemporaryError
from initkit.db import postgres, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.core.step import Context

_IMPORT_ADVICE = "set PYTHONPATH to the folder that holds it, or build this image FROM the application's"
_DRIVER_ADVICE = "install that driver into this image, or write the URL without a driver, as postgresql://"
_DRIVERS = {"psycopg2", "asyncpg", "pg8000", "aiosqlite", "MySQLdb", "pymysql"}
_DEPTH = 10  # how far an exception's causes are followed


@contextmanager
def understood(context: Context, task: Callable[[], str], folder: str, loose: Callable[[], bool]) -> Iterator[None]:
    """Turn whatever somebody's Python raises into an error of ours.

    Args:
        context: of the running step.
        task: says what was being done, once it failed.
        folder: with env.py: an exception is told with its last line there.
        loose: whether something of it is committed, so that another attempt would not find what this one found.

    Raises:
        Stopped: the end was asked for; whatever failed then, failed because of that.
        InitkitError: what it means.
    """
    try:
        yield
    except (InitkitError, Stopped, GeneratorExit):
        raise
    except (Exception, SystemExit) as error:  # env.py may do anything, exit included
        if context.stop.signum is not None:
            raise Stopped(context.stop.signum) from error
        raise _settled(meaning(error, task(), folder), loose()) from error


def _settled(error: InitkitError, loose: bool) -> InitkitError:  # noqa: FBT001 - a fact, not a switch
    if not (loose and isinstance(error, TemporaryError)):
        return error
    advice = "it also works outside transactions: see what is there of it, and undo or finish that by hand"
    return PermanentError(error.task, error.cause, advice)


def meaning(error: BaseException, task: str, folder: str = "") -> InitkitError:
    """An error of ours for an exception of theirs."""
    driver = _drivers_error(error)
    if driver is not None:
        classify = sqlite.classify if type(driver).__module__.startswith("sqlite3") else postgres.classify
        return classify(driver, task)
    if isinstance(error, ModuleNotFoundError) and error.name:
        advice = _DRIVER_ADVICE if error.name.partition(".")[0] in _DRIVERS else _IMPORT_ADVICE
        return PermanentError(task, f"there is no module {error.name!r}{_where(error, folder)}", advice)
    if isinstance(error, SystemExit):
        return PermanentError(task, f"it called exit({error.code!r}){_where(error, folder)}")
    words = " ".join(str(error).split())
    if isinstance(error, configparser.Error):
        return PermanentError(task, words, "mend the .ini file; a plain % is written %% there")
    if type(error).__module__.startswith("alembic."):
        return PermanentError(task, words, _alembic_advice(words))
    return PermanentError(task, f"{type(error).__name__}: {words}{_where(error, folder)}", "mend it there")


def _drivers_error(error: BaseException | None) -> Exception | None:
    """The driver's own error behind SQLAlchemy's (which has it as `orig`), or behind anything raised from it."""
    import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    for _ in range(_DEPTH):
        found = getattr(error, "orig", None) or error
        if isinstance(found, psycopg.Error | sqlite3.Error):
            return found
        if error is None:
            return None
        # SQLAlchemy, cleaning up after an error, may raise another (PendingRollbackError) in its place
        context = error.__context__ if type(error).__module__.startswith("sqlalchemy.") else None
        error = error.__cause__ or context
    return None


def _where(error: BaseException, folder: str) -> str:
    """The last line of the migrations' own that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if folder and frame.filename.startswith(folder)]
    if not own:
        return ""
    return f" ({own[-1].filename.removeprefix(folder).lstrip('/')}, line {own[-1].lineno})"


def _alembic_advice(words: str) -> str:
    if "ultiple head" in words:
        return "use --to heads, or merge them with `alembic merge heads`"
    if "locate revision" in words:
        return "check --to, and that all revision files are mounted"
    return ""


def is_read_only(error: BaseException | None) -> bool:
    """Whether something was written where nothing may be."""
    import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

    driver = _drivers_error(error)
    if isinstance(driver, sqlite3.Error):
        return getattr(driver, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return getattr(driver, "sqlstate", None) == "25006"  # read_only_sql_transaction
