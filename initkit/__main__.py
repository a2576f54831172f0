"""`python -m initkit`."""

from __future__ import annotations

import gc

gc.disable()  # until the command line is read: looking for garbage while modules load takes a tenth of the start

from initkit.cli.main import main  # noqa: E402 - see above

if __name__ == "__main__":
    main()
