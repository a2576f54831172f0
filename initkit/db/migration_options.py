"""Which migrations are meant and how far to go: the options that applying them and waiting for them share."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from initkit.core.options import Arg, Opt, Parser, declared
from initkit.db.dsn import DatabaseOptions, Dialect

_RELATIVE = re.compile(r".*[+-]\d+|base|.*:.*|\s*")
_KEY_VALUE = re.compile(r"[^=\s]+(=.*)?", re.DOTALL)


def parse_revision(text: str) -> str:
    """A revision to go up to: its identifier, the beginning of it, a branch's ``label@head``, ``head`` or ``heads``.

    Raises:
        ValueError: it says how far to go (``+1``), which would go on with each run, or names a range.
    """
    if _RELATIVE.fullmatch(text):
        raise ValueError(f"expected a revision, head or heads, got {text!r}")
    return text.strip()


def parse_argument(text: str) -> str:
    """An argument for env.py, as ``alembic -x`` takes it: ``key=value`` or ``key``.

    Raises:
        ValueError: it has no key.
    """
    if not _KEY_VALUE.fullmatch(text):
        raise ValueError(f"expected KEY=VALUE, got {text!r}")
    return text


RevisionName = Annotated[str, Parser("REVISION", parse_revision)]
Argument = Annotated[str, Parser("KEY=VALUE", parse_argument)]


@declared
class MigrationOptions(DatabaseOptions):
    """Which migrations, of which database, up to where."""

    dialects: ClassVar[tuple[Dialect, ...]] = ("postgres", "sqlite", "mysql")

    path: Annotated[
        str,
        Arg("An alembic.ini or pyproject.toml, a folder that holds one, or a folder with env.py or *.sql.", "PATH"),
    ]
    engine: Annotated[
        Literal["auto", "alembic", "sql"], Opt("What applies the migrations; auto takes what PATH holds.")
    ] = "auto"
    to: Annotated[RevisionName, Opt("Go up to this revision; heads is the newest of all branches.")] = "heads"
    x: Annotated[tuple[Argument, ...], Opt("An argument for env.py, as alembic -x.", short="x")] = ()
    pythonpath: Annotated[tuple[str, ...], Opt("A folder that env.py and revisions import from.", "FOLDER")] = ()
    export: Annotated[
        tuple[str, ...], Opt("One more environment variable in which env.py finds the database's URL.", "NAME")
    ] = ()
