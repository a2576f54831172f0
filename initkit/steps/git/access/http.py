"""By what a remote is reached over HTTP: credentials that stay with its host, and certificates."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError, UsageError
from initkit.steps.git.access import certificates, redirect
from initkit.steps.git.access.access import Access
from initkit.steps.git.access.credentials import credentials_for
from initkit.steps.git.access.origin import WEB, origin_of
from initkit.steps.git.calling import hardening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from initkit.core.step import Context
    from initkit.steps.git.asked.login import Login
    from initkit.steps.git.asked.remote import Remote

_warned: set[str] = set()  # a sidecar would say it every minute


@contextmanager
def http_access(remote: Remote, asked: Login, context: Context, home: Remote | None) -> Iterator[Access]:
    """What an http or https remote is reached by; arguments and errors are those of `access.reaching`."""
    given = credentials_for(remote, asked, context.environ, home)
    if given and remote.scheme == "http":
        _warn_once(remote, context)
    with certificates.trusting(asked.ca_file, context.environ) as (trust, descriptors):
        variables = _proxies(context.environ) | trust | given.variables(remote)
        access = Access(variables, given.settings(), descriptors)
        yield access.but(follow=_follower(remote, variables)) if given else access


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxies whose URL has a user alone, with an empty password.

    git would ask the program of ``--askpass`` for that password, and most of them give the repository's to everyone.
    """
    urls = {name: environ.get(name, "") for name in hardening.PROXIES}
    alone = {name: re.match(r"(?:[^/]*//)?[^/:@]+(?=@)", url) for name, url in urls.items()}
    return {name: f"{user[0]}:{urls[name][user.end() :]}" for name, user in alone.items() if user}


def _follower(remote: Remote, variables: dict[str, str]) -> Callable[[str], bool]:
    """`Access.follow` for a remote with credentials; it adds to `variables`. Without credentials git follows itself."""
    number = int(variables.get("GIT_CONFIG_COUNT", "0"))
    hops: list[str] = []

    def follow(location: str) -> bool:
        url = redirect.led_to(remote, location)
        if len(hops) == redirect.MOST_HOPS or url in {remote.url, *hops}:
            raise SuspectError(f"read {remote}", f"it redirects for ever, now to {url}", "check the repository's URL")
        hops.append(url)
        variables.update(
            {
                "GIT_CONFIG_COUNT": str(number + 1),
                f"GIT_CONFIG_KEY_{number}": f"url.{url}.insteadOf",
                f"GIT_CONFIG_VALUE_{number}": remote.url,
            }
        )
        return True

    return follow


def _warn_once(remote: Remote, context: Context) -> None:
    origin = origin_of(remote)
    if origin not in _warned:
        _warned.add(origin)
        context.voice.warn(f"the credentials for {remote} go over the network unencrypted; use https")


def refuse_contradictions(asked: Login, remote: Remote, environ: Mapping[str, str], *, only_one: bool) -> None:
    """See before anything is attempted that the options for HTTP go with the address.

    Args:
        asked: the options.
        remote: the repository.
        environ: where variables are looked up.
        only_one: whether no other remote than this one will be reached.

    Raises:
        UsageError: they are for another protocol, say again what the URL says, or name a variable that is not set.
    """
    task = f"log in to {remote}"
    ways = asked.ways_to_log_in() + (["--username"] if asked.username else [])
    if remote.scheme not in WEB:
        ways += ["--ca-file"] if asked.ca_file and only_one else []
        if ways:
            raise UsageError(task, f"{ways[0]} is for http and https", "give an https URL, or leave the option out")
        return
    if ways and remote.password:
        raise UsageError(task, f"the URL has a password, and there is {ways[0]} too", "leave one of them out")
    if remote.user and (asked.username or asked.bearer_file):
        other = "--username" if asked.username else "--bearer-file"
        raise UsageError(task, f"the URL has a user, and there is {other} too", "leave one of them out")
    if asked.password_env and asked.password_env not in environ:
        raise UsageError(task, f"the environment variable {asked.password_env} is not set", "set it")
