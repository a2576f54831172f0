"""Which entry is to have which owner, group and mode; what an entry has is the concern of `settle`."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Annotated, NamedTuple

from initkit.core.assemble import MappingParser
from initkit.core.options import Declared, Opt, declared
from initkit.steps.perms.glob import Glob, compiled, parse_glob
from initkit.steps.perms.identity import Group, Owner, UserAndGroup, group_id, user_id
from initkit.steps.perms.mode import FileMode, Mode, parse_mode

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence


def refuse_nonsense(owner: Owner | None, group: str | None, file_mode: Mode | None) -> None:
    """What is wrong with options that each are right by themselves.

    Raises:
        ValueError: a group is given twice, or the mode would make every file run as its owner or group.
    """
    if owner and owner.group is not None and group is not None:
        raise ValueError(f"expected one group, got owner {owner} and group {group}")
    if file_mode and file_mode.sets_ids:
        raise ValueError(
            f"expected a file-mode without setuid and setgid (every file would run as its owner), got {file_mode}"
        )


@declared
class Rule(Declared):
    """What the entries that match a pattern are to have."""

    path: Annotated[Glob, Opt("Pattern below each PATH: bin/** is bin and all in it, *.sh only files in PATH itself.")]
    owner: Annotated[UserAndGroup | None, Opt("Owner, and group after a colon, by name or number.")] = None
    group: Annotated[Group | None, Opt("Group, by name or number.")] = None
    dir_mode: Annotated[FileMode | None, Opt("Mode of folders.")] = None
    file_mode: Annotated[FileMode | None, Opt("Mode of regular files.")] = None

    def __post_init__(self) -> None:
        """Refuse a rule that says nothing, or too much.

        Raises:
            ValueError: so it is.
        """
        if self.owner is None and self.group is None and self.dir_mode is None and self.file_mode is None:
            raise ValueError(f"expected owner, group, dir-mode or file-mode for {self.path!r}, got none of them")
        refuse_nonsense(self.owner, self.group, self.file_mode)


def parse_rule(text: str) -> Rule:
    """A rule from ``GLOB=FILE-MODE``, or ``GLOB/=DIR-MODE`` for folders.

    Raises:
        ValueError: it has another form.
    """
    glob, equals, mode = text.strip().partition("=")
    if not equals:
        raise ValueError(f"expected GLOB=MODE such as bin/**=0750, got {text!r}")
    if glob.endswith("/"):
        return Rule(path=parse_glob(glob.removesuffix("/")), dir_mode=parse_mode(mode))
    return Rule(path=parse_glob(glob), file_mode=parse_mode(mode))


def show_rule(rule: Rule) -> str:
    """The text form of a rule that has only a mode."""
    return f"{rule.path}/={rule.dir_mode}" if rule.dir_mode else f"{rule.path}={rule.file_mode}"


RuleOption = Annotated[
    Rule, MappingParser("GLOB=MODE", parse_rule, Rule, show=show_rule, schema={"type": "string", "pattern": "="})
]


class Wanted(NamedTuple):
    """What one entry is to have; None leaves that as it is."""

    uid: int | None = None
    gid: int | None = None
    dir_mode: Mode | None = None
    file_mode: Mode | None = None

    def but(self, later: Wanted) -> Wanted:
        """The same, except for what `later` says."""
        return Wanted(
            self.uid if later.uid is None else later.uid,
            self.gid if later.gid is None else later.gid,
            later.dir_mode or self.dir_mode,
            later.file_mode or self.file_mode,
        )

    def mode_of(self, found: os.stat_result) -> Mode | None:
        """The mode for what was found: links have none, and those of devices, sockets and fifos are left alone."""
        if stat.S_ISDIR(found.st_mode):
            return self.dir_mode
        return self.file_mode if stat.S_ISREG(found.st_mode) else None


def resolve(rule: Rule) -> Wanted:
    """A rule with its names looked up.

    Raises:
        PermanentError: this image does not know a name.
    """
    group = rule.group if rule.owner is None or rule.owner.group is None else rule.owner.group
    return Wanted(
        user_id(rule.owner.user) if rule.owner else None,
        group_id(group) if group is not None else None,
        rule.dir_mode,
        rule.file_mode,
    )


class Rules:
    """All rules in order; of those that match an entry, each of its properties is as the last one says it."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Look up all names.

        Raises:
            PermanentError: this image does not know one.
        """
        self._wanted = [resolve(rule) for rule in rules]
        self._patterns = [compiled(rule.path) for rule in rules if rule.path != "**"]
        self._everywhere = [rule.path == "**" for rule in rules]
        self._known: dict[tuple[bool, ...], Wanted] = {}

    def wanted(self, path: str) -> Wanted:
        """What the entry at this path below the root is to have; the root itself is ``""``."""
        if not self._patterns:
            return self._known.get(()) or self._known.setdefault((), self._merged(()))
        subject = f"{path}/" if path else ""
        hits = tuple([pattern.fullmatch(subject) is not None for pattern in self._patterns])
        if hits not in self._known:
            self._known[hits] = self._merged(hits)
        return self._known[hits]

    def _merged(self, hits: tuple[bool, ...]) -> Wanted:
        remaining = iter(hits)
        merged = Wanted()
        for wanted, everywhere in zip(self._wanted, self._everywhere, strict=True):
            if everywhere or next(remaining):
                merged = merged.but(wanted)
        return merged
