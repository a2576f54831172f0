"""What our sessions are called on the server, so that a run can tell whose they are; who asks for them is elsewhere."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK = "#lock"
LOOK = "#look"
LOOKING = f"initkit/migrate{LOOK}"  # of a session that looks before a lock, and so its number, is known
_POD = 40  # bytes of the pod's name: NAMEDATALEN - 1 = 63 are left of an application_name
# "Only printable ASCII characters may be used in the application_name value":
# https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-APPLICATION-NAME
_FOREIGN = re.compile(r"[^!-~]|#")


def pod(environ: Mapping[str, str]) -> str:
    """The pod that we run in, as Kubernetes names its host."""
    return environ.get("HOSTNAME") or socket.gethostname() or "unknown"


def family(key: int) -> str:
    """How the tags of all who migrate under the lock `key` begin: ``initkit/<8 hex>/``.

    They are the key's last digits: of the small numbers that people give as keys, the first are all zero, and one run
    would take the sessions of another's lock for its own.
    """
    return f"initkit/{key & 0xFFFFFFFF:08x}/"


def tag(key: int, environ: Mapping[str, str]) -> str:
    """The ``application_name`` of sessions that change something under the lock `key`: ``initkit/<8 hex>/<pod>``.

    What the server would replace in it is replaced already, so that it can be compared with what the server tells.
    """
    return family(key) + _FOREIGN.sub("?", pod(environ))[-_POD:]
