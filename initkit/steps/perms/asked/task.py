"""What a step has decided, as plain values with all names looked up: what `run` is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from initkit.steps.perms.asked.places import Places

_VERSION = 1  # raised when the same options come to something else, so that no older stamp is believed


class Task(NamedTuple):
    """One task, over all its roots.

    Attributes:
        paths: of the roots, as they were given.
        places: what each entry is to have.
        one_file_system: whether other file systems and mounts are left alone.
        hard_links: whether files with several names are changed like any other.
        policy: when a root is walked: ``always``, ``on-root-mismatch`` or ``stamp``.
        create: whether a root that does not exist is made, as a folder.
        really: whether roots may belong to the system.
        keep_going: whether the walk goes on where something is refused.
    """

    paths: tuple[str, ...]
    places: Places
    one_file_system: bool = True
    hard_links: bool = False
    policy: str = "always"
    create: bool = False
    really: bool = False
    keep_going: bool = True

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal of everything that decides what a root comes to have, whatever its path."""
        import hashlib  # noqa: PLC0415 - it takes as long to load as all the rest; only `stamp` asks

        return hashlib.sha256(ascii(self._decisive()).encode("ascii")).hexdigest()

    def _decisive(self) -> tuple[object, ...]:
        """Numbers, texts and None in one order, so that it always reads alike."""
        places = self.places
        return (
            ("version", _VERSION),
            ("rules", [(glob, *wanted.plainly()) for glob, wanted in places.rules]),
            ("include", sorted(set(places.include))),
            ("exclude", sorted(set(places.exclude))),
            ("max-depth", places.max_depth),
            ("one-file-system", self.one_file_system),
            ("hard-links", self.hard_links),
        )
