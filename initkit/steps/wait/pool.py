"""Threads that probes and look-ups of names are made in; what is done there is none of its business."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class ThreadPool:
    """Daemon threads that are used again: a job that hangs for ever costs one, and keeps no one from leaving."""

    def __init__(self, most: int = 128) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._most = most
        self._idle = 0
        self._threads = 0

    def launch(self, job: Job) -> None:
        """Have `job` done: now, or once a thread is free where there are as many as there may be.

        Raises:
            RuntimeError: the system lets us start no thread at all.
        """
        with self._lock:
            if self._idle <= 0 and self._threads < self._most:
                self._start()
            else:
                self._idle -= 1  # below 0 the next to be free has its job already
        self._jobs.put(job)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._work, daemon=True, name="probe").start()
        except RuntimeError:
            if not self._threads:
                raise
            self._most = self._threads
            self._idle -= 1
        else:
            self._threads += 1

    @property
    def has_room(self) -> bool:
        """Whether a job would begin at once."""
        return self._idle > 0 or (self._threads < self._most and self._idle >= 0)

    def close(self) -> None:
        """Send everyone home who is not stuck."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            finally:
                with self._lock:
                    self._idle += 1
