"""Users and groups by number or by name; a name is looked up when the step runs, in the image that it runs in."""

from __future__ import annotations

import grp
import pwd
import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

from initkit.core.errors import PermanentError
from initkit.core.options import Parser

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*\$?")
_HIGHEST = 2**32 - 2  # the next one is (uid_t)-1, which chown(2) reads as "leave it"


class Owner(NamedTuple):
    """A user and, where it was said, a group; each as it was written."""

    user: str
    group: str | None = None

    def __str__(self) -> str:
        """``USER`` or ``USER:GROUP``."""
        return self.user if self.group is None else f"{self.user}:{self.group}"


def _parse_identity(text: str, what: str) -> str:
    if text.isascii() and text.isdigit():
        if int(text) > _HIGHEST:
            raise ValueError(f"expected a number of a {what} from 0 to {_HIGHEST}, got {text}")
    elif not _NAME.fullmatch(text):
        raise ValueError(f"expected a {what} by name or number, got {text!r}")
    return text


def parse_owner(text: str) -> Owner:
    """An owner from ``1000``, ``app``, ``1000:1000`` or ``app:www-data``.

    Raises:
        ValueError: it has another form.
    """
    user, colon, group = text.strip().partition(":")
    if colon and not group:
        raise ValueError(f"expected USER or USER:GROUP, got {text!r}")
    return Owner(_parse_identity(user, "user"), _parse_identity(group, "group") if colon else None)


def parse_group(text: str) -> str:
    """A group from ``1000`` or ``www-data``.

    Raises:
        ValueError: it has another form.
    """
    return _parse_identity(text.strip(), "group")


def user_id(user: str) -> int:
    """The number of a user.

    Raises:
        PermanentError: this image knows no such name.
    """
    return _number(user, "user", lambda: pwd.getpwnam(user).pw_uid)


def group_id(group: str) -> int:
    """The number of a group.

    Raises:
        PermanentError: this image knows no such name.
    """
    return _number(group, "group", lambda: grp.getgrnam(group).gr_gid)


def _number(text: str, what: str, look_up: Callable[[], int]) -> int:
    if text.isdigit():
        return int(text)
    try:
        return look_up()
    except KeyError as error:
        base = {"user": "passwd", "group": "group"}[what]
        raise PermanentError(
            f"find the {what} {text!r}",
            f"this image knows no {what} of that name",
            f"give the number that it has in the application's image (`grep ^{text}: /etc/{base}` shows it there)",
        ) from error


_ONE = rf"(\d+|{_NAME.pattern})"
# a boolean: to a plan's reader a user can be called `on`
_SCHEMA = {"type": ["string", "integer", "boolean"], "minimum": 0, "maximum": _HIGHEST}
UserAndGroup = Annotated[
    Owner, Parser("USER[:GROUP]", parse_owner, schema=_SCHEMA | {"pattern": rf"^\s*{_ONE}(:{_ONE})?\s*$"})
]
Group = Annotated[str, Parser("GROUP", parse_group, schema=_SCHEMA | {"pattern": rf"^\s*{_ONE}\s*$"})]
