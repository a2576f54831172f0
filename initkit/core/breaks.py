"""One cause for every connection that the other side ends too early; what a retry makes of it, the errors say."""

from __future__ import annotations

import errno

# whether it is a FIN or an RST that comes first, and in which call it is noticed, is a matter of chance
CLOSES = "it closes the connection"


def is_break(error: BaseException | None) -> bool:
    """Whether the other side has closed or reset a connection that it had accepted."""
    if isinstance(error, ConnectionError):
        return not isinstance(error, ConnectionRefusedError)
    return isinstance(error, OSError) and error.errno == errno.ENOTCONN  # what the next call after the reset says
