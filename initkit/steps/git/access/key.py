"""The private key for ssh, as it stands in a file that a Secret was mounted as; how ssh is given it is not told."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, PermanentError
from initkit.core.redact import learn

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 1 << 16  # bytes: an RSA key of 16,384 bits takes 13 KiB
_OPENSSH = b"openssh-key-v1\0"  # openssh's PROTOCOL.key; the cipher's name follows
_NO_CIPHER = b"\0\0\0\4none"
_UNLOCK = "give a key without a passphrase: ssh-keygen -p -N '' -f FILE takes it off"
_PRIVATE = "give the file of the private key, as ssh-keygen writes it"
_MOUNT = "check --ssh-key-file, and that this user may read what is mounted there (fsGroup, defaultMode)"
_SECRET = 16  # characters: a shorter last line of a key would mask what is everywhere


def read_key(task: str, path: str) -> bytes:
    """The key in `path`, with the line ends that ssh insists on.

    What was pasted into a Secret has often lost its last line end, or has gained those of Windows.

    Raises:
        PermanentError: it cannot be read, or is no private key that works unattended.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST)
    except OSError as error:
        cause = f"the key cannot be read: {error.strerror}: {path}"
        raise PermanentError(task, cause, _MOUNT) from error
    text = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip()
    if flaw := _flaw(text):
        cause, advice = flaw
        raise PermanentError(task, f"{cause}: {path}", advice)
    return text + b"\n"


@contextmanager
def masked(key: bytes) -> Iterator[None]:
    """Mask what an error repeats of the key; to have all of it masked in everything takes up to a second."""
    try:
        yield
    except InitkitError as error:
        said = str(error)
        for line in key.decode("ascii", "replace").splitlines():
            if len(line) >= _SECRET and "-----" not in line and line in said:
                learn(line)
        raise


def _flaw(text: bytes) -> tuple[str, str] | None:
    """What is wrong with a key, and what helps."""
    if not text:
        return "the file of the key is empty", "check what the Secret holds"
    if re.match(rb"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ ", text) or b"PUBLIC KEY-----" in text[:100]:
        return "it is a public key", _PRIVATE
    if text.startswith(b"PuTTY-User-Key-File"):
        return "it is a key in the format of PuTTY", "convert it: puttygen KEY -O private-openssh -o FILE"
    match = re.fullmatch(rb"-----BEGIN ((?:\w+ )*)PRIVATE KEY-----\n(.*)\n-----END \1PRIVATE KEY-----", text, re.DOTALL)
    if not match:
        return "it is no whole private key", _PRIVATE
    if _is_encrypted(match[1], match[2]):
        return "the key has a passphrase, which nobody can type here", _UNLOCK
    return None


def _is_encrypted(kind: bytes, body: bytes) -> bool:
    if kind != b"OPENSSH ":
        return b"ENCRYPTED" in kind or b"Proc-Type: 4,ENCRYPTED" in body  # RFC 5208, RFC 1421
    import binascii  # noqa: PLC0415 - --help needs none of it

    try:
        content = binascii.a2b_base64(body)
    except binascii.Error:
        return False  # ssh will say that it is broken
    return content.startswith(_OPENSSH) and not content.startswith(_OPENSSH + _NO_CIPHER)
