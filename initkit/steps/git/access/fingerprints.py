"""A server's keys, found by their fingerprints: asked for, compared here, and only then trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError, TemporaryError
from initkit.core.values import show_duration
from initkit.steps.git.calling import child, hardening
from initkit.steps.git.calling.failures import HostKeyError, from_os, translate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initkit.core.step import Context
    from initkit.steps.git.asked.ssh_address import SshAddress

_KINDS = "ed25519,ecdsa,rsa"
_ADVICE = "if the server has been given a new key, check it and give its fingerprint in --host-key-fingerprint"
_pinned: dict[tuple[SshAddress, Sequence[str]], bytes] = {}


def pinned(task: str, address: SshAddress, fingerprints: Sequence[str], context: Context) -> bytes:
    """Known hosts with the keys of the server that have one of the fingerprints.

    It is asked once in a run: a sidecar that asked each time would be taken for a scanner (sshd_config(5),
    PerSourcePenalties). That somebody else may have answered does no harm, for a fingerprint cannot be forged.

    Raises:
        HostKeyError: none of its keys has one.
        InitkitError: it cannot be asked.
    """
    place = (address, fingerprints)
    if place not in _pinned:
        _pinned[place] = _chosen(task, address, fingerprints, _scan(task, address, context))
    return _pinned[place]


def forget() -> bool:
    """Ask each server anew; whether any had been asked."""
    had_asked = bool(_pinned)
    _pinned.clear()
    return had_asked


def fingerprint_of(blob: str) -> str:
    """The fingerprint of a key in base64, as ``ssh-keygen -l`` prints it (RFC 4648 without padding)."""
    import base64  # noqa: PLC0415 - few runs need it
    import hashlib  # noqa: PLC0415 - as above

    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _chosen(task: str, address: SshAddress, fingerprints: Sequence[str], keys: Sequence[tuple[str, str]]) -> bytes:
    known = {fingerprint_of(blob): f"{address.key_name} {kind} {blob}\n" for kind, blob in keys}
    lines = [line for fingerprint, line in known.items() if fingerprint in fingerprints]
    if not lines:
        shown = ", ".join(f"{fingerprint_of(blob)} ({kind})" for kind, blob in keys)
        raise HostKeyError(task, f"the server's key has another fingerprint: {shown}", _ADVICE)
    return "".join(lines).encode()


def _scan(task: str, address: SshAddress, context: Context) -> list[tuple[str, str]]:
    """The kind and the base64 of each of the server's keys."""
    seconds = max(0.001, min(context.attempt_timeout, context.remaining))
    argv = ["ssh-keyscan", "-T", str(max(1, round(seconds))), "-t", _KINDS, "-p", str(address.port), "--", address.host]
    environment = hardening.environment(context.environ)
    try:
        finished = child.run(argv, environment=environment, directory="/", stop=context.stop, seconds=seconds)
    except child.Overdue:
        after = show_duration(round(seconds, 1))
        raise TemporaryError(task, f"the server showed no key within {after}", "check the network") from None
    except FileNotFoundError as error:
        advice = "install openssh-client in the image, or give --known-hosts"
        raise PermanentError(task, "there is no program ssh-keyscan on PATH", advice) from error
    except OSError as error:
        raise from_os(task, error) from error
    keys = list(_keys(finished.out.decode("ascii", "replace")))
    if not keys:
        raise _no_keys(task, finished.err)
    return keys


def _keys(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and not line.startswith("#"):  # noqa: PLR2004 - host, kind and key
            yield words[1], words[2]


def _no_keys(task: str, said: str) -> InitkitError:
    """Why there is none; keyscan tells what the server said of itself too."""
    lines = [line for line in said.splitlines() if not line.startswith("#")]
    return translate(task, lines[0]) if lines else TemporaryError(task, "the server showed no key", "check the port")
