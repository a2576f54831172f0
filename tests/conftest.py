"""Fixtures come from themed plugins beside this file: fix_clock, fix_need, fix_postgres, ..."""

from __future__ import annotations

from pathlib import Path

pytest_plugins = sorted(path.stem for path in Path(__file__).parent.glob("fix_*.py"))
