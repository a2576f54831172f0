"""Leaves a SQLite database as a program does that is killed in the middle of a transaction."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# with so small a cache the changed pages go to the file before the commit, which makes the journal hot
_WRITE = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("pragma cache_size = 1")
connection.execute("begin immediate")
for _ in range(5000):
    connection.execute(sys.argv[2])
print("written", flush=True)
time.sleep(60)
"""


def leave_hot_journal(path: Path, statement: str) -> None:
    """Kill a program once it has done `statement` many times in one transaction."""
    with subprocess.Popen([sys.executable, "-c", _WRITE, str(path), statement], stdout=subprocess.PIPE) as child:
        assert child.stdout
        written = child.stdout.readline()
        child.kill()
    assert written == b"written\n"
    assert os.path.getsize(f"{path}-journal")
