"""What errors of MySQL and MariaDB mean, by their numbers; how they are met belongs to `mysql`."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from initkit.core.breaks import CLOSES
from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Meanings = Mapping[int, type[InitkitError]]

# Numbers of https://mariadb.com/kb/en/mariadb-error-code-reference/ and of MySQL's Server Error Message Reference;
# the words that come with them are translated (lc_messages), and many numbers share an SQLSTATE.
DENIED_DATABASE = 1044
UNKNOWN_DATABASE = 1049
NO_SUCH_TABLE = 1146
MADE_BY_OTHERS = (UNKNOWN_DATABASE, 1054, NO_SUCH_TABLE, 1305)  # a database, column, table, function
SYNTAX = 1064
UNKNOWN_VARIABLE = 1193
_RIGHTS = "grant the user that right"
OTHER_PLUGIN = "use an account that logs in with mysql_native_password or caching_sha2_password"
_SUSPECT = {
    DENIED_DATABASE: "grant the user rights on the database, or mend its name",
    1045: "check user and password, and whether the account demands TLS or another host",
    UNKNOWN_DATABASE: "create the database, or mend its name",
    1129: "run FLUSH HOSTS in the server, and find what breaks off its logins",
    1130: "create the user for this host, or for any: 'USER'@'%'",
    1142: _RIGHTS,
    1143: _RIGHTS,
    1227: _RIGHTS,
    1251: OTHER_PLUGIN,
    1370: _RIGHTS,
    1524: OTHER_PLUGIN,
    1698: "check user and password; this account may be for another host or for a local socket only",
    1820: "give the account a new password",
    1862: "give the account a new password",
    2059: OTHER_PLUGIN,
    3118: "unlock the account",
    3159: "use TLS: leave out ssl-mode=DISABLED",
    4151: "unlock the account",
}
_PERMANENT = {
    1046: "name a database in the URL, or with the table",
    SYNTAX: "mend the query",
    1149: "mend the query",
    1792: "ask a query that only reads",
}
_CREATED = "check who is to create it"
_LONG = "ask for less, or raise --attempt-timeout"
_ADVICE = {
    1040: "raise max_connections, or find who holds them",
    1054: _CREATED,
    NO_SUCH_TABLE: _CREATED,
    1305: _CREATED,
    1969: _LONG,
    3024: _LONG,
}
_BREAKS = {2006, 2013}  # the driver's own: the server is gone, or says good-bye where it should answer
_LONGEST = 200  # characters of a server's words
NO_MEANINGS: Meanings = MappingProxyType({})


def classify(args: tuple[object, ...], task: str, meanings: Meanings = NO_MEANINGS) -> InitkitError:
    """What an error of the driver means, by the number that the server gave it.

    Args:
        args: the error's: number and words, or something else where the driver itself had to give up.
        task: for messages.
        meanings: errors that mean something else here, by number.
    """
    number, words = (*args, "", "")[:2]
    if not isinstance(number, int) or not words:
        return nonsense(task)
    if number in _BREAKS:
        return TemporaryError(task, CLOSES, "look into the server's log")
    cause = f"{_plain(str(words))} (error {number})"
    if number in meanings:
        return meanings[number](task, cause, _SUSPECT.get(number) or _ADVICE.get(number, ""))
    if number in _SUSPECT:
        return SuspectError(task, cause, _SUSPECT[number])
    if number in _PERMANENT:
        return PermanentError(task, cause, _PERMANENT[number])
    return TemporaryError(task, cause, _ADVICE.get(number, "look into the server's log"))


def _plain(words: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", words).strip().rstrip(".")[:_LONGEST]


def nonsense(task: str) -> InitkitError:
    """The other side does not keep to the protocol."""
    return TemporaryError(task, "it does not speak MySQL's protocol", "check host and port")
