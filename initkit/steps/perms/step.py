"""The step: declared owners, groups and modes for whole trees; how they are walked and changed is known to its room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.identity import Group, UserAndGroup
from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.outcome import Outcome, Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.core.values import Count
from initkit.steps.perms.asked.glob import ANY_FOLDERS, parts
from initkit.steps.perms.asked.rules import (
    Rule,
    RuleOption,
    given_set_ids,
    placed,
    refuse_set_ids,
    refuse_two_groups,
    refuse_unsettled,
)
from initkit.steps.perms.asked.task import Task
from initkit.steps.perms.asked.values import Create, FileMode, Glob, HardLinks, Policy, Umask
from initkit.steps.perms.denied.causes import shown
from initkit.steps.perms.roots import refuse_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.outcome import Finding
    from initkit.core.step import Context
    from initkit.steps.perms.walking.tally import Tally

# a path that does not exist is more often a typing error than a folder that another pod is about to create
_RETRY = RetryPolicy(timeout=60.0, suspect_for=10.0)


@declared
class Perms(Declared):
    """Set owners, groups and modes of files and folders; touch only what differs, follow no link.

    --owner, --group, --dir-mode, --file-mode and --umask hold for everything below each PATH, and for PATH
    itself; rules come after them, and of all that match an entry each property is as the last one says it.
    """

    kind: ClassVar[str] = "perms"

    paths: Annotated[tuple[str, ...], Arg("Files or folders (with all in them) to look at.", "PATH")]
    owner: Annotated[UserAndGroup | None, Opt("Owner, and group after a colon, by name or number.")] = None
    group: Annotated[Group | None, Opt("Group, by name or number.")] = None
    dir_mode: Annotated[FileMode | None, Opt("Mode of folders, such as 2770 or u=rwX,g=rXs,o=.")] = None
    file_mode: Annotated[FileMode | None, Opt("Mode of regular files, such as 0640 or u=rwX,g=rX,o=.")] = None
    umask: Annotated[
        Umask | None,
        Opt("Permission bits that neither folders nor files are to have, such as 0027, whatever the modes say."),
    ] = None
    rules: Annotated[
        tuple[RuleOption, ...],
        Opt("Mode of the files that match, GLOB/=MODE of folders: bin/**=0750; later ones beat earlier ones."),
    ] = ()
    include: Annotated[
        tuple[Glob, ...], Opt("Set only what matches, such as **/*.conf; may be repeated. All is still looked through.")
    ] = ()
    exclude: Annotated[
        tuple[Glob, ...],
        Opt("Leave alone what matches, such as lost+found, and do not enter folders that do; may be repeated."),
    ] = ()
    max_depth: Annotated[
        Count | None, Opt("Levels below PATH that are looked at, as find has it; 0: only PATH itself.")
    ] = None
    one_file_system: Annotated[
        bool, Opt("Leave other devices and mounts below PATH alone, bind mounts too, which is the default.")
    ] = True
    hard_links: Annotated[
        HardLinks,
        Opt(
            "Files that have other names (hard links), perhaps outside PATH: skip changes them only where their owner"
            " is the right one already, allow changes them like any other."
        ),
    ] = "skip"
    create: Annotated[Create, Opt("What to make of a PATH that does not exist; dir: a folder, with its parents.")] = (
        "no"
    )
    policy: Annotated[
        Policy,
        Opt(
            "When to look through PATH: always; on-root-mismatch: if PATH itself is not as wanted; stamp: unless a"
            " stamp in it says that the same options have been carried out."
        ),
    ] = "always"
    really: Annotated[bool, Opt("Allow a PATH that belongs to the system, and to give files setuid or setgid.")] = False
    keep_going: Annotated[
        bool, Opt("Where something is refused, go on and tell all of it in the end, which is the default.")
    ] = True
    retry: RetryPolicy = _RETRY

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: there is no path or nothing to do, a path belongs to the system, something is given twice, or
                options leave nothing to be set.
        """
        if not self.paths:
            raise ValueError("expected at least one PATH, got none")
        refuse_paths(self.paths, really=self.really)
        if not self.rules and not self._asks_everywhere and self.create == "no":
            raise ValueError(
                "expected at least one of owner, group, dir-mode, file-mode, umask, rules and create, got none"
            )
        refuse_two_groups(self.owner, self.group)
        if not self.really:
            refuse_set_ids(self._all_rules())
        refuse_unsettled(self._all_rules())
        _refuse_nothing_left(self.include, self.exclude)

    def check(self, context: Context) -> Finding:
        """What differs from what is declared; entries that may not be looked at count only where nothing else does.

        Raises:
            SuspectError: a path does not exist.
            PermanentError: a name is unknown, a path is refused, or something could not be looked at.
        """
        from initkit.steps.perms.run import look  # noqa: PLC0415 - not needed for --help

        self._warn(context)
        tally = look(self.task(), context)
        if tally.is_changed:
            return Pending(tally.detail, tuple(tally.changes), tally.facts)
        self._raise_failures(tally)
        return Satisfied(tally.detail, tally.facts)

    def apply(self, context: Context) -> Outcome:
        """Change what differs, and go on where something is refused unless `keep_going` is off.

        Raises:
            SuspectError: a path does not exist.
            TemporaryError: something failed that may be over soon.
            PermanentError: a name is unknown, a path is refused, or the system refused something.
        """
        from initkit.steps.perms.run import change  # noqa: PLC0415 - not needed for --help

        tally = change(self.task(), context)
        self._raise_failures(tally)
        if tally.is_changed:
            return Outcome.changed(tally.detail, tally.facts)
        return Outcome.ok(tally.detail, tally.facts)

    def task(self) -> Task:
        """What is to be done, with all names looked up.

        Raises:
            PermanentError: this image does not know a name.
        """
        return Task(
            paths=self.paths,
            places=placed(self._all_rules(), self.include, self.exclude, self.max_depth),
            one_file_system=self.one_file_system,
            hard_links=self.hard_links == "allow",
            policy=self.policy,
            create=self.create == "dir",
            really=self.really,
            keep_going=self.keep_going,
        )

    @property
    def _asks_everywhere(self) -> bool:
        asked = (self.owner, self.group, self.dir_mode, self.file_mode, self.umask)
        return any(value is not None for value in asked)

    def _all_rules(self) -> list[Rule]:
        if not self._asks_everywhere:
            return list(self.rules)
        first = Rule(
            path=ANY_FOLDERS,
            owner=self.owner,
            group=self.group,
            dir_mode=self.dir_mode,
            file_mode=self.file_mode,
            umask=self.umask,
        )
        return [first, *self.rules]

    def _warn(self, context: Context) -> None:
        """Say what is done only because of `really`."""
        if not self.really:
            return
        for mode in given_set_ids(self._all_rules()):
            context.voice.warn(
                f"file-mode {mode} makes files run as their owner or group, and is set because of --really"
            )

    def _raise_failures(self, tally: Tally) -> None:
        if tally.failures:
            done = tally.detail if tally.is_changed else ""
            raise tally.error(f"set permissions in {', '.join(map(shown, self.paths))}", done=done)


def _refuse_nothing_left(include: Sequence[str], exclude: Sequence[str]) -> None:
    """What is wrong with patterns that are each right by themselves.

    Raises:
        ValueError: everything is excluded, or just what is included.
    """
    if [ANY_FOLDERS] in map(parts, exclude):
        raise ValueError("expected an exclude that leaves something to be set, got **")
    for glob in include:
        if glob in exclude:
            raise ValueError(f"expected each pattern in include or in exclude, got {glob!r} in both")


STEP = Perms
