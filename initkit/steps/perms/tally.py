"""Counts what a walk met and did, and says it; nothing here looks at a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.perms.causes import Failure, shown

if TYPE_CHECKING:
    from initkit.core.errors import InitkitError
    from initkit.steps.perms.settle import Difference

_FIRST = 10  # paths that are shown of any list


@dataclass
class Shown:
    """A list of which only the first few are kept."""

    first: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, text: str) -> None:
        """Count it, and keep it while there are few."""
        self.count += 1
        if self.count <= _FIRST:
            self.first.append(text)

    def lines(self) -> list[str]:
        """The first ones, and how many more there are."""
        return self.first + ([f"and {self.count - _FIRST} more"] if self.count > _FIRST else [])


@dataclass
class Tally:
    """What a walk met.

    Attributes:
        looking: whether nothing is to be changed.
        seen: entries that belong to the tree.
        owner: entries whose owner differs, or was changed; so `group` and `mode`.
        differing: entries of which anything does.
        vanished: entries that were gone, or something else, when it came to them.
        elsewhere: entries on another file system, which were left alone with all below them.
    """

    looking: bool = False
    seen: int = 0
    owner: int = 0
    group: int = 0
    mode: int = 0
    vanished: int = 0
    elsewhere: int = 0
    differing: Shown = field(default_factory=Shown)
    failures: dict[Failure, Shown] = field(default_factory=dict)

    def differs(self, path: str, difference: Difference) -> None:
        """Count an entry that is not, or was not, as it should be."""
        self.owner += difference.uid is not None
        self.group += difference.gid is not None
        self.mode += difference.mode is not None
        self.differing.add(f"{shown(path)}: {difference}")

    def failed(self, path: str, failure: Failure) -> None:
        """Count an entry that something could not be done to."""
        self.failures.setdefault(failure, Shown()).add(shown(path))

    @property
    def facts(self) -> dict[str, object]:
        """All counts."""
        return {
            "seen": self.seen,
            "changed": self.differing.count,
            "owner": self.owner,
            "group": self.group,
            "mode": self.mode,
            "vanished": self.vanished,
            "other_file_systems": self.elsewhere,
            "failed": self._failed,
        }

    @property
    def _failed(self) -> int:
        return sum(where.count for where in self.failures.values())

    @property
    def detail(self) -> str:
        """The counts as a person reads them: ``12 of 340 entries: 3 owner, 9 mode``."""
        if not self.differing.count:
            return f"{entries(self.seen)} as {'it' if self.seen == 1 else 'they'} should be{self._aside}"
        kinds = {"owner": self.owner, "group": self.group, "mode": self.mode}
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        return f"{self.differing.count} of {entries(self.seen)}: {counts}{self._aside}"

    @property
    def _aside(self) -> str:
        texts = {
            "on another file system, left alone": self.elsewhere,
            "gone meanwhile": self.vanished,
            "not looked into" if self.looking else "refused": self._failed,
        }
        return "".join(f"; {count} {text}" for text, count in texts.items() if count)

    def error(self, task: str, *, done: str = "") -> InitkitError:
        """Everything that failed, each reason with its first few paths; a `TemporaryError` if all may be over soon."""
        causes = [
            f"{failure.reason} when {failure.doing} {where.count} of {entries(self.seen)}: {', '.join(where.lines())}"
            for failure, where in self.failures.items()
        ]
        advice = dict.fromkeys(failure.advice for failure in self.failures if failure.advice)
        error = TemporaryError if all(failure.passing for failure in self.failures) else PermanentError
        return error(task, "; ".join(causes), "; ".join(advice), done=done)


def entries(count: int) -> str:
    """So many of them."""
    return "1 entry" if count == 1 else f"{count} entries"
