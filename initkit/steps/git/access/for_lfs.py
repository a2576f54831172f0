"""What git-lfs may be given: it is no git, and less careful with what reaches git by its environment.

In a log on the disk it writes every variable that begins with ``GIT_`` as soon as a server answers with an error, and a
program in ``GIT_ASKPASS`` it asks for a password for whatever host a server names.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError
from initkit.core.redact import learn
from initkit.steps.git.access.memory import in_memory, path_of
from initkit.steps.git.access.origin import origin_of
from initkit.steps.git.calling import child, hardening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initkit.core.step import Context
    from initkit.steps.git.access.access import Access
    from initkit.steps.git.asked.remote import Remote

_USUAL_PORT = {"https": ":443", "http": ":80"}
_PATIENCE = 60  # seconds that a program may take to find a password


@contextmanager
def for_lfs(access: Access, remote: Remote, context: Context) -> Iterator[Access]:
    """The same access with its credentials in a file in memory, bound to the remote's scheme, host and port.

    Raises:
        SuspectError: the program that was to be asked for them failed.
    """
    variables = dict(access.variables)
    pairs = _taken(variables)
    if program := variables.pop("GIT_ASKPASS", ""):
        origin = origin_of(remote)
        user = dict(pairs).get(f"credential.{origin}.username", "")
        pairs.append((f"http.{origin}/.extraHeader", _basic(program, origin, user, context)))
    with in_memory("gitconfig", _text(pairs, remote).encode("utf-8", "surrogateescape")) as config:
        yield access.but(variables=variables | {"GIT_CONFIG_GLOBAL": path_of(config)})


def _taken(variables: dict[str, str]) -> list[tuple[str, str]]:
    """The configuration in the variables (git-config(1), ``GIT_CONFIG_COUNT``), which is taken out of them."""
    count = int(variables.pop("GIT_CONFIG_COUNT", "0"))
    return [
        (variables.pop(f"GIT_CONFIG_KEY_{number}"), variables.pop(f"GIT_CONFIG_VALUE_{number}"))
        for number in range(count)
    ]


def _text(pairs: list[tuple[str, str]], remote: Remote) -> str:
    return "".join(
        f'[{section} "{_quoted(subsection)}"]\n\t{key} = "{_quoted(value)}"\n'
        for name, value in pairs
        for section, subsection, key in _sections(name, remote)
    )


def _sections(name: str, remote: Remote) -> Iterator[tuple[str, str, str]]:
    """A setting's name in its parts; for the remote's own address once for each way that may be written.

    git knows that ``https://host`` and ``https://HOST:443`` are the same; git-lfs compares letters.
    """
    section, _, rest = name.partition(".")
    subsection, _, key = rest.rpartition(".")
    if section != "http":
        yield section, subsection, key
        return
    origin = origin_of(remote)
    written = "/".join(remote.url.split("/", 3)[:3])
    for address in dict.fromkeys((origin, written, origin.removesuffix(_USUAL_PORT[remote.scheme]))):
        yield section, f"{address}/", key


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _basic(program: str, origin: str, user: str, context: Context) -> str:
    """The header (RFC 7617) from what the program says, asked as git asks it."""
    user = user or _said(program, f"Username for '{origin}': ", context)
    password = _said(program, f"Password for '{origin.replace('://', f'://{user}@')}': ", context)
    learn(password, place=f"the password for {user} at {origin}")
    basic = base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()
    learn(basic, place=f"the header for {user} at {origin}")
    return f"Authorization: Basic {basic}"


def _said(program: str, prompt: str, context: Context) -> str:
    environment = hardening.environment(context.environ)
    try:
        ended = child.run(
            [program, prompt], environment=environment, directory="/", stop=context.stop, seconds=_PATIENCE
        )
    except child.Overdue:
        raise SuspectError(f"ask {program}", f"no answer within {_PATIENCE} s", "check it") from None
    if ended.code:
        raise SuspectError(f"ask {program}", f"it ended with {ended.code}", "check the program of --askpass")
    return ended.out.decode("utf-8", "surrogateescape").splitlines()[0] if ended.out else ""
