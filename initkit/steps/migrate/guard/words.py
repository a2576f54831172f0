"""What this room calls its lock in messages, and how long it waits for an answer; what locks do is known elsewhere."""

from __future__ import annotations

from initkit.db.turns import Wording

WHAT = "the migration lock"
TAKING = f"acquire {WHAT}"
WORDING = Wording(WHAT, TAKING)
# Shorter than a server takes to give up a client that is cut off (5 + 3 x 3 s of keepalives), and with it the lock.
ANSWER = 10.0  # seconds that a question to the server may take
