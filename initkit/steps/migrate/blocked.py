"""Says which session keeps a revision from going on, which no timeout cuts off; it ends nobody's session."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from initkit.db import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from initkit.core.step import Context

_PAUSE = 5.0  # seconds between two looks
_BLOCKER = """
select b.pid, coalesce(b.application_name, ''), coalesce(b.client_addr::text, 'local'), coalesce(b.state, '')
from unnest(%s::int[]) waiting, unnest(pg_blocking_pids(waiting)) blocking join pg_stat_activity b on b.pid = blocking
limit 1
"""


@contextmanager
def told(connection: postgres.Connection, sessions: Callable[[], Sequence[int]], context: Context) -> Iterator[None]:
    """While the block runs, say it when one of our sessions waits for a lock.

    Args:
        connection: to ask; nobody else uses it meanwhile.
        sessions: the server's process ids of ours.
        context: of the running step.
    """
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(connection, sessions, context, done), daemon=True, name="blocked")
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(_PAUSE)  # a server that is gone must keep no one


def _watch(
    connection: postgres.Connection, sessions: Callable[[], Sequence[int]], context: Context, done: threading.Event
) -> None:
    import psycopg  # noqa: PLC0415 - the driver is loaded when a database is met

    what, looks, since = "the migration under way", 0, 0.0
    with suppress(psycopg.Error):  # whoever needs this connection meets the error, too
        while True:
            is_over = done.wait(_PAUSE)
            blocker = None if is_over else connection.execute(_BLOCKER, (list(sessions()),)).fetchone()
            if blocker:
                since = since if looks else context.clock.now()
                looks += 1
                why = f"waits for a lock held by {postgres.shown(blocker)}"
                context.voice.missing(what, why, attempts=looks)
            elif looks:
                context.voice.found(what, "goes on", attempts=looks, seconds=context.clock.now() - since)
                looks = 0
            if is_over:
                return
