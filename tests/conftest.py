"""Fixtures come from themed plugins beside this file: fix_clock, fix_need, fix_postgres, ..."""

from __future__ import annotations

import signal
from pathlib import Path

# fix_need first: what others import must not be there before pytest has rewritten its assertions
pytest_plugins = sorted(
    (path.stem for path in Path(__file__).parent.glob("fix_*.py")), key=lambda name: (name != "fix_need", name)
)

# a shell starts what it runs in the background with SIGINT ignored, and so would all be that tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
