"""Work that is done while a child is waited for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Beside(Generic[T]):
    """Begins `work` in a thread of its own; whoever does not ask for what it comes to leaves it behind."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._values: list[T] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="beside")
        self._thread.start()

    def result(self) -> T:
        """What `work` returned, or raises what it raised."""
        self._thread.join()
        if self._errors:
            raise self._errors[0]
        return self._values[0]

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._values.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again for whoever asks
            self._errors.append(error)
