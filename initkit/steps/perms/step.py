"""The step: declared owners, groups and modes for whole trees; how they are walked and changed is known to its room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.outcome import Outcome, Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.steps.perms.causes import shown
from initkit.steps.perms.identity import Group, UserAndGroup
from initkit.steps.perms.mode import FileMode
from initkit.steps.perms.roots import refuse_paths
from initkit.steps.perms.rules import Rule, RuleOption, Rules, refuse_nonsense

if TYPE_CHECKING:
    from initkit.core.outcome import Finding
    from initkit.core.step import Context
    from initkit.steps.perms.tally import Tally

# a path that does not exist is more often a typing error than a folder that another pod is about to create
_RETRY = RetryPolicy(timeout=60.0, suspect_for=10.0)


@declared
class Perms(Declared):
    """Set owners, groups and modes of files and folders; touch only what differs, follow no link.

    --owner, --group, --dir-mode and --file-mode hold for everything below each PATH, and for PATH
    itself; rules come after them, and of all that match an entry each property is as the last one says it.
    """

    kind: ClassVar[str] = "perms"

    paths: Annotated[tuple[str, ...], Arg("Files or folders (with all in them) to look at.", "PATH")]
    owner: Annotated[UserAndGroup | None, Opt("Owner, and group after a colon, by name or number.")] = None
    group: Annotated[Group | None, Opt("Group, by name or number.")] = None
    dir_mode: Annotated[FileMode | None, Opt("Mode of folders, such as 2770 or u=rwX,g=rXs,o=.")] = None
    file_mode: Annotated[FileMode | None, Opt("Mode of regular files, such as 0640 or u=rwX,g=rX,o=.")] = None
    rules: Annotated[
        tuple[RuleOption, ...],
        Opt("Mode of the files that match, GLOB/=MODE of folders: bin/**=0750; later ones beat earlier ones."),
    ] = ()
    retry: RetryPolicy = _RETRY

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: nothing is asked for, or of a path that belongs to the system, or something twice.
        """
        refuse_paths(self.paths)
        asked = (self.owner, self.group, self.dir_mode, self.file_mode)
        if not self.rules and all(value is None for value in asked):
            raise ValueError("expected at least one of owner, group, dir-mode, file-mode and rules, got none")
        refuse_nonsense(self.owner, self.group, self.file_mode)

    def check(self, context: Context) -> Finding:
        """What differs from what is declared; entries that may not be looked at count only where nothing else does.

        Raises:
            SuspectError: a path does not exist.
            PermanentError: a name is unknown, a path is refused, or something could not be looked at.
        """
        from initkit.steps.perms.run import look  # noqa: PLC0415 - not needed for --help

        tally = look(self.paths, self._all_rules(), context)
        if tally.differing.count:
            return Pending(tally.detail, tuple(tally.differing.lines()), tally.facts)
        self._raise_failures(tally)
        return Satisfied(tally.detail, tally.facts)

    def apply(self, context: Context) -> Outcome:
        """Change what differs, and go on where something is refused.

        Raises:
            SuspectError: a path does not exist.
            TemporaryError: something failed that may be over soon.
            PermanentError: a name is unknown, a path is refused, or the system refused something.
        """
        from initkit.steps.perms.run import change  # noqa: PLC0415 - not needed for --help

        tally = change(self.paths, self._all_rules(), context)
        self._raise_failures(tally)
        if tally.differing.count:
            return Outcome.changed(tally.detail, tally.facts)
        return Outcome.ok(tally.detail, tally.facts)

    def _all_rules(self) -> Rules:
        asked = (self.owner, self.group, self.dir_mode, self.file_mode)
        if all(value is None for value in asked):
            return Rules(self.rules)
        first = Rule(path="**", owner=self.owner, group=self.group, dir_mode=self.dir_mode, file_mode=self.file_mode)
        return Rules([first, *self.rules])

    def _raise_failures(self, tally: Tally) -> None:
        if tally.failures:
            done = tally.detail if tally.differing.count else ""
            raise tally.error(f"set permissions in {', '.join(map(shown, self.paths))}", done=done)


STEP = Perms
