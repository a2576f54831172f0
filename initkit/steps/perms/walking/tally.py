"""Counts what a walk met and did, and says it; nothing here looks at a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.perms.denied.causes import advised

if TYPE_CHECKING:
    from collections.abc import Callable

    from initkit.core.errors import InitkitError
    from initkit.steps.perms.denied.causes import Failure
    from initkit.steps.perms.differing import Difference

_FIRST = 10  # paths that are shown of any list
COUNTED = ("seen", "owner", "group", "mode", "vanished", "elsewhere", "excluded")
_FEW = 3  # paths that are named within a sentence


class Shown:
    """A list of which only the first few are kept."""

    def __init__(self, first: list[str] | None = None, count: int = 0) -> None:
        self.first = first or []
        self.count = count

    def add(self, text: str | Callable[[], str]) -> None:
        """Count it, and keep it while there are few; only then is it asked for."""
        self.count += 1
        if self.count <= _FIRST:
            self.first.append(text if isinstance(text, str) else text())

    def merge(self, other: Shown) -> None:
        """Count what another process met."""
        self.count += other.count
        self.first = (self.first + other.first)[:_FIRST]

    def lines(self) -> list[str]:
        """The first ones, and how many more there are."""
        return self.first + ([f"and {self.count - _FIRST} more"] if self.count > _FIRST else [])


class Tally:
    """What a walk met.

    Attributes:
        looking: whether nothing is to be changed.
        seen: entries that belong to the tree and are to be something.
        owner: entries whose owner differs, or was changed; so `group` and `mode`.
        vanished: entries that were gone, or something else, when it came to them; each was looked at once more.
        elsewhere: entries on another file system or mount, which were left alone with all below them.
        excluded: entries that no pattern includes, or one excludes.
        differing: entries of which anything does.
        first: paths of the first few of them.
        linked: files that differ but have other names, perhaps outside of the tree, and were left alone.
        besides: what else is to be done, or was: folders that are made, a stamp that is due.
        failures: what could not be done, by reason.
        notes: why a root was not walked.
    """

    def __init__(self, *, looking: bool = False) -> None:
        self.looking = looking
        self.seen = 0
        self.owner = 0
        self.group = 0
        self.mode = 0
        self.vanished = 0
        self.elsewhere = 0
        self.excluded = 0
        self.differing = Shown()
        self.first: list[str] = []
        self.linked = Shown()
        self.besides = Shown()
        self.failures: dict[Failure, Shown] = {}
        self.notes: list[str] = []

    def differs(self, path: Callable[[], str], difference: Difference) -> None:
        """Count an entry that is not, or was not, as it should be."""
        self.differ(difference, 1)
        if self.differing.count <= _FIRST:
            self.first.append(path())
            self.differing.first.append(f"{self.first[-1]}: {difference}")

    def differ(self, difference: Difference, count: int) -> None:
        """Count so many of them, whose paths need not be shown."""
        self.differing.count += count
        if difference.uid is not None:
            self.owner += count
        if difference.gid is not None:
            self.group += count
        if difference.mode is not None:
            self.mode += count

    def failed(self, path: str | Callable[[], str], failure: Failure) -> None:
        """Count an entry that something could not be done to."""
        self.failures.setdefault(failure, Shown()).add(path)

    def merge(self, other: Tally) -> None:
        """Count what another process met."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.differing.merge(other.differing)
        self.first = (self.first + other.first)[:_FIRST]
        self.linked.merge(other.linked)
        self.besides.merge(other.besides)
        self.notes += other.notes
        for failure, where in other.failures.items():
            self.failures.setdefault(failure, Shown()).merge(where)

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs, and all that should be could be looked at."""
        return not self.is_changed and not self.failures

    @property
    def is_changed(self) -> bool:
        """Whether something differs, or was changed."""
        return bool(self.differing.count or self.besides.count)

    @property
    def changes(self) -> list[str]:
        """What differs, a line each; the first few."""
        return self.besides.lines() + self.differing.lines()

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
            "hard_links": self.linked.count,
            "excluded": self.excluded,
            "failed": self._failed,
            "paths": self.first,
        }

    @property
    def _failed(self) -> int:
        return sum(where.count for where in self.failures.values())

    @property
    def detail(self) -> str:
        """The counts as a person reads them: ``12 of 340 entries: 3 owner, 9 mode (/srv/a, /srv/b, …)``."""
        return "; ".join(filter(None, (*self.besides.lines(), self._entries, *self.notes)))

    @property
    def _entries(self) -> str:
        if not self.seen and (self.besides.count or self.notes):
            return ""
        if not self.differing.count:
            right = self.seen - self.linked.count
            return f"{entries(right)} as {'it' if right == 1 else 'they'} should be{self._aside}"
        kinds = {"owner": self.owner, "group": self.group, "mode": self.mode}
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        return f"{self.differing.count} of {entries(self.seen)}: {counts} ({self._such}){self._aside}"

    @property
    def _such(self) -> str:
        few = ", ".join(self.first[:_FEW])
        return f"{few}, …" if self.differing.count > _FEW else few

    @property
    def _aside(self) -> str:
        linked = f" ({self.linked.first[0]}{', …' if self.linked.count > 1 else ''})" if self.linked.count else ""
        texts = {
            "on another file system or mount, left alone": self.elsewhere,
            f"with other names (hard links), left alone{linked}": self.linked.count,
            "excluded": self.excluded,
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
        error = TemporaryError if all(failure.passing for failure in self.failures) else PermanentError
        return error(task, "; ".join(causes), advised(self.failures), done=done)


def entries(count: int) -> str:
    """So many of them."""
    return "1 entry" if count == 1 else f"{count} entries"
