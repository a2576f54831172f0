"""`python -m initkit`."""

from __future__ import annotations

from initkit.cli.main import main

if __name__ == "__main__":
    main()
