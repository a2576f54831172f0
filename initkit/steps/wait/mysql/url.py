"""URLs of MySQL servers, as SQLAlchemy and MySQL's own clients write them; what is done there is the scheme's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.core.record import Record
from initkit.steps.wait.net.urls import ServerUrl, parse_server_url

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = {"mysql": 3306, "mariadb": 3306}
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
CHECKED = ("VERIFY_CA", "VERIFY_IDENTITY")  # the modes in which a certificate counts
_DRIVER = r"(?i)^(mysql|mariadb)\+\w+://"  # SQLAlchemy's: mysql+pymysql://
_NO_HOST = r"^(\w+://(?:[^/?#]*@)?)(/?[^/?#]*\?(?:[^#]*&)?unix_socket=)"


class Address(Record):
    """Where a server is.

    Attributes:
        url: host and port, who logs in, and the database.
        path: of a unix socket, instead of host and port.
        mode: MySQL's ``ssl-mode``; None where none was written.
        tls: files that the URL names as MySQL's clients do: ``ca``, ``cert``, ``key``.
    """

    url: ServerUrl
    path: str | None
    mode: str | None
    tls: Mapping[str, str]

    def __str__(self) -> str:
        """The URL without user, password and query, but with the socket."""
        database = f"/{self.url.path}" if self.url.path else ""
        return f"{self.url.scheme}://{self.path}{database}" if self.path else str(self.url)


def parse_url(text: str) -> Address:
    """A server's address from ``mysql://USER:PASSWORD@HOST:PORT/DATABASE?unix_socket=PATH&ssl-mode=MODE``.

    Raises:
        ValueError: it is none, has no user, or an unknown ``ssl-mode``.
    """
    plain = re.sub(_DRIVER, r"\1://", text.strip())
    url = parse_server_url(re.sub(_NO_HOST, r"\1localhost\2", plain), _SCHEMES)
    if not url.user:
        raise ValueError(f"expected a user in the URL ({url.scheme}://USER:PASSWORD@HOST), got none")
    query = {name.lower().replace("_", "-"): value for name, value in url.query.items()}
    mode = query.get("ssl-mode")
    if mode is not None:
        mode = mode.upper().replace("-", "_")
        if mode not in _MODES:
            raise ValueError(f"expected ssl-mode to be one of {', '.join(_MODES)}, got {mode!r}")
    files = {name: query[f"ssl-{name}"] for name in ("ca", "cert", "key") if query.get(f"ssl-{name}")}
    return Address(url, query.get("unix-socket") or None, mode, files)
