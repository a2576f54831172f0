"""The step: what it is told. Which datasets there are is found by `datasets`, what becomes of them decided in `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Opt, Parser, declared
from initkit.core.retry import RetryPolicy
from initkit.db.dsn import DatabaseOptions
from initkit.steps.seed.settings import RuleOption, Settings

if TYPE_CHECKING:
    from initkit.core.outcome import Finding, Outcome
    from initkit.core.step import Context
    from initkit.steps.seed.dataset import Dataset

_STDIN = "-"


def parse_set(text: str) -> str:
    """The name of a folder.

    Raises:
        ValueError: it leads elsewhere.
    """
    name = text.strip()
    if not name or name.startswith(".") or "/" in name:
        raise ValueError(f"expected the name of a folder, got {text!r}")
    return name


SetName = Annotated[str, Parser("NAME", parse_set)]


@declared
class Seed(DatabaseOptions, Settings):
    """Load CSV, JSON, YAML and SQL files into the tables that they are named after; repeat it as often as you like."""

    kind: ClassVar[str] = "seed"

    paths: Annotated[
        tuple[str, ...],
        Arg(
            "Files, or folders of files: [SCHEMA.]TABLE.csv, .tsv, .ndjson, .json, .yaml, .sql, each also .gz; or -.",
            "PATH",
        ),
    ]
    env: Annotated[
        SetName | None, Opt("Of each folder, load the datasets in common/ and then those in the folder of this name.")
    ] = None
    files: Annotated[
        tuple[RuleOption, ...], Opt("The mode of one file, or of those that match; in a plan any setting of it.")
    ] = ()
    retry: RetryPolicy = RetryPolicy(timeout=600.0)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: there is no path, one table for several, or settings exclude each other.
        """
        from initkit.steps.seed.choosing import refuse_nonsense  # noqa: PLC0415 - not needed for --help

        if not self.paths:
            raise ValueError("expected at least one PATH, got none")
        if len(self.paths) > 1 and self.table is not None:
            raise ValueError(f"expected one PATH with table, got {len(self.paths)}")
        if _STDIN in self.paths:
            self._refuse_for_stdin()
        refuse_nonsense(self, "the options")

    def _refuse_for_stdin(self) -> None:
        if len(self.paths) > 1 or self.files or self.env:
            raise ValueError("expected standard input (-) alone, without other paths, files and env")
        if self.table is None or self.format is None:
            raise ValueError("expected table and format with standard input (-), which has no name that says them")
        if self.format == "sql":
            raise ValueError("expected another format from standard input (-), got sql")
        if self.mode in {None, "once"}:
            raise ValueError(
                "expected mode upsert, insert-missing, replace or if-empty with standard input (-), got once, "
                "which has to see first whether the content is the same"
            )

    def check(self, context: Context) -> Finding:
        """What there is to load: by a hash where that is enough, exactly where it is only looked."""
        from initkit.steps.seed import run  # noqa: PLC0415 - not needed for --help

        found = self._datasets(context, aloud=True)
        if context.looking:
            return run.compare(found, self.database(context.environ), context)
        return run.look(found, self.database(context.environ), context)

    def apply(self, context: Context) -> Outcome:
        """Load it, all or nothing."""
        from initkit.steps.seed import run  # noqa: PLC0415 - not needed for --help

        found = self._datasets(context, aloud=False)
        return run.load(found, self.database(context.environ), context)

    def _datasets(self, context: Context, *, aloud: bool) -> list[Dataset]:
        from initkit.steps.seed import datasets  # noqa: PLC0415 - not needed for --help
        from initkit.steps.seed.manifest import Rule  # noqa: PLC0415 - not needed for --help

        rules = [Rule(rule.file, rule, f"{rule.file!r} in files") for rule in self.files]
        voice = context.voice if aloud else None
        return datasets.find(self.paths, self, rules, env=self.env or "", voice=voice)


STEP = Seed
