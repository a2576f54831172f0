"""How git comes to an ssh of our choice, without a shell: its options and keys in memory, its program in `start`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from initkit.core.errors import PermanentError, TemporaryError
from initkit.steps.git.access import certificates, fingerprints, nobody
from initkit.steps.git.access.access import Access
from initkit.steps.git.access.key import masked, read_key
from initkit.steps.git.access.known_hosts import known_hosts
from initkit.steps.git.access.memory import in_memory, path_of
from initkit.steps.git.asked.ssh_address import SshAddress, parse_ssh
from initkit.steps.git.calling.failures import HostKeyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from initkit.core.step import Context
    from initkit.steps.git.asked.remote import Remote
    from initkit.steps.git.asked.ssh import Ssh

_START = os.path.join(os.path.dirname(__file__), "start")
_KEPT = ("PYTHONHOME", "LD_LIBRARY_PATH")  # what some images cannot start their interpreter without
# ssh_config(5); a server that says nothing for a minute has stalled
_OPTIONS = {
    "BatchMode": "yes",
    "LogLevel": "ERROR",
    "RequestTTY": "no",
    "PreferredAuthentications": "publickey",
    "PubkeyAuthentication": "yes",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "AddKeysToAgent": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "PermitLocalCommand": "no",
    "ProxyCommand": "none",
    "ControlMaster": "no",
    "ControlPath": "none",
    "GlobalKnownHostsFile": "/dev/null",
    "UpdateHostKeys": "no",
    "CheckHostIP": "no",
    "VerifyHostKeyDNS": "no",
    "ConnectionAttempts": "1",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    "SendEnv": "GIT_PROTOCOL",
}


@contextmanager
def ssh_access(remote: Remote, asked: Ssh, context: Context, home: Remote | None = None) -> Iterator[Access]:
    """What a remote is reached by over ssh; keys and known hosts are read anew, for Secrets are renewed.

    Arguments are those of `access.reaching`.

    Raises:
        PermanentError: a key, a file, ssh itself or a passwd entry is missing, or of no use.
        InitkitError: the server cannot be asked for its keys, or has others.
    """
    task = f"reach {remote}"
    program, address = _ssh(task, context.environ), parse_ssh(remote.url)
    if not asked.ssh_key_file or (home is not None and not is_neighbour(address, home)):
        advice = "have the submodule come from the host of the repository itself, and give --ssh-key-file"
        raise PermanentError(task, "there is no key for it", advice)
    with ExitStack() as stack:
        content = read_key(task, asked.ssh_key_file)
        stack.enter_context(masked(content))
        key = stack.enter_context(in_memory("key", content))
        entry = stack.enter_context(nobody.named(task, context.environ))
        known = known_hosts(task, asked, address, context)
        hosts = None if known is None else stack.enter_context(in_memory("known_hosts", known))
        lines = _lines(address, path_of(key), "" if hosts is None else path_of(hosts), context)
        config = stack.enter_context(in_memory("ssh_config", "".join(lines).encode()))
        words = (program, "-F", path_of(config), "--", address.host)
        stack.enter_context(_asking_anew())
        kept = {name: context.environ[name] for name in _KEPT if name in context.environ}
        # the server may send git-lfs on to one of its own over HTTPS
        trust, descriptors = stack.enter_context(certificates.trusting(asked.ca_file, context.environ))
        yield Access(_variables(words) | entry | kept | trust, {}, descriptors)


def is_neighbour(address: SshAddress, home: Remote) -> bool:
    """Whether the key that was given for `home` may open another repository too: one of the same server.

    A repository could name any other that the key opens, and have it published. Where `home` is reached over HTTP, the
    key can only be meant for the ssh of its host.
    """
    if home.scheme != "ssh":
        return (address.host.lower(), address.port) == (urlsplit(home.url).hostname, SshAddress.port)
    own = parse_ssh(home.url)
    return (address.host.lower(), address.port) == (own.host.lower(), own.port)


def _ssh(task: str, environ: Mapping[str, str]) -> str:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, "ssh")
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise PermanentError(task, "there is no program ssh on PATH", "install openssh-client in the image")


def _variables(words: Sequence[str]) -> dict[str, str]:
    """Variables by which git starts `start`, which becomes these words.

    git knows no kind of ssh whose options are none at all and whose port may be another one. As plink it is called with
    ``-P NUMBER`` at most, which the interpreter takes too (as an option of its own, or for a script's name), and with
    the command as the last argument.
    """
    return {
        "GIT_SSH": sys.executable,
        "GIT_SSH_VARIANT": "plink",
        "GIT_PROTOCOL": "version=2",  # git itself says so to OpenSSH only
        "INITKIT_SSH": "\n".join(words),
        "PYTHONPATH": _START,
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _lines(address: SshAddress, key: str, hosts: str, context: Context) -> Iterator[str]:
    seconds = min(context.attempt_timeout, context.remaining)
    chosen = _OPTIONS | {
        "User": address.user,
        "Port": str(address.port),
        "IdentityFile": key,
        "ConnectTimeout": str(max(1, round(seconds))),
        "StrictHostKeyChecking": "yes" if hosts else "no",
        "UserKnownHostsFile": hosts or "/dev/null",
    }
    for name, value in chosen.items():
        yield f"{name} {value}\n"


@contextmanager
def _asking_anew() -> Iterator[None]:
    """Another key than the one that was asked for earlier in this run may be one that is allowed too."""
    try:
        yield
    except HostKeyError as error:
        if fingerprints.forget():
            raise TemporaryError(error.task, f"{error.cause} (its keys are asked for anew)") from error
        raise
