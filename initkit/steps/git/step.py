"""The step `git`: what can be asked for; `looking` and `settling` know how it is looked at and put there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from initkit.core.options import declared
from initkit.core.outcome import Outcome
from initkit.core.retry import RetryPolicy
from initkit.steps.git.asked.content import Content
from initkit.steps.git.asked.published import Published
from initkit.steps.git.asked.ssh import Ssh
from initkit.steps.git.asked.staying import Staying
from initkit.steps.git.work import Work, file_system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.outcome import Finding
    from initkit.core.step import Context, Persist

_PATIENCE = RetryPolicy(timeout=600, max_interval=30, attempt_timeout=60)


@declared
class Git(Staying, Ssh, Published, Content):
    """Publish a repository's content in a folder: all of it at once, through a link."""

    kind: ClassVar[str] = "git"

    retry: RetryPolicy = _PATIENCE

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: options exclude each other.
        """
        super().__post_init__()
        if self.subpath and self.git_dir == "keep":
            raise ValueError("expected git-dir keep without subpath, got both: a repository has all of its folders")

    def prepare(self, environ: Mapping[str, str]) -> None:
        """See before anything is attempted that the options for reaching the repository go with its address.

        Raises:
            UsageError: they do not.
        """
        from initkit.steps.git.access.http import refuse_contradictions  # noqa: PLC0415 - not needed for --help
        from initkit.steps.git.asked.reachable import refuse_incomplete  # noqa: PLC0415 - as above

        refuse_incomplete(self, self.repository, only_one=self.submodules == "off")
        refuse_contradictions(self, self.repository, environ, only_one=self.submodules == "off" and not self.lfs)

    def check(self, context: Context) -> Finding:
        """Compare what is published with what the remote has; a full SHA that is published needs no network."""
        from initkit.steps.git.looking import look  # noqa: PLC0415 - not needed for --help

        with file_system(self.dest):
            return look(Work(self), context)

    def apply(self, context: Context) -> Outcome:
        """Publish what is not published, and have ``--exec`` told; killed in between, the next run tells it."""
        from initkit.steps.git.settling import settle  # noqa: PLC0415 - not needed where there is nothing to do

        with file_system(self.dest):
            work = Work(self)
            outcome = settle(work, context)
            shown, teller = work.layout().published(), work.teller()
            if shown is None or teller is None or not teller.owes(shown):
                return outcome
            teller.tell(shown, context, before=str(outcome.facts.get("previous_sha", "")))
            return Outcome.changed(f"{outcome.detail}, ran {teller.name}", {**outcome.facts, "told": True})

    def stay(self, context: Context, first: Persist) -> NoReturn:
        """Publish, and keep it fresh; see `staying`."""
        from initkit.steps.git.staying.rounds import stay  # noqa: PLC0415 - not needed where it ends

        stay(self, context, first)

    def shown(self) -> str:
        """The commit that was published by these same options before; empty where there is none."""
        with file_system(self.dest):
            return Work(self).shown()

    def tell(self, context: Context, before: str) -> None:
        """Run ``--exec``, if there is one, for what is published, whether or not it was told of it.

        Args:
            context: the environment, and whether the end was asked for.
            before: the commit that was published before.

        Raises:
            InitkitError: it failed, or cannot be run.
        """
        with file_system(self.dest):
            work = Work(self)
            shown, teller = work.layout().published(), work.teller()
            if shown is not None and teller is not None:
                teller.tell(shown, context, before=before)


STEP = Git
