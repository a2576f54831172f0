"""What people ask for, rule by rule; which entry gets what of it is the concern of `places`."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated

from initkit.core.assemble import MappingParser
from initkit.core.identity import Group, Owner, UserAndGroup, group_id, user_id
from initkit.core.options import Declared, Opt, declared
from initkit.steps.perms.asked.glob import parse_glob
from initkit.steps.perms.asked.mode import parse_mode, settles, show_umask
from initkit.steps.perms.asked.places import NO_UMASK, Places
from initkit.steps.perms.asked.values import FileMode, Glob, Umask
from initkit.steps.perms.asked.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence


def refuse_two_groups(owner: Owner | None, group: str | None) -> None:
    """What is wrong with an owner and a group that each are right by themselves.

    Raises:
        ValueError: both name a group.
    """
    if owner and owner.group is not None and group is not None:
        raise ValueError(f"expected one group, got owner {owner} and group {group}")


def refuse_set_ids(rules: Sequence[Rule]) -> None:
    """What is wrong with modes of files unless they are really meant.

    Raises:
        ValueError: one would make every file run as its owner or group.
    """
    for mode in given_set_ids(rules):
        raise ValueError(
            "expected a file-mode without setuid and setgid (every file would run as its owner or group), "
            f"got {mode} (see --really)"
        )


def given_set_ids(rules: Sequence[Rule]) -> list[str]:
    """The modes that give files setuid or setgid, as they were written."""
    return [str(rule.file_mode) for rule in rules if rule.file_mode and rule.file_mode.sets_ids]


def refuse_unsettled(rules: Sequence[Rule]) -> None:
    """What is wrong with modes and umasks that each are right by themselves; which rules meet, only a tree can tell.

    Raises:
        ValueError: a mode would give something else each time, because it reads what a umask takes away.
    """
    modes = [mode for rule in rules for mode in (rule.dir_mode, rule.file_mode) if mode is not None]
    umasks = [rule.umask for rule in rules if rule.umask]
    for mode, umask in product(dict.fromkeys(modes), dict.fromkeys(umasks)):
        if not settles(mode, umask):
            raise ValueError(
                "expected modes that change nothing when they are applied again, "
                f"got {mode} with umask {show_umask(umask)}"
            )


@declared
class Rule(Declared):
    """What the entries that match a pattern are to have."""

    path: Annotated[Glob, Opt("Pattern below each PATH: bin/** is bin and all in it, *.sh only files in PATH itself.")]
    owner: Annotated[UserAndGroup | None, Opt("Owner, and group after a colon, by name or number.")] = None
    group: Annotated[Group | None, Opt("Group, by name or number.")] = None
    dir_mode: Annotated[FileMode | None, Opt("Mode of folders.")] = None
    file_mode: Annotated[FileMode | None, Opt("Mode of regular files.")] = None
    umask: Annotated[Umask | None, Opt("Permission bits that neither folder nor file is to have.")] = None

    def __post_init__(self) -> None:
        """Refuse a rule that says nothing, or too much.

        Raises:
            ValueError: so it is.
        """
        asked = (self.owner, self.group, self.dir_mode, self.file_mode, self.umask)
        if all(value is None for value in asked):
            raise ValueError(f"expected owner, group, dir-mode, file-mode or umask for {self.path!r}, got none of them")
        refuse_two_groups(self.owner, self.group)


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


def resolve(rule: Rule) -> tuple[str, Wanted]:
    """A rule's pattern, and what it asks for with names looked up.

    Raises:
        PermanentError: this image does not know a name.
    """
    group = rule.group if rule.owner is None or rule.owner.group is None else rule.owner.group
    return rule.path, Wanted(
        user_id(rule.owner.user) if rule.owner else None,
        group_id(group) if group is not None else None,
        rule.dir_mode,
        rule.file_mode,
        0 if rule.umask is None else rule.umask or NO_UMASK,
    )


def placed(
    rules: Sequence[Rule], include: Sequence[str] = (), exclude: Sequence[str] = (), max_depth: int | None = None
) -> Places:
    """What each entry is to have; later rules beat earlier ones.

    Raises:
        PermanentError: this image does not know a name.
    """
    return Places([resolve(rule) for rule in rules], include, exclude, max_depth)
