"""By which keys the server is known: ssh's own file, fingerprints, or, when asked for loudly, anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.steps.git.access import fingerprints

if TYPE_CHECKING:
    from initkit.core.step import Context
    from initkit.steps.git.asked.ssh import Ssh
    from initkit.steps.git.asked.ssh_address import SshAddress

_LONGEST = 1 << 20  # bytes


def known_hosts(task: str, asked: Ssh, address: SshAddress, context: Context) -> bytes | None:
    """The content of a file of known hosts (sshd(8)); None where any server is to be taken for the right one.

    Raises:
        InitkitError: the file is of no use, or no key of the server has one of the fingerprints.
    """
    if asked.insecure_ignore_host_key:
        context.voice.warn(
            f"--insecure-ignore-host-key: whoever answers for {address.host} is believed, and can change what is "
            "published; give --known-hosts"
        )
        return None
    if asked.host_key_fingerprint:
        return fingerprints.pinned(task, address, asked.host_key_fingerprint, context)
    return _read(task, asked.known_hosts, address)


def _read(task: str, path: str, address: SshAddress) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST).replace(b"\r\n", b"\n").strip()
    except OSError as error:
        cause = f"the keys of servers cannot be read: {error.strerror}: {path}"
        raise PermanentError(task, cause, "check --known-hosts, and what is mounted there") from error
    if not any(line.strip() and not line.lstrip().startswith(b"#") for line in content.split(b"\n")):
        advice = f"put in what ssh-keyscan -p {address.port} {address.host} prints, once it was compared"
        raise PermanentError(task, f"no key of a server is in {path}", advice)
    return content + b"\n"
