"""What both ways to publish have in common: a link that is switched (`place`), and files in DEST itself (`plain`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.git.publish.record import Record

Verify = Literal["quick", "full"]


class Layout(Protocol):
    """A folder that content is published in.

    A *key* names content: the commit, a hyphen, and a digest of the options that shape what is written.
    """

    @property
    def house(self) -> str:
        """Our own folder in DEST: repositories, trees, records, the lock."""
        ...

    @property
    def lock(self) -> str:
        """The file to lock while anything is changed."""
        ...

    @property
    def path(self) -> str:
        """Where readers look."""
        ...

    def refuse_strangers(self) -> None:
        """Raise where something that initkit did not make stands in the way; nothing of it is ever touched."""
        ...

    def open(self) -> None:
        """Make DEST and the house."""
        ...

    def published(self) -> Record | None:
        """The record of what is published whole."""
        ...

    def fault(self, verify: Verify, context: Context) -> str:
        """What is wrong with what is published, as a clause, such as ``a/b was changed``; empty where nothing is."""
        ...

    def clear(self, context: Context) -> None:
        """Remove what killed runs left."""
        ...

    def new_tree(self) -> str:
        """Make an empty folder for a tree; returns its path."""
        ...

    def show(self, key: str, verify: Verify, context: Context) -> Record | None:
        """Lead readers to a whole tree of that key that is there already; None where there is none to be used."""
        ...

    def publish(self, tree: str, manifest: bytes, record: Record, context: Context) -> None:
        """Lead readers to a tree that was just made, and put its manifest and its record beside it."""
        ...

    def overdue(self, context: Context) -> bool:
        """Whether anything was replaced longer ago than it is kept; it reads a few names, and needs no lock."""
        ...

    def retire(self, context: Context) -> None:
        """Remove what was replaced longer ago than it is kept; for the holder of the lock."""
        ...
