"""Where a database's address comes from and what it says; connecting is the business of the room for each database."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from initkit.core.errors import PermanentError, SuspectError, UsageError
from initkit.core.options import Declared, Opt, Parser, declared, did_you_mean
from initkit.core.redact import learn, redact
from initkit.core.secrets import learn_url, read_text
from initkit.core.urls import check_text, check_userinfo

if TYPE_CHECKING:
    from collections.abc import Mapping

Dialect = Literal["postgres", "sqlite", "mysql"]
_SCHEMES: dict[str, Dialect] = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "sqlite": "sqlite",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_WRITTEN: dict[Dialect, str] = {"postgres": "postgres://", "sqlite": "sqlite://", "mysql": "mysql://"}
_KEY_VALUE = re.compile(r"\s*\w+\s*=")
_PASSWORD_KEYWORD = re.compile(r"(?:^|\s)(?:ssl)?password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\]|\\.)+))", re.DOTALL)
DIRECT_VARIABLES = ("MIGRATION_DATABASE_URL", "DIRECT_URL")  # that lead past a pooler, where somebody migrates
PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGUSER", "PGPORT")


def parse_dsn(text: str) -> str:
    """A database's address: a URL or libpq's ``key=value`` words; its password is masked in all output from then on.

    Raises:
        ValueError: it is neither, or of a database that initkit does not know.
    """
    stripped = text.strip()
    learn_dsn(stripped)
    check_text(stripped, "a database's address")
    scheme, separator, _ = stripped.partition("://")
    if separator:
        dialect = _SCHEMES.get(scheme.split("+")[0].lower())
        if dialect is None:
            hint = did_you_mean(scheme, _SCHEMES)
            raise ValueError(f"expected a postgres:// or sqlite:// URL, got one that begins with {scheme}://{hint}")
        if dialect != "sqlite":
            check_userinfo(stripped, f"a {_WRITTEN[dialect]} URL", among="/")
    elif not _KEY_VALUE.match(stripped):
        raise ValueError("expected a postgres:// or sqlite:// URL, or key=value words, got neither")
    return stripped


def learn_dsn(text: str) -> None:
    """Mask the passwords of an address in all output from then on."""
    learn_url(text)
    for quoted, bare in _PASSWORD_KEYWORD.findall(text):
        for written in (quoted, bare):
            learn(written)
            learn(re.sub(r"(?s)\\(.)", r"\1", written))
    for value in re.findall(r"[?&](?:ssl)?password=([^&#]*)", text):
        learn(value)


Dsn = Annotated[
    str, Parser("URL", parse_dsn, show=redact, schema={"type": "string", "pattern": rf"://|^{_KEY_VALUE.pattern}"})
]


@dataclass(frozen=True)
class Database:
    """A database's address, as found.

    Attributes:
        dialect: ``postgres``, ``sqlite`` or ``mysql``, which is MariaDB, too.
        address: for postgres a URL or ``key=value`` words for libpq, empty where only its ``PG*`` variables say it;
            for sqlite the file's path; for mysql a URL.
        source: where it was found, for messages: ``--url``, ``DATABASE_URL``.
    """

    dialect: Dialect
    address: str
    source: str

    @property
    def shown(self) -> str:
        """The address without secrets."""
        if self.dialect == "sqlite":
            return f"sqlite:///{self.address}"
        return redact(self.address) or "the database that PG* variables name"


def find(dsn: str, source: str) -> Database:
    """The database behind an address that `parse_dsn` let pass.

    Raises:
        UsageError: it names no file (sqlite).
    """
    scheme, separator, rest = dsn.partition("://")
    dialect = _SCHEMES.get(scheme.split("+")[0].lower()) if separator else None
    if dialect == "mysql":
        return Database("mysql", f"mysql://{rest}", source)
    if dialect == "sqlite":
        # as SQLAlchemy has it: three slashes and a relative path, four and an absolute one
        path = rest.removeprefix("/").partition("?")[0]
        if not path or path == ":memory:":
            raise UsageError("use the database", f"{source} names no file", "write sqlite:////absolute/path")
        return Database("sqlite", path, source)
    if separator:  # SQLAlchemy's drivers (postgresql+psycopg2://) mean nothing to libpq
        rest = _without_asyncpg(rest) if scheme.lower().endswith("+asyncpg") else rest
        return Database("postgres", f"postgresql://{rest}", source)
    return Database("postgres", dsn, source)


# https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#module-sqlalchemy.dialects.postgresql.asyncpg
_OF_ASYNCPG = {
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
    "async_fallback",
}


def _without_asyncpg(rest: str) -> str:
    """The rest of a URL that was written for asyncpg, as libpq takes it: ``ssl=require`` is its ``sslmode``."""
    place, mark, query = rest.partition("?")
    kept = [
        f"sslmode{equals}{value}" if name == "ssl" else word
        for word in query.split("&")
        for name, equals, value in [word.partition("=")]
        if name not in _OF_ASYNCPG
    ]
    return place + (mark if any(kept) else "") + "&".join(kept)


@declared
class DatabaseOptions(Declared):
    """How a step finds its database; secrets need not stand in argv."""

    dialects: ClassVar[tuple[Dialect, ...]] = ("postgres", "sqlite")  # that the step knows

    url: Annotated[Dsn | None, Opt("The database's URL (better: --url-env, --url-file or DATABASE_URL).")] = None
    url_env: Annotated[str | None, Opt("Environment variable that holds the database's URL.", "NAME")] = None
    url_file: Annotated[str | None, Opt("File that holds the database's URL, such as a mounted Secret.", "PATH")] = None

    def prepare(self, environ: Mapping[str, str]) -> None:
        """See that there is an address before anything is attempted; a file may still be on its way.

        Raises:
            UsageError: nothing says where the database is.
        """
        if self.url_file is None:
            self.database(environ)

    def database(self, environ: Mapping[str, str]) -> Database:
        """The database: of ``--url``, ``--url-env``, ``--url-file``; else ``DATABASE_URL``; else libpq's ``PG*``.

        Raises:
            UsageError: none of them says where it is, or a variable or option that should does not.
            SuspectError: the file is missing.
            PermanentError: the file cannot be read, or holds no address.
        """
        if (found := self.typed_database(environ)) is not None:
            return found
        if environ.get("DATABASE_URL"):
            return self.from_variable("DATABASE_URL", environ)
        if any(environ.get(name) for name in PG_VARIABLES):
            learn(environ.get("PGPASSWORD", ""))
            return Database("postgres", "", "PG* variables")
        raise UsageError(
            "find the database",
            "no address was given",
            "set DATABASE_URL or PGHOST, or use --url-env NAME or --url-file PATH",
        )

    def typed_database(self, environ: Mapping[str, str]) -> Database | None:
        """The database of ``--url``, ``--url-env`` or ``--url-file``; None where none of them was given."""
        return self.one_of(self.url, self.url_env, self.url_file, environ, option="--url")

    def one_of(
        self, url: str | None, variable: str | None, file: str | None, environ: Mapping[str, str], *, option: str
    ) -> Database | None:
        """The database of a URL, of a variable or of a file, whichever was given first; None where none was.

        Raises:
            InitkitError: as `of_url`, `from_variable` and `from_file` have it; `option` is the one that a URL goes by.
        """
        if url is not None:
            return self.of_url(url, option)
        if variable is not None:
            return self.from_variable(variable, environ)
        if file is not None:
            return self.from_file(file, f"{option}-file")
        return None

    def of_url(self, dsn: str, source: str) -> Database:
        """The database behind an address that `parse_dsn` let pass.

        Raises:
            UsageError: the step knows no such database, or it names no file (sqlite).
        """
        found = find(dsn, source)
        if found.dialect not in self.dialects:
            known = " or ".join(_WRITTEN[dialect] for dialect in self.dialects)
            cause = f"{source}: expected a {known} URL, got one that begins with {_WRITTEN[found.dialect]}"
            raise UsageError("use the database", cause, "such a database is for migrate and wait only")
        return found

    def from_variable(self, name: str, environ: Mapping[str, str]) -> Database:
        """The database whose address an environment variable holds.

        Raises:
            UsageError: it is not set, or holds no address of a database that the step knows.
        """
        text = environ.get(name, "")
        if not text.strip():
            raise UsageError("find the database", f"the environment variable {name} is not set", f"set {name}")
        return self.of_url(*_parsed(text, f"the environment variable {name}"))

    def from_file(self, path: str, option: str) -> Database:
        """The database whose address a file holds, as `option` has it.

        Raises:
            SuspectError: the file is missing.
            PermanentError: it cannot be read, or holds no address of a database that the step knows.
        """
        task = "find the database"
        try:
            return self.of_url(*_parsed(read_text(path), path))
        except (FileNotFoundError, NotADirectoryError) as error:
            advice = f"mount it, or mend {option}; it may still be on its way"
            raise SuspectError(task, f"cannot read {path}: {error.strerror}", advice) from error
        except OSError as error:
            advice = f"make it readable for UID {os.getuid()}, or mend {option}"
            raise PermanentError(task, f"cannot read {path}: {error.strerror}", advice) from error
        except UnicodeDecodeError as error:
            raise PermanentError(task, f"{path} is not UTF-8", "write the URL into it as plain text") from error
        except UsageError as error:  # it is read when the run is under way
            raise PermanentError(error.task, error.cause, error.advice) from error


def _parsed(text: str, source: str) -> tuple[str, str]:
    try:
        return parse_dsn(text), source
    except ValueError as error:
        raise UsageError("find the database", f"{source}: {error}", "write it as postgres://USER@HOST/NAME") from error


def needs_user(environ: Mapping[str, str], user: object) -> bool:
    """Whether libpq would ask the system for a user's name and find none, as under an arbitrary UID."""
    if user or environ.get("PGUSER"):
        return False
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return True
    return False
