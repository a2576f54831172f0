"""Whether the options for ssh go with the repository's address; seen before anything is attempted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import UsageError

if TYPE_CHECKING:
    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.asked.ssh import Ssh

_HOSTS = ("--known-hosts", "--host-key-fingerprint", "--insecure-ignore-host-key")


def refuse_incomplete(asked: Ssh, remote: Remote, *, only_one: bool) -> None:
    """Refuse ssh without a key or without a way to know the server, and options for ssh where nothing is ssh.

    Args:
        asked: the options.
        remote: the repository.
        only_one: whether no other remote than this one will be reached: submodules may be on ssh where it is not.

    Raises:
        UsageError: one is missing, or one too many.
    """
    task = f"reach {remote}"
    ways = _ways(asked)
    given = (["--ssh-key-file"] if asked.ssh_key_file else []) + ways
    if remote.scheme != "ssh" and not given:
        return
    if remote.scheme != "ssh" and only_one:
        raise UsageError(task, f"{given[0]} is for ssh", "give an ssh URL, or leave the option out")
    if not asked.ssh_key_file:
        raise UsageError(task, "no key to log in with was given", "give --ssh-key-file")
    if not ways:
        cause = "nothing says by which key its server is known"
        raise UsageError(task, cause, "give --known-hosts, or --host-key-fingerprint")
    if len(ways) > 1:
        raise UsageError(task, f"{ways[0]} and {ways[1]} exclude each other", "leave one of them out")


def _ways(asked: Ssh) -> list[str]:
    given = (asked.known_hosts, asked.host_key_fingerprint, asked.insecure_ignore_host_key)
    return [name for name, value in zip(_HOSTS, given, strict=True) if value]
