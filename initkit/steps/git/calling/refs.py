"""Which commit a ref of the remote means now; nothing is fetched here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError
from initkit.core.record import Record
from initkit.steps.git.asked.values import is_sha
from initkit.steps.git.calling.answers import broken_off, no_repository
from initkit.steps.git.calling.limits import for_refs
from initkit.steps.git.calling.trace import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from initkit.steps.git.calling.program import Program


class Wanted(Record):
    """What a ref stands for.

    Attributes:
        name: what to fetch: a full ref, or a SHA.
        sha: the commit; empty where nobody was asked yet.
    """

    name: str
    sha: str


def resolve(git: Program, ref: str, begun: Callable[[], object] | None = None) -> Wanted:
    """Ask the remote, once, which commit `ref` means; a full SHA means itself.

    A branch goes before a tag of the same name, as in ``git clone --branch``; a name that begins with ``refs/`` is
    taken as it stands. An annotated tag means the commit that it points to.

    Args:
        git: the program for the remote.
        ref: what was asked for.
        begun: called once the remote is being asked; not for a full SHA.

    Raises:
        SuspectError: there is no such ref, or no commit yet.
        InitkitError: the remote cannot be asked.
    """
    if is_sha(ref):
        return Wanted(ref, ref)
    task = f"read {git.remote}"
    # with these the server sends branches and tags only, and not a forge's ten thousand refs of pull requests
    fewer = [] if ref == "HEAD" or ref.startswith("refs/") else ["--heads", "--tags"]
    patterns = [pattern for name in _candidates(ref) for pattern in (name, f"{name}^{{}}")]
    seconds = min(git.context.attempt_timeout, git.context.remaining)
    heard = Heard()
    said = git.but(limits=for_refs(git.largest)).ask(
        task,
        "ls-remote",
        *fewer,
        "--end-of-options",
        git.remote.url,
        *patterns,
        seconds=seconds,
        heard=heard,
        begun=begun,
    )
    found = _parse(said)
    for name in _candidates(ref):
        if name in found:
            return Wanted(name, found.get(f"{name}^{{}}", found[name]))
    if heard.is_cut:
        raise broken_off(task)
    # git takes any text for the list of refs of a repository without a server (gitprotocol-http(5), "dumb")
    raise no_repository(task, heard) if heard.page and not found else _missing(task, ref)


def first_guess(ref: str) -> Wanted:
    """What `ref` most probably means, without asking: a branch."""
    return Wanted(_candidates(ref)[0], "")


def _candidates(ref: str) -> tuple[str, ...]:
    if ref == "HEAD" or ref.startswith("refs/"):
        return (ref,)
    return (f"refs/heads/{ref}", f"refs/tags/{ref}")


def _parse(said: bytes) -> Mapping[str, str]:
    lines = (line.split("\t", 1) for line in said.decode("utf-8", "surrogateescape").splitlines())
    return {line[1]: line[0] for line in lines if len(line) > 1 and is_sha(line[0])}


def _missing(task: str, ref: str) -> SuspectError:
    if ref == "HEAD":
        return SuspectError(
            task,
            "its HEAD points to no commit",
            "push a first commit to the empty repository, or name a branch by --ref",
        )
    advice = "check --ref, and that it was pushed"
    if re.fullmatch(r"[0-9a-f]{7,39}", ref):
        advice = "give all 40 digits of a commit's SHA"
    return SuspectError(task, f"there is no branch and no tag {ref}", advice)
