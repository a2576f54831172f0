"""What an exception from alembic, SQLAlchemy or somebody's revision means; each in terms of what a person can do."""

from __future__ import annotations

import configparser
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from initkit.core.errors import InitkitError, PermanentError, Stopped, SuspectError
from initkit.db import postgres, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initkit.core.step import Context

_IMPORT_ADVICE = (
    "build your image FROM this one; or `pip install initkit` in yours and run initkit there; "
    "or mount the code and name its folder with --pythonpath"
)
_DRIVER_ADVICE = "install that driver into this image, or write the URL without a driver, as postgresql:// or mysql://"
_MYSQL_ADVICE = "initkit brings no asynchronous driver for MySQL: install it into this image, or use pymysql in env.py"
_DRIVERS = {
    "psycopg2": _DRIVER_ADVICE, "asyncpg": _DRIVER_ADVICE, "pg8000": _DRIVER_ADVICE, "psycopg2cffi": _DRIVER_ADVICE,
    "aiosqlite": "install aiosqlite into this image, or use an engine that is not asynchronous",
    "MySQLdb": _DRIVER_ADVICE, "mysql": _DRIVER_ADVICE, "asyncmy": _MYSQL_ADVICE, "aiomysql": _MYSQL_ADVICE,
}  # fmt: skip
_EXIT_ADVICE = (
    "let it run to its end: env.py must come to `context.run_migrations()` and return, and what is wrong it must raise"
)
_BLOCK_ADVICE = "put it into a revision of its own, inside `with op.get_context().autocommit_block():`"
_DEPTH = 10  # how far an exception's causes are followed
# the driver's own, and the server's: connections, shutting down, locks (1205, 1213), read-only (1290)
_MYSQL_PASSES = {1040, 1053, 1158, 1159, 1160, 1161, 1205, 1213, 1290, 2002, 2003, 2006, 2013, 2055}


@contextmanager
def understood(context: Context, task: Callable[[], str], folder: str) -> Iterator[None]:
    """Turn whatever somebody's Python raises into an error of ours.

    Args:
        context: of the running step.
        task: says what was being done, once it failed.
        folder: with env.py: an exception is told with its last line there.

    Raises:
        Stopped: the end was asked for; whatever failed then, failed because of that.
        InitkitError: what it means.
    """
    try:
        yield
    except (InitkitError, Stopped, GeneratorExit):
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # env.py may do anything, exit included
        if context.stop.signum is not None:
            raise Stopped(context.stop.signum) from error
        raise meaning(error, task(), folder) from error


def meaning(error: BaseException, task: str, folder: str = "") -> InitkitError:
    """An error of ours for an exception of theirs."""
    driver = _drivers_error(error)
    if driver is not None:
        return _classified(driver, task)
    if isinstance(error, ModuleNotFoundError) and error.name:
        advice = _DRIVERS.get(error.name.partition(".")[0], _IMPORT_ADVICE)
        return PermanentError(task, f"there is no module {error.name!r}{_where(error, folder)}", advice)
    if isinstance(error, SystemExit):
        return PermanentError(task, f"it called exit({error.code!r}){_where(error, folder)}", _EXIT_ADVICE)
    words = " ".join(str(error).split())
    if isinstance(error, configparser.Error):
        return PermanentError(task, words, "mend the .ini file; a plain % is written %% there")
    if type(error).__module__.startswith("alembic."):
        return PermanentError(task, words, _alembic_advice(words))
    return PermanentError(task, f"{type(error).__name__}: {words}{_where(error, folder)}", "mend it there")


def _classified(driver: Exception, task: str) -> InitkitError:
    module = type(driver).__module__
    if module.startswith("sqlite3"):
        return sqlite.classify(driver, task)
    return _of_mysql(driver, task) if module.startswith("pymysql") else _of_postgres(driver, task)


def _of_postgres(error: Any, task: str) -> InitkitError:  # noqa: ANN401 - psycopg is not loaded here
    found = postgres.classify(error, task)
    if getattr(error, "sqlstate", None) == "25001":  # active_sql_transaction
        return PermanentError(task, found.cause, _BLOCK_ADVICE)
    return found


def _of_mysql(error: Exception, task: str) -> InitkitError:
    from initkit.db.mysql_errors import classify  # noqa: PLC0415 - only where it is MySQL

    found = classify(error.args, task)
    number = error.args[0] if error.args else None
    if isinstance(found, SuspectError) or number in _MYSQL_PASSES:
        return found
    return PermanentError(task, found.cause)


def _drivers_error(error: BaseException | None) -> Exception | None:
    """The driver's own error behind SQLAlchemy's (which has it as `orig`), or behind anything raised from it."""
    import sqlite3  # noqa: PLC0415 - the driver is loaded when a database is met

    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    for _ in range(_DEPTH):
        found = getattr(error, "orig", None) or error
        if isinstance(found, psycopg.Error | sqlite3.Error) or _is_pymysqls(found):
            return found  # type: ignore[return-value]
        if error is None:
            return None
        # SQLAlchemy, cleaning up after an error, may raise another (PendingRollbackError) in its place
        context = error.__context__ if type(error).__module__.startswith("sqlalchemy.") else None
        error = error.__cause__ or context
    return None


def _is_pymysqls(error: Any) -> bool:  # noqa: ANN401 - anything that was raised
    return isinstance(error, Exception) and type(error).__module__ == "pymysql.err"


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
    if _is_pymysqls(driver) and driver is not None:
        return driver.args[:1] == (1792,)  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    return getattr(driver, "sqlstate", None) == "25006"  # read_only_sql_transaction


def state_of(error: BaseException | None) -> str:
    """The SQLSTATE that PostgreSQL gave; empty for anything else."""
    return str(getattr(_drivers_error(error), "sqlstate", None) or "")
