"""Which commit a ref of the remote means now; nothing is fetched here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initkit.core.errors import SuspectError
from initkit.steps.git.values import is_sha

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.steps.git.program import Program


@dataclass(frozen=True)
class Wanted:
    """What a ref stands for.

    Attributes:
        name: what to fetch: a full ref, or a SHA.
        sha: the commit.
    """

    name: str
    sha: str


def resolve(git: Program, ref: str) -> Wanted:
    """Ask the remote, once, which commit `ref` means; a full SHA means itself.

    A branch goes before a tag of the same name, as in ``git clone --branch``; a name that begins with ``refs/`` is
    taken as it stands. An annotated tag means the commit that it points to.

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
    said = git.ask(task, "ls-remote", *fewer, "--end-of-options", git.remote.url, *patterns, seconds=seconds)
    found = _parse(said)
    for name in _candidates(ref):
        if name in found:
            return Wanted(name, found.get(f"{name}^{{}}", found[name]))
    raise _missing(task, ref)


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
