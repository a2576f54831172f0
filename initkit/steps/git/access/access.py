"""What one remote is reached by, for as long as a child needs it: variables, settings and files that are in memory."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from initkit.core.step import Context
    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.asked.ssh import Ssh


def _never(_location: str) -> bool:
    return False


class Access(Record):
    """What the program is given for one remote, besides what it is always given.

    Attributes:
        variables: for its environment; secrets stand here and in files in memory, never in its arguments.
        settings: its configuration; nothing secret.
        descriptors: what its children inherit.
        follow: told the Location of a redirect that ended the program's work; whether to try again, now that
            `variables` lead there. It raises an `InitkitError` where it must not be followed.
    """

    variables: Mapping[str, str]
    settings: Mapping[str, str]
    descriptors: tuple[int, ...] = ()
    follow: Callable[[str], bool] = staticmethod(_never)  # a function alone would be bound to the record


def reaching(
    remote: Remote, asked: Ssh, context: Context, *, home: Remote | None = None
) -> AbstractContextManager[Access]:
    """What `remote` is reached by, read anew: Secrets are renewed while a sidecar runs.

    Args:
        remote: what is to be reached.
        asked: the options.
        context: the environment to read from, and who is told of what is unsafe.
        home: the remote that the options' credentials are meant for, where that is another one: they are given to
            `remote` only if scheme, host and port are the same.

    Raises:
        PermanentError: a file or variable that was named is missing, or of no use.
    """
    if remote.scheme == "ssh":
        from initkit.steps.git.access.ssh import ssh_access  # noqa: PLC0415 - only who uses it pays for it

        return ssh_access(remote, asked, context, home)
    if remote.scheme in {"https", "http"}:
        from initkit.steps.git.access.http import http_access  # noqa: PLC0415 - as above

        return http_access(remote, asked, context, home)
    return nullcontext(Access({}, {}))
