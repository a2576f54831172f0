"""What is remembered of a target from one probe to the next; the targets themselves are frozen and hold nothing."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Memory(Generic[T]):
    """One `T` for each target, as long as the target lives; equal targets share it, since they see the same."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._known: weakref.WeakKeyDictionary[object, T] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, target: object) -> T:
        """What is remembered of `target`, made new at the first time; for any thread."""
        with self._lock:
            if target not in self._known:
                self._known[target] = self._make()
            return self._known[target]


class Observer:
    """Since when something looks the same, by what was seen of it and by our own clock; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: object = None
        self._since = 0.0
        self._searched: object = None

    def saw(self, snapshot: object, began: float, ended: float) -> float:
        """Seconds for which it certainly has looked like `snapshot`; 0 where it did not at the look before.

        Args:
            snapshot: all that would change with it.
            began: when the look began, monotonic.
            ended: when it ended: only from then on a first look counts.
        """
        with self._lock:
            if snapshot != self._seen:
                self._seen, self._since = snapshot, ended
            return max(0.0, began - self._since)

    def forget(self) -> None:
        """It is not there any more."""
        with self._lock:
            self._seen = self._searched = None

    def searched(self, snapshot: object) -> None:
        """Remember that `snapshot` was searched in vain, and need not be again."""
        with self._lock:
            self._searched = snapshot

    def was_searched(self, snapshot: object) -> bool:
        """Whether `searched` was told of the same one."""
        with self._lock:
            return snapshot == self._searched
