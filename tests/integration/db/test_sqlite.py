"""Real SQLite files: opening them, what their errors mean, and the lock beside them."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_guard import eventually
from fix_need import need, need_program
from fix_sqlite import leave_hot_journal

from initkit.core.errors import InitkitError, PermanentError, Stopped, SuspectError, TemporaryError, TimedOutError
from initkit.core.stop import Stop
from initkit.db import sqlite

if TYPE_CHECKING:
    from pathlib import Path


def refused(path: Path, *, read_only: bool = False) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        sqlite.connect(str(path), make_context(attempt_timeout=0.1), read_only=read_only)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    return caught.value


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop #1?.db"
    with closing(sqlite.connect(str(path), make_context())) as connection:
        connection.execute("create table a (id integer primary key)")
        connection.execute("create table b (a references a)")
    return path


def test_a_file_is_made_where_it_is_missing_whatever_its_name_is(database: Path) -> None:
    assert database.exists()


def test_foreign_keys_hold_and_nothing_is_committed_behind_ones_back(database: Path) -> None:
    with closing(sqlite.connect(str(database), make_context())) as connection:
        assert connection.isolation_level is None
        with (
            pytest.raises(PermanentError, match="FOREIGN KEY constraint failed"),
            sqlite.interrupted_on_stop(connection, make_context(), "insert"),
        ):
            connection.execute("insert into b values (1)")


def test_reading_makes_no_file(tmp_path: Path) -> None:
    error = refused(tmp_path / "missing.db", read_only=True)
    assert isinstance(error, SuspectError)
    assert error.cause == "unable to open database file"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_suspect(tmp_path: Path) -> None:
    error = refused(tmp_path / "no" / "folder.db")
    assert isinstance(error, SuspectError)
    assert error.advice == "check that the folder exists and may be written by this user"


def test_what_is_no_database_is_permanent(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("hello " * 1000)
    error = refused(path)
    assert isinstance(error, PermanentError)
    assert str(error) == (f"cannot open {path}: file is not a database; name a SQLite database, or move this file away")


def test_what_another_writes_exclusively_is_temporary(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("begin exclusive")
        error = refused(database)
    assert type(error) is TemporaryError
    assert str(error) == f"cannot open {database}: database is locked; another program is writing to it"


def test_a_read_only_connection_does_not_write(database: Path) -> None:
    with (
        closing(sqlite.connect(str(database), make_context(), read_only=True)) as connection,
        pytest.raises(PermanentError) as caught,
        sqlite.interrupted_on_stop(connection, make_context(), "insert"),
    ):
        connection.execute("insert into a values (1)")
    assert caught.value.advice == "mount the volume writable for this user"


def test_a_full_volume_is_permanent(database: Path) -> None:
    with closing(sqlite.connect(str(database), make_context())) as connection:
        connection.execute("pragma max_page_count = 3")
        with (
            pytest.raises(PermanentError, match="full; make room on the volume"),
            sqlite.interrupted_on_stop(connection, make_context(), "insert"),
        ):
            connection.execute("create table c as select zeroblob(1000000)")


def test_other_errors() -> None:
    with pytest.raises(ZeroDivisionError):
        sqlite.classify(ZeroDivisionError(), "x")
    error = sqlite.classify(sqlite3.ProgrammingError("closed"), "do it", done="half")
    assert (type(error), error.cause, error.done) == (PermanentError, "closed", "half")


FOREVER = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


def test_a_signal_interrupts_the_statement_under_way(database: Path) -> None:
    stop = Stop()
    with closing(sqlite.connect(str(database), make_context())) as connection:
        threading.Timer(0.1, stop.request, [2]).start()
        began = time.monotonic()
        with (
            pytest.raises(Stopped) as caught,
            sqlite.interrupted_on_stop(connection, make_context(stop=stop), "count"),
        ):
            connection.execute(FOREVER)
    assert (caught.value.exit_code, time.monotonic() - began < 3) == (130, True)


def test_a_signal_between_two_statements_ends_the_next_one(database: Path) -> None:
    stop = Stop()

    def look(connection: sqlite3.Connection) -> None:
        with sqlite.interrupted_on_stop(connection, make_context(stop=stop), "count"):
            stop.request(15)
            # the one interruption has come, and there was nothing to interrupt
            eventually(lambda: all(thread.name != "stop" for thread in threading.enumerate()))
            connection.execute(FOREVER)

    with closing(sqlite.connect(str(database), make_context())) as connection:
        with pytest.raises(Stopped) as caught:
            look(connection)
        assert caught.value.exit_code == 143
        assert connection.execute("select 1").fetchone() == (1,)


# the lock


def test_one_holds_the_lock_and_the_next_waits(database: Path) -> None:
    voice, clock = RecordingVoice(), VirtualClock()
    context = make_context(clock=clock, voice=voice)
    lock = f"{database}.initkit-lock"
    with sqlite.locked(str(database), make_context(), "the lock") as waited:
        assert waited < 10
        held = os.open(lock, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(held, fcntl.LOCK_EX)
    clock.after(3, lambda: os.close(held))
    with sqlite.locked(str(database), context, "the lock") as waited:
        assert waited == pytest.approx(3, abs=0.2)
    assert voice.missed[0] == ("the lock", "held by another run on this volume")
    assert voice.founds == ["the lock"]
    assert os.path.exists(lock), "taking it away would let two in"


def test_a_lock_that_stays_held_times_out_at_the_deadline(database: Path) -> None:
    clock = VirtualClock()
    with (
        sqlite.locked(str(database), make_context(), "the lock"),
        pytest.raises(TimedOutError) as caught,
        sqlite.locked(str(database), make_context(clock=clock, timeout=7), "the lock"),
    ):
        pytest.fail("two hold it")
    assert clock.now() == pytest.approx(1007)
    assert str(caught.value) == (
        "cannot acquire the lock: held by another run on this volume; waited for 7s; wait for it to end, or end it"
    )


def test_a_lock_that_cannot_be_made_is_suspect(tmp_path: Path) -> None:
    with (
        pytest.raises(SuspectError, match="No such file or directory; check that the folder exists"),
        sqlite.locked(str(tmp_path / "no" / "folder.db"), make_context(), "the lock"),
    ):
        pytest.fail("it is held")


def test_a_file_system_without_locks_says_so(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(PermanentError, match="cannot acquire the lock: No locks available"),
        sqlite.locked(str(database), make_context(), "the lock"),
    ):
        pytest.fail("it is held")


# what a killed program leaves


def test_a_look_rolls_back_what_a_killed_program_left(database: Path) -> None:
    leave_hot_journal(database, "insert into a values (null)")
    with closing(sqlite.connect(str(database), make_context(), read_only=True)) as connection:
        assert connection.execute("select count(*) from a").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("insert into a values (1)")
    assert not os.path.exists(f"{database}-journal")


def test_a_program_that_is_killed_after_we_connected_is_left_to_the_next_attempt(database: Path) -> None:
    with closing(sqlite.connect(str(database), make_context(), read_only=True)) as connection:
        leave_hot_journal(database, "insert into a values (null)")
        with (
            pytest.raises(SuspectError, match="a program was killed while it wrote"),
            sqlite.interrupted_on_stop(connection, make_context(), "look"),
        ):
            connection.execute("select count(*) from a")


# a volume that is mounted read-only

LOOK = """
import sys
from fix_clock import make_context
from initkit.core.errors import InitkitError
from initkit.db import sqlite
try:
    print(sqlite.connect(sys.argv[1], make_context(), read_only=True).execute("select count(*) from a").fetchone())
except InitkitError as error:
    print(type(error).__name__, error)
"""


def look_read_only(path: Path) -> str:
    unshare = [need_program("unshare", "util-linux"), "--user", "--map-root-user", "--mount"]
    need(subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode == 0, "user namespaces")
    mount = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@"'
    command = [*unshare, "sh", "-ec", mount, "sh", str(path.parent), sys.executable, "-c", LOOK, str(path)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    return found.stdout.strip() or found.stderr


def test_a_database_in_wal_mode_can_be_looked_at_on_a_read_only_volume(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma journal_mode = wal")
    assert look_read_only(database) == "(0,)"


def test_what_is_unfinished_there_is_not_taken_for_the_truth(database: Path) -> None:
    leave_hot_journal(database, "insert into a values (null)")
    assert look_read_only(database) == (
        f"SuspectError cannot open {database}: attempt to write a readonly database; "
        "a program was killed while it wrote: mount the volume writable for this user, to roll that back"
    )
